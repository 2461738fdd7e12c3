/* dist_map() and its nodes: how much each has, those that come and go, stragglers. */
#include "agent/map_work.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* --- How much is in flight -------------------------------------------------------- */

static struct dist_waiter *
start_and_let_go(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	struct dist_waiter *waiter = map_start(clnt, item, arg);

	/* One more than the workers, for each node: then no more is started. */
	if (item->index == N_NODES * (N_WORKERS + 1) - 1)
		atomic_store(&map_let_go, true);
	return waiter;
}

static void
test_each_node_has_one_more_than_its_workers_need(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = HOLD };
	struct dist_map_options options = map_options_for(&work, 100);

	options.start = start_and_let_go;
	options.never_twice = true;
	assert_ok(dist_map(f->arith, &options));
	map_check_all_told(&work, 100);
	assert_true(atomic_load(&map_most_running) <= N_NODES * N_WORKERS);
}

/* --- Nodes that come and go ------------------------------------------------------- */

/* One node is stopped while items run on it; another is started. */
struct change {
	struct map_fixture *f;
	unsigned at; /* so many have arrived */
	bool all;    /* stop all, and start one of them again */
};

static void *
change_nodes(void *arg)
{
	struct change *change = arg;
	unsigned n;

	do {
		n = 0;
		for (unsigned i = 0; i < N_ITEMS_MAX; i++)
			n += atomic_load(&map_n_arrived[i]);
		sched_yield();
	} while (n < change->at);
	for (unsigned i = 0; i < (change->all ? N_NODES : 1); i++)
		map_kill_node(change->f, i);
	if (change->all)
		map_start_node(change->f, 1);
	atomic_store(&map_let_go, true);
	return NULL;
}

static void
run_with_change(struct map_fixture *f, CLIENT *clnt, struct map_work *work, bool all,
                enum dist_err expected)
{
	struct change change = { f, N_WORKERS * N_NODES, all };
	struct dist_map_options options = map_options_for(work, 500);
	pthread_t thread;

	options.never_twice = true;
	options.max_failures = DIST_MAP_ANY;
	assert_int_equal(pthread_create(&thread, NULL, change_nodes, &change), 0);
	assert_err(dist_map(clnt, &options), expected);
	pthread_join(thread, NULL);
	map_check_all_told(work, 500);
}

static void
test_what_was_on_a_lost_node_goes_to_others(void **state)
{
	struct map_work work = { .what = HOLD };

	run_with_change(*state, ((struct map_fixture *)*state)->arith, &work, false,
	                DIST_OK);
	assert_int_equal(work.n_failed, 0);
}

static void
test_it_goes_on_when_all_nodes_were_gone(void **state)
{
	struct map_work work = { .what = HOLD };

	run_with_change(*state, ((struct map_fixture *)*state)->arith, &work, true,
	                DIST_OK);
	assert_int_equal(work.n_failed, 0);
}

/*
 * The nodes that are there are stopped when they hold all that is sent to them, and go
 * on with it; then the last one comes, which does all else while they do.
 */
#define N_AWAY ((N_NODES - 1) * (N_WORKERS + 1))

struct stop {
	struct map_fixture *f;
	unsigned i;
	pthread_t thread;
};

static void *
stop_slowly(void *arg)
{
	struct stop *stop = arg;

	map_stop_node(stop->f, stop->i);
	return NULL;
}

static enum dist_err
count_takers(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += !info->draining;
	return DIST_OK;
}

static unsigned
n_takers(struct map_fixture *f)
{
	unsigned n = 0;

	assert_ok(dist_cluster_each_node(f->cluster, count_takers, &n));
	return n;
}

static void *
replace_nodes(void *arg)
{
	struct stop stops[N_NODES - 1];

	while (atomic_load(&map_n_held) < (N_NODES - 1) * N_WORKERS)
		sched_yield();
	for (unsigned i = 0; i < N_NODES - 1; i++) {
		stops[i] = (struct stop){ arg, i, 0 };
		assert_int_equal(pthread_create(&stops[i].thread, NULL, stop_slowly,
		                                &stops[i]),
		                 0);
	}
	while (n_takers(arg))
		sched_yield();
	map_start_node(arg, N_NODES - 1);
	for (unsigned i = 0; i < N_NODES - 1; i++)
		pthread_join(stops[i].thread, NULL);
	return NULL;
}

struct last_words {
	size_t n_nodes, n_gone;
};

static void
let_go_of_the_rest(const struct dist_map_progress *progress, void *arg)
{
	struct last_words *words = arg;

	if (progress->n_done >= 500 - N_AWAY)
		atomic_store(&map_let_go, true);
	words->n_nodes = progress->n_nodes;
	words->n_gone = 0;
	for (size_t i = 0; i < progress->n_nodes; i++)
		words->n_gone += progress->nodes[i].gone;
}

static void
test_what_leaving_nodes_have_holds_up_no_other(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .n_special = N_AWAY, .what_special = HOLD_FIRST };
	struct dist_map_options options = map_options_for(&work, 500);
	struct last_words words = { 0 };
	pthread_t thread;

	options.progress = let_go_of_the_rest;
	options.progress_arg = &words;
	assert_int_equal(pthread_create(&thread, NULL, replace_nodes, f), 0);
	assert_ok(dist_map(f->arith_once, &options));
	pthread_join(thread, NULL);
	map_check_all_told(&work, 500);
	/* All but the last one, also where their connections have ended meanwhile. */
	assert_int_equal(words.n_nodes, N_NODES);
	assert_int_equal(words.n_gone, N_NODES - 1);
}

/* It may have run there, and must not run again. */
static void
test_without_idempotence_what_was_lost_fails(void **state)
{
	struct map_work work = { .what = HOLD };

	run_with_change(*state, ((struct map_fixture *)*state)->arith_once, &work,
	                false, DIST_ECONNRESET);
	assert_true(work.n_failed > 0);
	assert_true(work.n_failed < 100);
	for (unsigned i = 0; i < 500; i++)
		assert_true(atomic_load(&map_n_arrived[i]) <= 1);
}

static enum dist_err
count_live(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += !info->draining;
	return DIST_OK;
}

/* The master may tell a little later than the node has stopped. */
static void
wait_until_all_left(struct map_fixture *f)
{
	unsigned n;

	do {
		n = 0;
		assert_ok(dist_cluster_each_node(f->cluster, count_live, &n));
		sched_yield();
	} while (n > 0);
}

static void
test_without_a_node_it_gives_up_in_the_end(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, 10);

	for (unsigned i = 0; i < N_NODES; i++)
		map_stop_node(f, i);
	wait_until_all_left(f);
	options.wait_for_nodes_ms = 1;
	assert_err(dist_map(f->arith, &options), DIST_ENONODE);
	assert_non_null(strstr(dist_error_text(), "no live node"));
	assert_int_equal(work.n_failed, 0);
	assert_int_equal(work.n_cancelled, work.n_done);
}

/* --- Stragglers ------------------------------------------------------------------- */

static void
test_a_straggler_is_run_twice_and_told_once(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = map_options_for(&work, 100);

	assert_ok(dist_map(f->arith, &options));
	map_check_all_told(&work, 100);
	assert_int_equal(atomic_load(&map_n_arrived[50]), 2);
	/* The node that has it still was told. */
	while (atomic_load(&map_n_held))
		sched_yield();
	assert_int_equal(atomic_load(&map_n_cancelled), 1);
}

static void
test_in_order_a_straggler_in_the_middle_is_run_twice(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = map_options_for(&work, 1000);

	options.in_order = true;
	options.max_ahead = 64;
	assert_ok(dist_map(f->arith, &options));
	map_check_all_told(&work, 1000);
	assert_false(work.out_of_order);
	assert_int_equal(atomic_load(&map_n_arrived[50]), 2);
}

/* Tells when the map is at its end but for what is held, for a while. */
static void
let_go_at_the_end(const struct dist_map_progress *progress, void *arg)
{
	unsigned *n_looks = arg;

	assert_int_equal(progress->n_twice, 0);
	if (progress->n_done == 99 && ++*n_looks == 20)
		atomic_store(&map_let_go, true);
}

static void
check_nothing_runs_twice(CLIENT *clnt, bool never_twice)
{
	struct map_work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = map_options_for(&work, 100);
	unsigned n_looks = 0;

	options.never_twice = never_twice;
	options.progress = let_go_at_the_end;
	options.progress_arg = &n_looks;
	options.progress_every_ms = 5;
	assert_ok(dist_map(clnt, &options));
	map_check_all_told(&work, 100);
	assert_int_equal(atomic_load(&map_n_arrived[50]), 1);
}

static void
test_without_idempotence_nothing_runs_twice(void **state)
{
	check_nothing_runs_twice(((struct map_fixture *)*state)->arith_once, false);
}

static void
test_nothing_runs_twice_where_it_must_not(void **state)
{
	check_nothing_runs_twice(((struct map_fixture *)*state)->arith, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, map_setup, map_teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_each_node_has_one_more_than_its_workers_need),
	TEST(test_what_was_on_a_lost_node_goes_to_others),
	TEST(test_it_goes_on_when_all_nodes_were_gone),
	cmocka_unit_test_setup_teardown(test_what_leaving_nodes_have_holds_up_no_other,
	                                map_setup_leavers, map_teardown),
	TEST(test_without_idempotence_what_was_lost_fails),
	TEST(test_without_a_node_it_gives_up_in_the_end),
	TEST(test_a_straggler_is_run_twice_and_told_once),
	TEST(test_in_order_a_straggler_in_the_middle_is_run_twice),
	TEST(test_without_idempotence_nothing_runs_twice),
	TEST(test_nothing_runs_twice_where_it_must_not),
};

CHECK_MAIN(tests)
