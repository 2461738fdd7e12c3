/*
 * Many threads on few connections do at random what callers do (stress.h). Nothing may be
 * stuck, nothing answered twice or with another's result, no call run twice that must not
 * be, and no call be said not to have run that did. And the ends of clusters, queues and
 * refused calls, under callers that do not expect them.
 */
#include "client/stress.h"

#include "server/fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/hostile.h"
#include "client/peer.h"
#include "client/peer_internal.h"
#include "idl/node.h"

static unsigned
count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static bool
threads_are_gone(void *arg)
{
	return count_threads() <= *(unsigned *)arg;
}

static bool
peer_is_idle(void *arg)
{
	return atomic_load(&((struct dist_peer *)arg)->in_flight) == 0;
}

/* @features: with DIST_FEATURE_META the server is told of calls that are given up. */
static void
play_with_a_server(unsigned features, unsigned spin_us)
{
	struct dist_server_options server_options = { .workers = 3, .queue = 100000 };
	struct dist_server *server = fixture_server(&server_options);
	struct dist_peer_options options = { .features = features, .spin_us = spin_us };
	struct dist_sockaddr address = dist_server_listeners(server)->address;
	struct dist_runtime *runtime;
	struct dist_peer *peer;
	struct stress stage;

	stress_init(&stage);
	assert_ok(dist_runtime_start(&runtime, "stress"));
	assert_ok(dist_peer_open(&peer, runtime, &address, &options));
	for (unsigned i = 0; i < STRESS_N_FLAVORS; i++)
		stage.clients[i] = dist_peer_client(peer, PROBE_PROG, 1, &stress_flavors[i]);
	stress_play(&stage, stress_seed());
	fixture_until(peer_is_idle, peer);
	stress_fini(&stage);
	dist_peer_close(peer);
	dist_runtime_stop(runtime);
	dist_server_stop(server);
}

static void
test_nothing_is_stuck_on_one_connection(void **state)
{
	unsigned n_threads = count_threads();

	(void)state;
	play_with_a_server(0, 0);
	play_with_a_server(DIST_FEATURE_META, 0);
	play_with_a_server(0, 20);
	fixture_until(threads_are_gone, &n_threads);
}

static enum dist_err
add_in_flight(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += info->in_flight;
	return DIST_OK;
}

static bool
cluster_is_idle(void *arg)
{
	unsigned n = 0;

	assert_ok(dist_cluster_each_node(arg, add_in_flight, &n));
	return n == 0;
}

static void
check_runs(const struct stress *stage)
{
	for (uint32_t id = 0; id < HOSTILE_IDS; id++) {
		unsigned n = hostile_runs(id);

		CHECK(n <= 1 || stage->idempotent[id], "call %u ran %u times", id, n);
		/* The third may be lost, and one beside the first answered with an error. */
		CHECK(n <= 4, "idempotent call %u ran %u times", id, n);
		CHECK(n == 0 || !stage->said_not_run[id],
		      "call %u ran, and its caller was told that it did not", id);
	}
}

static void
test_nothing_is_lost_or_run_twice_among_hostile_servers(void **state)
{
	uint64_t seed = stress_seed();
	unsigned n_threads = count_threads();
	struct hostile *servers[3];
	struct dist_cluster *cluster;
	struct stress stage;

	(void)state;
	hostile_forget_runs();
	stress_init(&stage);
	stage.loses = true;
	for (unsigned i = 0; i < 3; i++)
		servers[i] = hostile_start(HOSTILE_RANDOM, seed + 100 + i);
	cluster = hostile_cluster(servers, 3);
	for (unsigned i = 0; i < STRESS_N_FLAVORS; i++)
		stage.clients[i] =
			dist_client_create_with(cluster, PROBE_PROG, 1, &stress_flavors[i]);
	stress_play(&stage, seed);
	fixture_until(cluster_is_idle, cluster);
	dist_cluster_close(cluster);
	for (unsigned i = 0; i < 3; i++)
		hostile_stop(servers[i]);
	check_runs(&stage);
	stress_fini(&stage);
	fixture_until(threads_are_gone, &n_threads);
}

static void
call_two_servers(enum hostile_manner first, enum hostile_manner second)
{
	struct hostile *servers[2] = { hostile_start(first, 1), hostile_start(second, 2) };
	struct dist_cluster *cluster = hostile_cluster(servers, 2);
	struct dist_call_options options = { .timeout_ms = 60000 };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	int sum;

	for (int i = 0; i < 5; i++) {
		int64_t started_ns = dist_clock_ns();

		sum = 0;
		assert_int_equal(probe_add_1(i, 1, &sum, clnt), RPC_SUCCESS);
		assert_int_equal(sum, i + 1);
		assert_true(dist_clock_ns() - started_ns < 30000 * DIST_NS_PER_MS);
	}
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(servers[0]);
	hostile_stop(servers[1]);
}

/*
 * A call that all refuse as busy is placed anew by a timer; its caller must not go on
 * reading from the server that refused it last. Which one that is goes by the servers'
 * ports, so there are several rounds.
 */
static void
test_a_call_refused_by_all_is_awaited_where_it_goes_next(void **state)
{
	(void)state;
	for (int round = 0; round < 6; round++) {
		call_two_servers(HOSTILE_BUSY_FIRST, HOSTILE_BUSY);
		call_two_servers(HOSTILE_BUSY, HOSTILE_BUSY_FIRST);
	}
}

static void *
close_cluster(void *arg)
{
	dist_cluster_close(arg);
	return NULL;
}

static void *
call_until_closed(void *arg)
{
	CLIENT *clnt = arg;
	int sum;

	do {
		if (probe_add_1(1, 2, &sum, clnt) != RPC_SUCCESS)
			continue;
		dist_waiter_free(dist_go(clnt, probe_add_1, 3, 4, &sum));
	} while (dist_error_last() != DIST_ECLOSED);
	return NULL;
}

/* One thread takes what it starts; what is in flight at the end comes out as well. */
static void *
take_until_closed(void *arg)
{
	struct dist_waiter *waiter;
	struct dist_queue *queue;
	CLIENT *clnt = arg;
	int sums[4], n = 0;

	assert_ok(dist_queue_new(&queue));
	do {
		for (; n < 4; n++) {
			waiter = dist_go(clnt, probe_add_1, 1, 2, &sums[n]);
			if (!waiter)
				break;
			assert_ok(dist_queue_add(queue, waiter, NULL));
		}
		/* Which results are free again matters to nobody here. */
		for (; n && (waiter = dist_queue_take(queue, DIST_FOREVER)); n--)
			dist_waiter_free(waiter);
		CHECK(n == 0, "%d were lost in a queue", n);
		waiter = dist_go(clnt, probe_add_1, 1, 2, &sums[0]);
		if (waiter && dist_wait_any(&waiter, 1, DIST_FOREVER, &(size_t){ 0 }))
			dist_error_set(DIST_EINVAL, "how it ended is no matter either");
		dist_waiter_free(waiter);
	} while (waiter || dist_error_last() != DIST_ECLOSED);
	dist_queue_free(queue);
	return NULL;
}

static void
test_a_cluster_closes_under_its_callers(void **state)
{
	uint64_t seed = stress_seed();
	struct hostile *servers[2] = { hostile_start(HOSTILE_RANDOM, seed),
		                       hostile_start(HOSTILE_BUSY_FIRST, seed) };

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct dist_cluster *cluster = hostile_cluster(servers, 2);
		CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
		pthread_t threads[4], closer;

		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL,
			               i % 2 ? call_until_closed : take_until_closed, clnt);
		stress_pause_ms(hostile_random(&seed, 8));
		pthread_create(&closer, NULL, close_cluster, cluster);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		pthread_join(closer, NULL);
		clnt_destroy(clnt);
	}
	hostile_stop(servers[0]);
	hostile_stop(servers[1]);
}

static void
never_called(struct dist_waiter *waiter, void *arg)
{
	(void)waiter, (void)arg;
	CHECK(false, "a callback that was refused ran");
}

static void
test_a_callback_after_the_close_is_refused(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_sockaddr address = dist_server_listeners(server)->address;
	struct dist_runtime *runtime;
	struct dist_waiter *waiter;
	struct dist_peer *peer;
	CLIENT *clnt;
	int sum = 0;

	(void)state;
	assert_ok(dist_runtime_start(&runtime, "late"));
	assert_ok(dist_peer_open(&peer, runtime, &address, NULL));
	clnt = dist_peer_client(peer, PROBE_PROG, 1, NULL);
	waiter = dist_go(clnt, probe_add_1, 1, 2, &sum);
	assert_non_null(waiter);
	dist_peer_close(peer);
	dist_runtime_stop(runtime);
	assert_err(dist_waiter_then(waiter, never_called, NULL), DIST_ECLOSED);
	dist_waiter_free(waiter);
	clnt_destroy(clnt);
	dist_server_stop(server);
}

static void *
take_all(void *arg)
{
	struct dist_waiter *waiter;

	while ((waiter = dist_queue_take(arg, DIST_FOREVER)))
		dist_waiter_free(waiter);
	return NULL;
}

/* The threads that got nothing see that nothing is left; else this does not end. */
static void
test_the_last_waiter_of_a_queue_ends_all_who_wait(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_sockaddr address = dist_server_listeners(server)->address;
	struct dist_runtime *runtime;
	struct dist_peer *peer;
	struct dist_queue *queue;
	pthread_t takers[4];
	CLIENT *clnt;
	int result = 0;

	(void)state;
	assert_ok(dist_runtime_start(&runtime, "queue"));
	assert_ok(dist_peer_open(&peer, runtime, &address, NULL));
	clnt = dist_peer_client(peer, PROBE_PROG, 1, NULL);
	for (int round = 0; round < 20; round++) {
		assert_ok(dist_queue_new(&queue));
		assert_ok(dist_queue_add(queue, dist_go(clnt, probe_spin_1, 2000, &result),
		                         NULL));
		for (int i = 0; i < 4; i++)
			pthread_create(&takers[i], NULL, take_all, queue);
		for (int i = 0; i < 4; i++)
			pthread_join(takers[i], NULL);
		dist_queue_free(queue);
	}
	clnt_destroy(clnt);
	dist_peer_close(peer);
	dist_runtime_stop(runtime);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_call_refused_by_all_is_awaited_where_it_goes_next),
	cmocka_unit_test(test_the_last_waiter_of_a_queue_ends_all_who_wait),
	cmocka_unit_test(test_a_callback_after_the_close_is_refused),
	cmocka_unit_test(test_a_cluster_closes_under_its_callers),
	cmocka_unit_test(test_nothing_is_stuck_on_one_connection),
	cmocka_unit_test(test_nothing_is_lost_or_run_twice_among_hostile_servers),
};

CHECK_MAIN(tests)
