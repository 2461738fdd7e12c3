#include "base/spin.h"

#include "support/check.h"

#define US      INT64_C(1000)
#define MS      (1000 * US)
#define LENGTH  50 /* us */
#define LOOK_NS 500

/* A thread that waits, with a clock that we set. */
struct waiter {
	struct dist_spin spin;
	int64_t now_ns;
	int64_t spun_ns; /* in all */
	int64_t began_ns;
};

static void
waiter_init(struct waiter *waiter, unsigned length_us)
{
	*waiter = (struct waiter){ .now_ns = 1000 * MS };
	dist_spin_init(&waiter->spin, length_us);
}

static bool
begin(struct waiter *waiter)
{
	waiter->began_ns = waiter->now_ns;
	return dist_spin_begin(&waiter->spin, waiter->now_ns);
}

static void
end(struct waiter *waiter, bool seen)
{
	dist_spin_end(&waiter->spin, seen, waiter->now_ns);
	waiter->spun_ns += waiter->now_ns - waiter->began_ns;
}

/* A wait for input that comes after @comes_ns; whether it was spun for. */
static bool
wait_for(struct waiter *waiter, int64_t comes_ns)
{
	int64_t comes_at = waiter->now_ns + comes_ns;
	bool began = begin(waiter), seen = false;

	if (began) {
		do {
			waiter->now_ns += LOOK_NS;
			seen = waiter->now_ns >= comes_at;
		} while (!seen && dist_spin_goes_on(&waiter->spin, waiter->now_ns));
		end(waiter, seen);
	}
	if (!seen)
		waiter->now_ns = comes_at;
	return began;
}

/* The same, where others have the CPU for @gap_ns after the first look. */
static bool
wait_through_a_gap(struct waiter *waiter, int64_t gap_ns)
{
	bool began = begin(waiter), goes_on;

	if (!began)
		return false;
	goes_on = dist_spin_goes_on(&waiter->spin, waiter->now_ns += LOOK_NS);
	assert_true(goes_on);
	waiter->now_ns += gap_ns;
	assert_false(dist_spin_goes_on(&waiter->spin, waiter->now_ns));
	end(waiter, true);
	return true;
}

static void
test_none_is_made_without_being_asked_for(void **state)
{
	struct waiter waiter;

	(void)state;
	waiter_init(&waiter, 0);
	for (int i = 0; i < 100; i++)
		assert_false(wait_for(&waiter, US));
}

static void
test_it_lasts_as_long_as_it_may(void **state)
{
	struct waiter waiter;

	(void)state;
	waiter_init(&waiter, LENGTH);
	assert_true(wait_for(&waiter, MS));
	assert_int_equal(waiter.spun_ns, LENGTH * US);
}

static void
test_it_goes_on_for_ever_where_it_pays(void **state)
{
	struct waiter waiter;

	(void)state;
	waiter_init(&waiter, LENGTH);
	for (int i = 0; i < 100000; i++)
		assert_true(wait_for(&waiter, 4 * US));
}

static void
test_some_that_are_in_vain_do_no_harm_among_those_that_pay(void **state)
{
	struct waiter waiter;

	(void)state;
	waiter_init(&waiter, LENGTH);
	for (int i = 0; i < 100000; i++)
		assert_true(wait_for(&waiter, i % 5 ? 4 * US : 80 * US));
}

/* Both ends on one CPU: the other one runs only when this one sleeps. */
static void
test_in_vain_it_takes_a_small_part_of_the_time(void **state)
{
	struct waiter waiter;
	int64_t began_ns;

	(void)state;
	waiter_init(&waiter, LENGTH);
	began_ns = waiter.now_ns;
	while (waiter.now_ns < began_ns + 1000 * MS)
		wait_for(&waiter, 60 * US);
	assert_in_range(waiter.spun_ns, 0, 1000 * MS / 50);
}

static void
test_requests_that_are_rarer_than_it_is_long_stop_it(void **state)
{
	struct waiter waiter;
	int64_t began_ns;

	(void)state;
	waiter_init(&waiter, 1000);
	began_ns = waiter.now_ns;
	while (waiter.now_ns < began_ns + 10000 * MS)
		wait_for(&waiter, 3 * MS);
	assert_in_range(waiter.spun_ns, 0, 10000 * MS / 50);
}

static void
test_it_begins_again_when_it_pays_again(void **state)
{
	struct waiter waiter;
	int n_blocked = 0;

	(void)state;
	waiter_init(&waiter, LENGTH);
	for (int i = 0; i < 10000; i++)
		wait_for(&waiter, 100 * US);
	/* Blocking makes a call 70 us long. */
	while (!wait_for(&waiter, 4 * US)) {
		waiter.now_ns += 70 * US;
		assert_true(n_blocked++ < 100);
	}
	for (int i = 0; i < 100; i++)
		assert_true(wait_for(&waiter, 4 * US));
}

/* What comes while others have this CPU would have come during sleep as well. */
static void
test_losing_the_cpu_stops_it(void **state)
{
	struct waiter waiter;
	int n_spins = 0, n_waits = 0;

	(void)state;
	waiter_init(&waiter, LENGTH);
	for (int i = 0; i < 1000; i++) {
		n_spins += wait_through_a_gap(&waiter, 3 * MS);
		n_waits++;
		waiter.now_ns += 100 * US;
	}
	assert_in_range(n_spins, 1, n_waits / 20);
}

static void
test_losing_the_cpu_once_does_not_stop_it_for_long(void **state)
{
	struct waiter waiter;
	int64_t began_ns;

	(void)state;
	waiter_init(&waiter, LENGTH);
	wait_through_a_gap(&waiter, 1000 * MS);
	began_ns = waiter.now_ns;
	while (!wait_for(&waiter, 4 * US))
		;
	assert_in_range(waiter.now_ns - began_ns, 0, 150 * MS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_none_is_made_without_being_asked_for),
	cmocka_unit_test(test_it_lasts_as_long_as_it_may),
	cmocka_unit_test(test_it_goes_on_for_ever_where_it_pays),
	cmocka_unit_test(test_some_that_are_in_vain_do_no_harm_among_those_that_pay),
	cmocka_unit_test(test_in_vain_it_takes_a_small_part_of_the_time),
	cmocka_unit_test(test_requests_that_are_rarer_than_it_is_long_stop_it),
	cmocka_unit_test(test_it_begins_again_when_it_pays_again),
	cmocka_unit_test(test_losing_the_cpu_stops_it),
	cmocka_unit_test(test_losing_the_cpu_once_does_not_stop_it_for_long),
};

CHECK_MAIN(tests)
