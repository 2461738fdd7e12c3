/* dist_map() among real nodes: results, failures, ending early, progress. */
#include "agent/map_work.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sanitizer has memory of its own, and keeps what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* --- Results ---------------------------------------------------------------------- */

static void
test_each_item_is_told_once(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, N_ITEMS_MAX);

	assert_ok(dist_map(f->arith, &options));
	map_check_all_told(&work, N_ITEMS_MAX);
	assert_int_equal(work.n_failed, 0);
}

static void
test_in_order_each_comes_in_its_turn(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, N_ITEMS_MAX);

	options.in_order = true;
	assert_ok(dist_map(f->arith, &options));
	map_check_all_told(&work, N_ITEMS_MAX);
	assert_false(work.out_of_order);
}

/* The first item is held: nothing is told, and only so many are started. */
static void *
let_go_when_ahead(void *arg)
{
	unsigned n;

	(void)arg;
	do {
		n = 0;
		for (unsigned i = 1; i < 16; i++)
			n += atomic_load(&map_n_arrived[i]) > 0;
		sched_yield();
	} while (n < 15);
	for (unsigned i = 16; i < 1000; i++)
		n += atomic_load(&map_n_arrived[i]);
	atomic_store(&map_let_go, true);
	return (void *)(uintptr_t)n;
}

static void
test_in_order_no_item_is_too_far_ahead(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .n_special = 1, .what_special = HOLD };
	struct dist_map_options options = map_options_for(&work, 1000);
	pthread_t thread;
	void *n_ahead;

	options.in_order = true;
	options.max_ahead = 16;
	options.never_twice = true;
	assert_int_equal(pthread_create(&thread, NULL, let_go_when_ahead, NULL), 0);
	assert_ok(dist_map(f->arith, &options));
	pthread_join(thread, &n_ahead);
	assert_int_equal((uintptr_t)n_ahead, 15);
	map_check_all_told(&work, 1000);
	assert_false(work.out_of_order);
}

/* Data is made by next(), and freed by done(). */
struct source {
	unsigned n_left, n_freed;
	quad_t sum;
};

static bool
source_next(struct dist_map_item *item, void *arg)
{
	struct source *source = arg;
	int *data;

	if (source->n_left == 0)
		return false;
	data = malloc(sizeof(*data));
	*data = (int)--source->n_left;
	item->data = data;
	return true;
}

static struct dist_waiter *
source_start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	int numbers[] = { ANSWER, *(int *)item->data };

	(void)arg;
	return dist_go(clnt, arith_sum_1, ((int_array){ 2, numbers }), item->result);
}

static enum dist_err
source_done(const struct dist_map_item *item, void *arg)
{
	struct source *source = arg;

	if (!item->err)
		source->sum += *(quad_t *)item->result;
	free(item->data);
	source->n_freed++;
	return DIST_OK;
}

static void
test_items_come_from_an_iterator(void **state)
{
	struct map_fixture *f = *state;
	struct source source = { .n_left = 300 };
	struct dist_map_options options = { .next = source_next,
		                            .start = source_start,
		                            .done = source_done,
		                            .arg = &source,
		                            .result_bytes = sizeof(quad_t) };

	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(source.n_freed, 300);
	assert_int_equal(source.sum, 300 * 300);
}

static void
test_no_items_are_no_work(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, 0);

	assert_ok(dist_map(f->arith, &options));
	for (unsigned i = 0; i < N_NODES; i++)
		map_stop_node(f, i);
	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(work.n_started, 0);
}

/* --- Failures --------------------------------------------------------------------- */

static void
test_failures_are_collected_by_item(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .special = 20,
		                 .n_special = 3,
		                 .what_special = SAY_NO };
	struct dist_map_options options = map_options_for(&work, 100);
	const struct dist_map_failure *failures;
	struct dist_mapping *mapping;
	size_t n;

	options.in_order = true;
	assert_ok(dist_mapping_new(&mapping, f->arith, &options));
	assert_err(dist_mapping_run(mapping), DIST_ERPC);
	assert_non_null(strstr(dist_error_text(), "3 of 100 items failed"));
	assert_non_null(strstr(dist_error_text(), "item 20"));
	map_check_all_told(&work, 100);
	failures = dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(failures[i].index, 20 + i);
		assert_int_equal(failures[i].err, DIST_ERPC);
		assert_int_equal(failures[i].status, RPC_SYSTEMERROR);
		assert_int_equal(failures[i].n_nodes, 1);
		assert_non_null(strstr(failures[i].text, failures[i].nodes[0]));
	}
	assert_err(dist_mapping_run(mapping), DIST_EINVAL);
	dist_mapping_free(mapping);
}

static void
test_a_limit_of_failures_ends_it(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = SAY_NO };
	struct dist_map_options options = map_options_for(&work, 1000000);

	options.max_failures = 5;
	assert_err(dist_map(f->arith, &options), DIST_ERPC);
	assert_non_null(strstr(dist_error_text(), "the others were not run"));
	assert_true(work.n_failed >= 5);
	assert_true(work.n_started < 100000);
	assert_int_equal(work.n_done, work.n_started);
	assert_int_equal(work.n_done, work.n_failed + work.n_cancelled);
}

static void
test_without_a_limit_all_are_run(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = SAY_NO };
	struct dist_map_options options = map_options_for(&work, N_ITEMS_MAX);
	struct dist_mapping *mapping;
	size_t n;

	options.max_failures = DIST_MAP_ANY;
	assert_ok(dist_mapping_new(&mapping, f->arith, &options));
	assert_err(dist_mapping_run(mapping), DIST_ERPC);
	dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 1000);
	assert_int_equal(work.n_failed, N_ITEMS_MAX);
	dist_mapping_free(mapping);
}

static void *
stop_who_holds(void *arg)
{
	struct map_fixture *f = arg;

	for (unsigned i = 0; i < N_NODES; i++) {
		/* It is somewhere: whichever node it is on goes in the end. */
		while (atomic_load(&map_n_arrived[0]) == 0)
			sched_yield();
		map_kill_node(f, i);
	}
	return NULL;
}

static void
test_one_that_was_lost_too_often_names_the_nodes(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = HOLD };
	struct dist_map_options options = map_options_for(&work, 1);
	struct dist_call_options call = { .idempotent = true, .max_tries = 1 };
	CLIENT *clnt = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &call);
	const struct dist_map_failure *failures;
	struct dist_mapping *mapping;
	pthread_t thread;
	size_t n;

	assert_ok(dist_mapping_new(&mapping, clnt, &options));
	clnt_destroy(clnt);
	assert_int_equal(pthread_create(&thread, NULL, stop_who_holds, f), 0);
	assert_err(dist_mapping_run(mapping), DIST_ECONNRESET);
	pthread_join(thread, NULL);
	failures = dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 1);
	assert_int_equal(failures[0].n_nodes, 1);
	assert_non_null(strstr(failures[0].text, failures[0].nodes[0]));
	dist_mapping_free(mapping);
	map_check_all_told(&work, 1);
}

static struct dist_waiter *
start_what_does_not_encode(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	static int numbers[2];

	if (item->index != 7)
		return map_start(clnt, item, arg);
	/* Beyond any record's limit. */
	return dist_go(clnt, arith_sum_1, ((int_array){ 1u << 30, numbers }),
	               item->result);
}

static void
test_one_that_does_not_start_fails_alone(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, 20);

	options.start = start_what_does_not_encode;
	assert_int_not_equal(dist_map(f->arith, &options), DIST_OK);
	assert_non_null(strstr(dist_error_text(), "1 of 20 items failed"));
	map_check_all_told(&work, 20);
	assert_int_equal(work.n_failed, 1);
}

/* --- Ending early ----------------------------------------------------------------- */

static void
test_done_cancels(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .cancel_at = 10 };
	struct dist_map_options options = map_options_for(&work, 100000000);

	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	assert_int_equal(work.n_started, work.n_done);
	assert_false(work.wrong);
	assert_int_equal(work.n_failed, 0);
	dist_mapping_free(work.mapping);
}

static void
test_done_gives_an_error(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .cancel_at = 10, .give = DIST_EPROTO };
	struct dist_map_options options = map_options_for(&work, 100000000);

	assert_err(dist_map(f->arith, &options), DIST_EPROTO);
	assert_int_equal(work.n_started, work.n_done);
}

static void *
cancel_when_held(void *arg)
{
	while (atomic_load(&map_n_held) < N_NODES * N_WORKERS)
		sched_yield();
	dist_mapping_cancel(arg);
	return NULL;
}

static void
test_another_thread_cancels_what_is_held(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = HOLD, .cancel_at = UINT64_MAX };
	struct dist_map_options options = map_options_for(&work, 1000);
	pthread_t thread;

	options.never_twice = true;
	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_held, work.mapping),
	                 0);
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(work.n_cancelled, work.n_started);
	assert_int_equal(work.n_done, work.n_started);
	/* The nodes were told. */
	while (atomic_load(&map_n_held))
		sched_yield();
	dist_mapping_free(work.mapping);
}

static void *
cancel_at_once(void *arg)
{
	dist_mapping_cancel(arg);
	return NULL;
}

static void
test_another_thread_cancels_while_there_is_no_node(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = map_options_for(&work, 1000);
	pthread_t thread;

	for (unsigned i = 0; i < N_NODES; i++)
		map_stop_node(f, i);
	options.wait_for_nodes_ms = DIST_FOREVER;
	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_int_equal(pthread_create(&thread, NULL, cancel_at_once, work.mapping),
	                 0);
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	pthread_join(thread, NULL);
	dist_mapping_free(work.mapping);
}

static void *
close_when_held(void *arg)
{
	struct map_fixture *f = arg;

	while (atomic_load(&map_n_held) < N_NODES * N_WORKERS)
		sched_yield();
	dist_cluster_close(f->cluster);
	f->cluster = NULL;
	return NULL;
}

static void
test_closing_the_cluster_ends_it(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .what = HOLD, .cancel_at = UINT64_MAX };
	struct dist_map_options options = map_options_for(&work, 1000);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, close_when_held, f), 0);
	assert_err(dist_map(f->arith, &options), DIST_ECLOSED);
	pthread_join(thread, NULL);
	assert_int_equal(work.n_failed, 0);
	assert_int_equal(work.n_done, work.n_started);
	assert_err(dist_map(f->arith, &options), DIST_ECLOSED);
}

/* --- Memory, progress, arguments -------------------------------------------------- */

static size_t
resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident;
}

static void
test_a_million_items_take_no_more_memory(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = map_options_for(&work, 20000);
	size_t before;

	assert_ok(dist_map(f->arith, &options));
	before = resident_pages();
	work = (struct map_work){ .cancel_at = UINT64_MAX };
	options.n_items = SANITIZED ? 100000 : 1000000;
	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(work.n_done, options.n_items);
	assert_false(work.wrong);
	/* A million items of 8 bytes would be 2000 pages for the results alone. */
	assert_true(SANITIZED || resident_pages() < before + 1500);
}

struct seen {
	unsigned n, n_over;
	struct dist_map_progress last;
	uint64_t n_of_nodes;
	bool wrong;
};

static void
see(const struct dist_map_progress *progress, void *arg)
{
	struct seen *seen = arg;

	seen->wrong =
		seen->wrong || seen->n_over || progress->n_done < seen->last.n_done ||
		progress->n_done > progress->n_items || progress->n_items != 100000;
	seen->n++;
	seen->n_over += progress->over;
	seen->last = *progress;
	seen->n_of_nodes = 0;
	for (size_t i = 0; i < progress->n_nodes; i++) {
		seen->n_of_nodes += progress->nodes[i].n_done;
		seen->wrong =
			seen->wrong || (i && strcmp(progress->nodes[i - 1].name,
		                                    progress->nodes[i].name) >= 0);
	}
}

static void
test_progress_tells_how_far_it_is(void **state)
{
	struct map_fixture *f = *state;
	struct seen seen = { 0 };
	struct map_work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = map_options_for(&work, 100000);

	options.progress = see;
	options.progress_arg = &seen;
	options.progress_every_ms = 1;
	assert_ok(dist_map(f->arith, &options));
	assert_false(seen.wrong);
	assert_true(seen.n > 2);
	assert_int_equal(seen.n_over, 1);
	assert_true(seen.last.over);
	assert_int_equal(seen.last.n_done, 100000);
	assert_int_equal(seen.last.n_nodes, N_NODES);
	assert_int_equal(seen.n_of_nodes, 100000);
	assert_int_equal(seen.last.in_flight, 0);
	assert_int_equal(seen.last.left_ms, 0);
	assert_true(seen.last.rate > 0);
}

static void
test_what_is_wrong_is_refused(void **state)
{
	struct map_fixture *f = *state;
	struct map_work work = { 0 };
	struct dist_map_options options = map_options_for(&work, 10);
	CLIENT foreign = { 0 };

	assert_err(dist_map(NULL, &options), DIST_EINVAL);
	assert_err(dist_map(&foreign, &options), DIST_EINVAL);
	options.start = NULL;
	assert_err(dist_map(f->arith, &options), DIST_EINVAL);
	assert_err(dist_map(f->arith, NULL), DIST_EINVAL);
	dist_mapping_cancel(NULL);
	dist_mapping_free(NULL);
	assert_int_equal(work.n_started, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, map_setup, map_teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_each_item_is_told_once),
	TEST(test_in_order_each_comes_in_its_turn),
	TEST(test_in_order_no_item_is_too_far_ahead),
	TEST(test_items_come_from_an_iterator),
	TEST(test_no_items_are_no_work),
	TEST(test_failures_are_collected_by_item),
	TEST(test_a_limit_of_failures_ends_it),
	TEST(test_without_a_limit_all_are_run),
	TEST(test_one_that_was_lost_too_often_names_the_nodes),
	TEST(test_one_that_does_not_start_fails_alone),
	TEST(test_done_cancels),
	TEST(test_done_gives_an_error),
	TEST(test_another_thread_cancels_what_is_held),
	TEST(test_another_thread_cancels_while_there_is_no_node),
	TEST(test_closing_the_cluster_ends_it),
	TEST(test_a_million_items_take_no_more_memory),
	TEST(test_progress_tells_how_far_it_is),
	TEST(test_what_is_wrong_is_refused),
};

CHECK_MAIN(tests)
