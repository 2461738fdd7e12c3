/* The budget of retries, by a clock that is set. */
#include "support/check.h"

#include "base/clock.h"
#include "client/budget.h"

#include <limits.h>

#define SECOND (1000 * DIST_NS_PER_MS)

static struct dist_budget budget;
static uint64_t n_started;
static int64_t now_ns;

static int
begin(void **state)
{
	(void)state;
	n_started = 0;
	now_ns = 5 * SECOND;
	dist_budget_init(&budget, 0, now_ns);
	return 0;
}

/* How many of @n may retry now. */
static unsigned
draw(unsigned n)
{
	unsigned n_drawn = 0;

	for (unsigned i = 0; i < n; i++)
		n_drawn += dist_budget_draw(&budget, n_started, now_ns);
	return n_drawn;
}

static void
test_what_is_saved_is_there_at_first_and_comes_back_with_time(void **state)
{
	(void)state;
	assert_int_equal(draw(5000), DIST_BUDGET_SAVED);
	assert_int_equal(draw(10), 0);
	now_ns += SECOND / 10;
	assert_int_equal(draw(10), 1);
	now_ns += 3 * SECOND;
	assert_int_equal(draw(100), 30);
	now_ns += 10000 * SECOND;
	assert_int_equal(draw(5000), DIST_BUDGET_SAVED);
}

/* Looked at all the time, it fills as fast. */
static void
test_small_steps_of_time_are_not_lost(void **state)
{
	unsigned n = 0;

	(void)state;
	draw(5000);
	for (int64_t end_ns = now_ns + 10 * SECOND; now_ns < end_ns; now_ns += 99991)
		n += draw(1);
	assert_in_range(n, 99, 100);
}

static void
test_calls_that_start_pay_for_a_tenth_of_retries(void **state)
{
	unsigned n = 0;

	(void)state;
	draw(5000);
	/* An outage: whatever is sent comes back lost, and wants to go out again. */
	for (unsigned i = 0; i < 10000; i++) {
		now_ns += SECOND / 10000;
		n_started++;
		n += draw(5);
	}
	assert_in_range(n, 950, 1000 + DIST_BUDGET_A_SECOND);
}

/* A batch that starts at once, and is lost in part. */
static void
test_all_that_started_within_the_window_counts(void **state)
{
	(void)state;
	draw(5000);
	n_started += 40000;
	now_ns += SECOND;
	assert_int_equal(draw(100000), 4000 + DIST_BUDGET_A_SECOND);
}

/* What an hour of calls would have paid for is no stock for one moment. */
static void
test_what_was_earned_long_ago_is_forgotten(void **state)
{
	(void)state;
	n_started += 3600 * 100;
	now_ns += 3600 * SECOND;
	assert_int_equal(draw(100000), DIST_BUDGET_SAVED + 10 * 10);
	n_started += 1000;
	assert_int_equal(draw(10), 10); /* of 100 */
	now_ns += 20 * SECOND;
	assert_int_equal(draw(1000), 200); /* the others are gone: this is time's */
}

static void
test_percents_are_as_asked_for(void **state)
{
	static const struct {
		unsigned percent, started, retries;
	} rows[] = {
		{ 0, 1000, 100 }, { 1, 1000, 10 },      { 50, 1000, 500 },
		{ 100, 10, 10 },  { 1000, 1000, 10000 }, { 1, 99, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dist_budget_init(&budget, rows[i].percent, now_ns);
		n_started = 0;
		draw(5000);
		n_started = rows[i].started;
		assert_int_equal(draw(100000), rows[i].retries);
	}
	dist_budget_init(&budget, UINT_MAX, now_ns);
	n_started = 0;
	assert_int_equal(draw(100000), 100000);
}

static void
test_great_numbers_do_no_harm(void **state)
{
	(void)state;
	dist_budget_init(&budget, UINT_MAX - 1, 1);
	n_started = UINT64_MAX / 2;
	now_ns = INT64_MAX - 1;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(draw(10), 10);
		n_started += UINT64_MAX / 32;
	}
	assert_true(budget.earned > 0 && budget.saved > 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, begin)

static const struct CMUnitTest tests[] = {
	TEST(test_what_is_saved_is_there_at_first_and_comes_back_with_time),
	TEST(test_small_steps_of_time_are_not_lost),
	TEST(test_calls_that_start_pay_for_a_tenth_of_retries),
	TEST(test_all_that_started_within_the_window_counts),
	TEST(test_what_was_earned_long_ago_is_forgotten),
	TEST(test_percents_are_as_asked_for),
	TEST(test_great_numbers_do_no_harm),
};

CHECK_MAIN(tests)
