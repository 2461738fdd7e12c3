#include "server/pace.h"

#include "base/clock.h"
#include "support/check.h"

#define SHORT  (DIST_PACE_SHORT_NS - 1)
#define MEDIUM (DIST_PACE_SHORT_NS + 1)
#define LONG   (DIST_PACE_LONG_NS + 1)

/* So many runs in a row of this length. */
static void
pooled(struct dist_pace *pace, unsigned n_runs, int64_t used_ns)
{
	while (n_runs-- > 0)
		dist_pace_note_pooled(pace, used_ns);
}

static void
inlined(struct dist_pace *pace, unsigned n_runs, int64_t ran_ns)
{
	while (n_runs-- > 0)
		dist_pace_note_inline(pace, ran_ns);
}

/* How many short runs it takes in the pool until it is short. */
static unsigned
runs_needed(struct dist_pace *pace)
{
	unsigned n = 0;

	assert_false(dist_pace_is_short(pace));
	for (; !dist_pace_is_short(pace); n++)
		pooled(pace, 1, SHORT);
	return n;
}

static void
test_thirty_two_short_runs_in_a_row_make_it_short(void **state)
{
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	pooled(&pace, 31, SHORT);
	pooled(&pace, 1, MEDIUM);
	assert_int_equal(runs_needed(&pace), 32);
	inlined(&pace, 1000, SHORT);
	assert_true(dist_pace_is_short(&pace));
}

static void
test_a_long_run_sends_it_back_for_twice_as_many(void **state)
{
	static const int64_t lengths[] = { LONG, DIST_NEVER };
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	for (unsigned n_needed = 32; n_needed <= 4096; n_needed *= 2) {
		assert_int_equal(runs_needed(&pace), n_needed);
		/* The second one changes nothing more. */
		inlined(&pace, 2, lengths[n_needed % 3 % 2]);
	}
	/* Not for ever: a busy machine makes short procedures look long. */
	assert_int_equal(runs_needed(&pace), 4096);
}

static void
test_trouble_is_forgotten_after_long_enough(void **state)
{
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	for (unsigned n_needed = 32; n_needed <= 256; n_needed *= 2) {
		assert_int_equal(runs_needed(&pace), n_needed);
		inlined(&pace, 1, LONG);
	}
	assert_int_equal(runs_needed(&pace), 512);
	inlined(&pace, 64 * (512 + 256), SHORT);
	inlined(&pace, 1, LONG);
	assert_int_equal(runs_needed(&pace), 256);
	/* Never below what any procedure has to show. */
	inlined(&pace, 64 * 4096, SHORT);
	inlined(&pace, 1, LONG);
	assert_int_equal(runs_needed(&pace), 64);
}

static void
test_many_runs_that_are_not_quite_short_send_it_back(void **state)
{
	struct dist_pace pace;

	(void)state;
	dist_pace_init(&pace, 1);
	pooled(&pace, 32, SHORT);
	inlined(&pace, 7, MEDIUM);
	assert_true(dist_pace_is_short(&pace));
	inlined(&pace, 1, MEDIUM);
	assert_int_equal(runs_needed(&pace), 64);

	/* A few among many are a thread that was interrupted. */
	for (int i = 0; i < 100; i++) {
		inlined(&pace, 256, SHORT);
		inlined(&pace, 7, MEDIUM);
	}
	assert_true(dist_pace_is_short(&pace));
}

static void
test_a_run_that_slept_used_all_of_its_time(void **state)
{
	struct timespec pause = { 0, 2 * DIST_PACE_LONG_NS };
	struct dist_pace_run run;

	(void)state;
	dist_pace_run_begin(&run);
	nanosleep(&pause, NULL);
	assert_true(dist_pace_run_end(&run) > DIST_PACE_LONG_NS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_thirty_two_short_runs_in_a_row_make_it_short),
	cmocka_unit_test(test_a_long_run_sends_it_back_for_twice_as_many),
	cmocka_unit_test(test_trouble_is_forgotten_after_long_enough),
	cmocka_unit_test(test_many_runs_that_are_not_quite_short_send_it_back),
	cmocka_unit_test(test_a_run_that_slept_used_all_of_its_time),
};

CHECK_MAIN(tests)
