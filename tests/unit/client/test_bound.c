/* A cluster that bounds its calls in flight, and has those beyond wait. */
#include "server/fixture.h"

#include <dist/dist.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "client/cluster.h"

struct fixture {
	struct dist_server *servers[2];
	struct dist_cluster *cluster;
	CLIENT *probe;
};

static void
open_cluster(struct fixture *f, size_t bound, bool waits)
{
	struct dist_cluster_options options = { .max_in_flight = bound,
		                                .wait_for_room = waits };
	char list[256], text[2][DIST_ADDRESS_TEXT_MAX];

	for (int i = 0; i < 2; i++)
		dist_sockaddr_format(&dist_server_listeners(f->servers[i])->address, text[i]);
	snprintf(list, sizeof(list), "%s,%s", text[0], text[1]);
	options.servers = list;
	assert_ok(dist_cluster_open(&f->cluster, NULL, &options));
	f->probe = dist_client_create(f->cluster, PROBE_PROG, 1);
	assert_non_null(f->probe);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_gate_reset();
	for (int i = 0; i < 2; i++)
		f->servers[i] = fixture_server(NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	fixture_gate_open();
	clnt_destroy(f->probe);
	dist_cluster_close(f->cluster);
	for (int i = 0; i < 2; i++)
		dist_server_stop(f->servers[i]);
	free(f);
	return 0;
}

static enum dist_err
add_in_flight(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += info->in_flight;
	return DIST_OK;
}

static void
check_in_flight(struct fixture *f, unsigned bound)
{
	unsigned n = 0;

	CHECK(dist_cluster_each_node(f->cluster, add_in_flight, &n) == DIST_OK, "%s",
	      dist_error_text());
	CHECK(n <= bound, "%u calls are in flight, of %u", n, bound);
}

#define N_CALLS 10000

/* Nobody else sends or reads, and none of its calls is waited for before all are made. */
static void
test_one_thread_starts_many_through_a_narrow_window(void **state)
{
	struct dist_waiter **waiters = calloc(N_CALLS, sizeof(struct dist_waiter *));
	int *sums = calloc(N_CALLS, sizeof(int));
	struct fixture *f = *state;

	open_cluster(f, 4, true);
	for (int i = 0; i < N_CALLS; i++) {
		waiters[i] = dist_go(f->probe, probe_add_1, i, 1, &sums[i]);
		assert_non_null(waiters[i]);
		if (i % 10 == 0)
			check_in_flight(f, 4);
	}
	for (int i = 0; i < N_CALLS; i++) {
		assert_ok(dist_waiter_wait(waiters[i], DIST_FOREVER));
		assert_int_equal(sums[i], i + 1);
		dist_waiter_free(waiters[i]);
	}
	free(waiters);
	free(sums);
}

/* Such a result is decoded by who waits for it, who is starting others. */
static void
test_replies_that_wait_to_be_decoded_take_no_room(void **state)
{
	enum { N = 40, SIZE = 200000 };
	struct dist_waiter *waiters[N];
	probe_bytes results[N] = { 0 };
	struct fixture *f = *state;

	open_cluster(f, 2, true);
	for (int i = 0; i < N; i++) {
		waiters[i] = dist_go(f->probe, probe_make_1, SIZE, &results[i]);
		assert_non_null(waiters[i]);
	}
	for (int i = 0; i < N; i++) {
		assert_ok(dist_waiter_wait(waiters[i], DIST_FOREVER));
		assert_int_equal(results[i].probe_bytes_len, SIZE);
		free(results[i].probe_bytes_val);
		dist_waiter_free(waiters[i]);
	}
}

#define N_THREADS 8
#define N_EACH    1000

static void *
call_both_ways(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < N_EACH; i++) {
		struct dist_waiter *waiter;
		int sum = 0, other = 0;

		waiter = dist_go(f->probe, probe_add_1, i, 1, &sum);
		CHECK(waiter, "%s", dist_error_text());
		/* Some give their calls up. */
		if (i % 7) {
			CHECK(probe_add_1(i, 2, &other, f->probe) == RPC_SUCCESS, "%s",
			      dist_error_text());
			CHECK(other == i + 2, "%d for %d", other, i + 2);
			CHECK(dist_waiter_wait(waiter, DIST_FOREVER) == DIST_OK, "%s",
			      dist_waiter_error(waiter));
			CHECK(sum == i + 1, "%d for %d", sum, i + 1);
		}
		dist_waiter_free(waiter);
		/* One that is given up makes room a little before its node is told. */
		if (i % 10 == 0)
			check_in_flight(f, 4 + N_THREADS);
	}
	return NULL;
}

static void
test_many_threads_share_a_narrow_window(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[N_THREADS];

	open_cluster(f, 4, true);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_both_ways, f), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void
test_a_deadline_ends_the_wait_for_room(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .timeout_ms = 50 };
	struct dist_waiter *held;
	int result = 0, sum = 0;
	CLIENT *hasty;

	open_cluster(f, 1, true);
	hasty = dist_client_create_with(f->cluster, PROBE_PROG, 1, &options);
	assert_non_null(held = dist_go(f->probe, probe_hold_1, 7, &result));
	assert_null(dist_go(hasty, probe_add_1, 1, 2, &sum));
	assert_int_equal(dist_error_last(), DIST_EDEADLINE);
	assert_non_null(strstr(dist_error_text(), "max_in_flight"));
	assert_int_equal(probe_add_1(1, 2, &sum, hasty), RPC_TIMEDOUT);
	assert_int_equal(sum, 0);
	fixture_gate_open();
	assert_int_equal(probe_add_1(1, 2, &sum, f->probe), RPC_SUCCESS);
	assert_ok(dist_waiter_wait(held, DIST_FOREVER));
	assert_int_equal(result, 7);
	dist_waiter_free(held);
	clnt_destroy(hasty);
}

struct blocked {
	CLIENT *clnt;
	enum dist_err err;
	int sum;
};

static void *
start_blocked(void *arg)
{
	struct blocked *blocked = arg;
	struct dist_waiter *waiter =
		dist_go(blocked->clnt, probe_add_1, 1, 2, &blocked->sum);

	blocked->err = waiter ? dist_waiter_wait(waiter, DIST_FOREVER) : dist_error_last();
	dist_waiter_free(waiter);
	return NULL;
}

static bool
somebody_waits(void *arg)
{
	struct fixture *f = arg;

	return atomic_load(&f->cluster->route.bound.n_waiting) > 0;
}

static void
test_a_cancelled_call_makes_room(void **state)
{
	struct fixture *f = *state;
	struct blocked blocked = { 0 };
	struct dist_waiter *held;
	pthread_t thread;
	int result = 0;

	open_cluster(f, 1, true);
	blocked.clnt = f->probe;
	assert_non_null(held = dist_go(f->probe, probe_hold_1, 7, &result));
	assert_int_equal(pthread_create(&thread, NULL, start_blocked, &blocked), 0);
	fixture_until(somebody_waits, f);
	dist_waiter_free(held);
	pthread_join(thread, NULL);
	assert_int_equal(blocked.err, DIST_OK);
	assert_int_equal(blocked.sum, 3);
}

static void
test_closing_the_cluster_ends_the_wait_for_room(void **state)
{
	struct fixture *f = *state;
	struct blocked blocked = { 0 };
	struct dist_waiter *held;
	pthread_t thread;
	int result = 0;

	open_cluster(f, 1, true);
	blocked.clnt = f->probe;
	assert_non_null(held = dist_go(f->probe, probe_hold_1, 7, &result));
	assert_int_equal(pthread_create(&thread, NULL, start_blocked, &blocked), 0);
	fixture_until(somebody_waits, f);
	dist_cluster_close(f->cluster);
	f->cluster = NULL;
	pthread_join(thread, NULL);
	assert_int_equal(blocked.err, DIST_ECLOSED);
	assert_err(dist_waiter_wait(held, DIST_FOREVER), DIST_ECLOSED);
	dist_waiter_free(held);
}

/* Without that option, synchronous calls too. */
static void
test_a_call_beyond_the_bound_is_refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *held;
	int result = 0, sum = 0;

	open_cluster(f, 1, false);
	assert_non_null(held = dist_go(f->probe, probe_hold_1, 7, &result));
	assert_null(dist_go(f->probe, probe_add_1, 1, 2, &sum));
	assert_int_equal(dist_error_last(), DIST_EBUSY);
	assert_true(probe_add_1(1, 2, &sum, f->probe) != RPC_SUCCESS);
	assert_int_equal(dist_error_last(), DIST_EBUSY);
	fixture_gate_open();
	assert_ok(dist_waiter_wait(held, DIST_FOREVER));
	assert_int_equal(probe_add_1(1, 2, &sum, f->probe), RPC_SUCCESS);
	dist_waiter_free(held);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_one_thread_starts_many_through_a_narrow_window),
	TEST(test_replies_that_wait_to_be_decoded_take_no_room),
	TEST(test_many_threads_share_a_narrow_window),
	TEST(test_a_deadline_ends_the_wait_for_room),
	TEST(test_a_cancelled_call_makes_room),
	TEST(test_closing_the_cluster_ends_the_wait_for_room),
	TEST(test_a_call_beyond_the_bound_is_refused_at_once),
};

CHECK_MAIN(tests)
