/* How many items of a map are in flight, against times that the test makes up. */
#include "support/check.h"

#include "base/clock.h"
#include "bulk/window.h"

#define MS DIST_NS_PER_MS

static int64_t now_ns;

static void
init(struct dist_bulk_window *window, uint64_t max, unsigned n_nodes,
     uint64_t n_workers)
{
	struct dist_room room = { n_nodes, n_workers };

	now_ns = 1000 * MS;
	dist_bulk_window_init(window, max);
	dist_bulk_window_set_room(window, room);
}

static void
test_what_is_away_is_beside_it(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 2, 16);
	dist_bulk_window_set_away(&window, 9);
	assert_int_equal(dist_bulk_window_limit(&window), 20 + 9);
	dist_bulk_window_set_away(&window, 0);
	assert_int_equal(dist_bulk_window_limit(&window), 20);
	/* The user's bound is one of all that is in flight. */
	init(&window, 8, 2, 16);
	dist_bulk_window_set_away(&window, 9);
	assert_int_equal(dist_bulk_window_limit(&window), 8);
	init(&window, 0, 0, 0);
	dist_bulk_window_set_away(&window, 9);
	assert_int_equal(dist_bulk_window_limit(&window), 0);
}

/* Batches of @n items that take @each_ns, for so many milliseconds. */
static void
run(struct dist_bulk_window *window, uint64_t n, int64_t each_ns, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++, now_ns += MS)
		dist_bulk_window_ended(window, n, (int64_t)n * each_ns, each_ns,
		                       now_ns);
}

static void
test_there_is_a_little_more_than_the_workers_need(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 0, 0);
	assert_int_equal(dist_bulk_window_limit(&window), 0);
	init(&window, 0, 3, 3);
	assert_int_equal(dist_bulk_window_limit(&window), 6);
	init(&window, 0, 2, 64);
	assert_int_equal(dist_bulk_window_limit(&window), 64 + 16);
}

static void
test_it_follows_the_nodes(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	assert_int_equal(dist_bulk_window_limit(&window), 10);
	dist_bulk_window_set_room(&window, (struct dist_room){ 3, 24 });
	assert_int_equal(dist_bulk_window_limit(&window), 30);
	dist_bulk_window_set_room(&window, (struct dist_room){ 0, 0 });
	assert_int_equal(dist_bulk_window_limit(&window), 0);
	dist_bulk_window_set_room(&window, (struct dist_room){ 1, 8 });
	assert_int_equal(dist_bulk_window_limit(&window), 10);
}

static void
test_short_items_are_further_ahead_and_bounded(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 2, 8);
	run(&window, 10, 50000, 1000);
	assert_int_equal(dist_bulk_window_limit(&window), 8 + 2 * 256);
	init(&window, 0, 10000, 80000);
	run(&window, 1000, 50000, 1000);
	assert_int_equal(dist_bulk_window_limit(&window), 80000 + 65536);
	init(&window, 40, 2, 8);
	run(&window, 10, 50000, 1000);
	assert_int_equal(dist_bulk_window_limit(&window), 40);
}

/* A far node is not a busy one: what counts is what an item takes beyond the shortest. */
static void
test_a_long_way_is_filled(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	run(&window, 10, 80 * MS, 1000);
	assert_int_equal(dist_bulk_window_limit(&window), 8 + 256);
}

static void
test_what_waits_for_long_is_too_much(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	run(&window, 10, 50000, 1000);
	run(&window, 10, 20 * MS, 1000);
	assert_int_equal(dist_bulk_window_limit(&window), 10);
}

/* One slow item among many says nothing. */
static void
test_a_single_slow_item_changes_little(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	run(&window, 10, 50000, 1000);
	run(&window, 1, 20 * MS, 1);
	assert_int_equal(dist_bulk_window_limit(&window), 8 + 256);
}

static void
test_the_shortest_of_long_ago_is_forgotten(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	run(&window, 10, 50000, 100);
	run(&window, 10, 20 * MS, 15000);
	assert_int_equal(dist_bulk_window_limit(&window), 10);
	run(&window, 10, 20 * MS, 15000);
	assert_int_equal(dist_bulk_window_limit(&window), 8 + 256);
}

static void
test_a_refusal_halves_what_is_ahead(void **state)
{
	struct dist_bulk_window window;

	(void)state;
	init(&window, 0, 1, 8);
	run(&window, 10, 50000, 1000);
	dist_bulk_window_refused(&window);
	assert_int_equal(dist_bulk_window_limit(&window), 8 + 128);
	for (unsigned i = 0; i < 20; i++)
		dist_bulk_window_refused(&window);
	assert_int_equal(dist_bulk_window_limit(&window), 10);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_there_is_a_little_more_than_the_workers_need),
	cmocka_unit_test(test_it_follows_the_nodes),
	cmocka_unit_test(test_what_is_away_is_beside_it),
	cmocka_unit_test(test_short_items_are_further_ahead_and_bounded),
	cmocka_unit_test(test_a_long_way_is_filled),
	cmocka_unit_test(test_what_waits_for_long_is_too_much),
	cmocka_unit_test(test_a_single_slow_item_changes_little),
	cmocka_unit_test(test_the_shortest_of_long_ago_is_forgotten),
	cmocka_unit_test(test_a_refusal_halves_what_is_ahead),
};

CHECK_MAIN(tests)
