#include "server/pace.h"

#include "support/check.h"

#define SHORT (DIST_PACE_SHORT_NS - 1)
#define MEDIUM (DIST_PACE_SHORT_NS + 1)
#define LONG (DIST_PACE_LONG_NS + 1)

/* So many runs in a row of this length. */
static void
note(struct dist_pace *pace, unsigned n_runs, int64_t ran_ns)
{
	while (n_runs-- > 0)
		dist_pace_note(pace, ran_ns);
}

static void
test_thirty_two_short_runs_in_a_row_make_it_short(void **state)
{
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	note(&pace, 31, SHORT);
	assert_false(dist_pace_is_short(&pace));
	note(&pace, 1, MEDIUM);
	note(&pace, 31, SHORT);
	assert_false(dist_pace_is_short(&pace));
	note(&pace, 1, SHORT);
	assert_true(dist_pace_is_short(&pace));
	note(&pace, 100, MEDIUM);
	assert_true(dist_pace_is_short(&pace));
}

static void
test_a_long_run_sends_it_back_for_twice_as_many(void **state)
{
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	for (unsigned n_needed = 32; n_needed <= 4096; n_needed *= 2) {
		note(&pace, n_needed - 1, SHORT);
		assert_false(dist_pace_is_short(&pace));
		note(&pace, 1, SHORT);
		assert_true(dist_pace_is_short(&pace));
		note(&pace, 2, LONG); /* the second one changes nothing more */
		assert_false(dist_pace_is_short(&pace));
	}
	/* Not for ever: a busy machine makes short procedures look long. */
	note(&pace, 4096, SHORT);
	assert_true(dist_pace_is_short(&pace));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_thirty_two_short_runs_in_a_row_make_it_short),
	cmocka_unit_test(test_a_long_run_sends_it_back_for_twice_as_many),
};

CHECK_MAIN(tests)
