/* Which of two ways is faster, by a clock that the test sets. */
#include "support/check.h"

#include "base/trial.h"

/* Units one by one, of which each takes @ns[way]; how many went each way. */
static void
work(struct dist_trial *trial, int64_t *now_ns, const int64_t ns[2], unsigned n_units,
     unsigned ret_n[2])
{
	ret_n[0] = ret_n[1] = 0;
	for (unsigned i = 0; i < n_units; i++) {
		*now_ns += ns[trial->way];
		ret_n[trial->way]++;
		if (dist_trial_count(trial, 1))
			dist_trial_judge(trial, *now_ns);
	}
}

static void
test_the_faster_way_is_kept_to(void **state)
{
	static const int64_t costs[][2] = { { 500, 1000 }, { 1000, 500 } };
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		struct dist_trial trial;
		int64_t now_ns = 1;
		unsigned n[2];

		dist_trial_init(&trial);
		work(&trial, &now_ns, costs[i], 10000, n);
		assert_int_equal(trial.better, i);
		work(&trial, &now_ns, costs[i], 2000000, n);
		assert_in_range(n[!i], 1, 2000000 / 40);
	}
}

static void
test_a_change_is_noticed(void **state)
{
	static const int64_t before[2] = { 500, 700 }, after[2] = { 900, 700 };
	struct dist_trial trial;
	int64_t now_ns = 1;
	unsigned n[2];
	(void)state;

	dist_trial_init(&trial);
	work(&trial, &now_ns, before, 1000000, n);
	assert_int_equal(trial.better, 0);
	work(&trial, &now_ns, after, 50000, n);
	assert_int_equal(trial.better, 1);
	work(&trial, &now_ns, before, 500000, n); /* until it is tried again */
	assert_int_equal(trial.better, 0);
}

static void
test_a_little_is_no_reason_to_change(void **state)
{
	static const int64_t ns[2] = { 1000, 970 };
	struct dist_trial trial;
	int64_t now_ns = 1;
	unsigned n[2];
	(void)state;

	dist_trial_init(&trial);
	work(&trial, &now_ns, ns, 1000000, n);
	assert_int_equal(trial.better, 0);
}

static void
test_pauses_say_nothing(void **state)
{
	static const int64_t ns[2] = { 500, 1000 };
	struct dist_trial trial;
	int64_t now_ns = 1;
	unsigned n[2];
	(void)state;

	dist_trial_init(&trial);
	work(&trial, &now_ns, ns, 10000, n);
	for (int i = 0; i < 1000; i++) {
		work(&trial, &now_ns, ns, 1000, n);
		now_ns += 1000000000;
		dist_trial_void(&trial);
	}
	assert_int_equal(trial.better, 0);
	assert_in_range(trial.cost_ps[0], 450000, 550000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_the_faster_way_is_kept_to),
	cmocka_unit_test(test_a_change_is_noticed),
	cmocka_unit_test(test_a_little_is_no_reason_to_change),
	cmocka_unit_test(test_pauses_say_nothing),
};

CHECK_MAIN(tests)
