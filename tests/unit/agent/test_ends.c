/*
 * Clusters, nodes and masters are ended while calls of each kind are under way: every one
 * of these ends, once, with an outcome; and no thread, descriptor or memory stays. Several
 * of each live in one process, and end in any order.
 */
#include "unit/server/fixture.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dist/master.h>
#include <dist/node.h>
#include <dist/request.h>
#include <dist/waiter.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define N_GONE      12
#define N_SYNC      3
#define BULK_BYTES  (4u << 20)
#define ROUNDS_FIRST 10
#define ROUNDS       20
/*
 * What a round may leave on average, in bytes: some memory for calls that goes to a common
 * store, which has a bound, and what the C library keeps of threads. A connection, a
 * record, a cluster or a node is more; of what is less the address sanitizer tells.
 */
#define LEFT_MAX 4096

static const struct dist_service *const services[] = { &probe_prog_1_service, NULL };

/* --- What a process has ------------------------------------------------------------- */

static unsigned
count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned n = 0;
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n;
}

static bool
threads_are(void *arg)
{
	return count_threads() == *(unsigned *)arg;
}

struct had {
	unsigned n_threads, n_descriptors;
};

static struct had
had_begin(void)
{
	return (struct had){ count_threads(), check_count_descriptors() };
}

/* A thread that was joined may be seen for a moment more. */
static void
had_check(struct had *had)
{
	fixture_until(threads_are, &had->n_threads);
	assert_int_equal(check_count_descriptors(), had->n_descriptors);
}

/* --- Masters, nodes, clusters ------------------------------------------------------- */

static struct dist_master *
start_master(char address[32])
{
	/* A busy machine may keep nodes from beating for longer than they ask for. */
	struct dist_master_options options = { .listen = "127.0.0.1:0",
		                               .min_lease_ms = PATIENCE_MS,
		                               .no_rpcbind = true };
	struct dist_master *master;

	assert_ok(dist_master_start(&master, &options));
	snprintf(address, 32, "127.0.0.1:%u", dist_master_port(master));
	return master;
}

static struct dist_node *
start_node(const char *masters, unsigned n_masters)
{
	struct dist_node_options options = { .masters = masters,
		                             .no_rpcbind = true,
		                             .heartbeat_ms = 100,
		                             .drain_timeout_ms = 100,
		                             .workers = 4 };
	struct dist_node *node;

	assert_ok(dist_node_start(&node, services, &options));
	assert_ok(dist_node_wait_registered(node, n_masters, PATIENCE_MS));
	return node;
}

static struct dist_cluster *
open_cluster(const char *masters, unsigned n_nodes)
{
	struct dist_cluster *cluster;

	assert_ok(dist_cluster_open(&cluster, masters, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(cluster, PROBE_PROG, PROBE_V1, n_nodes,
	                                  PATIENCE_MS));
	return cluster;
}

/* --- Calls of each kind, none of which ends by itself ------------------------------- */

struct calls {
	CLIENT *probe, *nowhere;
	pthread_t sync[N_SYNC];
	atomic_uint n_sync_begun;
	enum dist_err sync_errs[N_SYNC];
	int sync_results[N_SYNC];

	struct dist_waiter *held[N_GONE]; /* the last ones wait for a worker */
	struct dist_waiter *deferred, *parked, *bulk, *called_back;
	struct dist_deferred *handle;
	struct dist_queue *queue;
	atomic_uint n_called_back;
	int results[N_GONE], deferred_result, parked_result, back_result, queued_results[4];
	probe_bytes bulk_result;
	char *bulk_bytes;
};

struct sync_call {
	struct calls *calls;
	unsigned i;
};

static void *
sync_main(void *arg)
{
	struct sync_call call = *(struct sync_call *)arg;
	struct calls *calls = call.calls;

	free(arg);
	atomic_fetch_add(&calls->n_sync_begun, 1);
	if (probe_hold_1(1, &calls->sync_results[call.i], calls->probe) != RPC_SUCCESS)
		calls->sync_errs[call.i] = dist_error_last();
	return NULL;
}

static void
note_end(struct dist_waiter *waiter, void *arg)
{
	(void)waiter;
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static void
calls_begin(struct calls *calls, struct dist_cluster *cluster)
{
	const struct dist_call_options waits = { .wait_for_nodes_ms = 3600000 };
	probe_bytes bulk = { .probe_bytes_len = BULK_BYTES };

	*calls = (struct calls){ .probe = NULL };
	fixture_gate_reset();
	calls->probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	calls->nowhere = dist_client_create_with(cluster, PROBE_PROG, 77, &waits);
	assert_true(calls->probe && calls->nowhere);
	/* Before the workers are all held. */
	calls->deferred = dist_go(calls->probe, probe_defer_1, 1, &calls->deferred_result);
	assert_err(dist_waiter_wait(calls->deferred, 0), DIST_ETIMEDOUT);
	calls->handle = fixture_deferred();
	for (unsigned i = 0; i < N_GONE; i++)
		calls->held[i] =
			dist_go(calls->probe, probe_hold_1, (int)i, &calls->results[i]);
	calls->parked = dist_go(calls->nowhere, probe_add_1, 1, 2, &calls->parked_result);
	assert_non_null(calls->parked);
	assert_ok(dist_queue_new(&calls->queue));
	for (unsigned i = 0; i < DIST_ARRAY_SIZE(calls->queued_results); i++)
		assert_ok(dist_queue_add(calls->queue,
		                         dist_go(calls->probe, probe_hold_1, 1,
		                                 &calls->queued_results[i]),
		                         NULL));
	calls->called_back =
		dist_go(calls->probe, probe_hold_1, 1, &calls->back_result);
	assert_ok(dist_waiter_then(calls->called_back, note_end, &calls->n_called_back));
	calls->bulk_bytes = calloc(1, BULK_BYTES);
	assert_non_null(calls->bulk_bytes);
	bulk.probe_bytes_val = calls->bulk_bytes;
	calls->bulk = dist_go(calls->probe, probe_echo_1, bulk, &calls->bulk_result);
	for (unsigned i = 0; i < N_SYNC; i++) {
		struct sync_call *call = malloc(sizeof(*call));

		assert_non_null(call);
		*call = (struct sync_call){ calls, i };
		assert_int_equal(
			pthread_create(&calls->sync[i], NULL, sync_main, call), 0);
	}
	fixture_gate_wait(4);
}

/*
 * How each ended; @expected: all with this error, or, if it is none, in any way but by
 * waiting. Those that wait for a node end with the cluster alone.
 */
static void
check_outcome(enum dist_err err, enum dist_err expected)
{
	assert_int_not_equal(err, DIST_ETIMEDOUT);
	if (expected)
		assert_int_equal(err, expected);
}

static void
calls_check(struct calls *calls, enum dist_err expected)
{
	struct dist_waiter *waiter;
	unsigned n_taken = 0;

	for (unsigned i = 0; i < N_SYNC; i++) {
		pthread_join(calls->sync[i], NULL);
		check_outcome(calls->sync_errs[i], expected);
	}
	for (unsigned i = 0; i < N_GONE; i++)
		check_outcome(dist_waiter_wait(calls->held[i], PATIENCE_MS), expected);
	check_outcome(dist_waiter_wait(calls->deferred, PATIENCE_MS), expected);
	check_outcome(dist_waiter_wait(calls->bulk, PATIENCE_MS), DIST_OK);
	while ((waiter = dist_queue_take(calls->queue, PATIENCE_MS))) {
		check_outcome(dist_waiter_wait(waiter, 0), expected);
		dist_waiter_free(waiter);
		n_taken++;
	}
	assert_int_equal(n_taken, DIST_ARRAY_SIZE(calls->queued_results));
	check_outcome(dist_waiter_wait(calls->called_back, PATIENCE_MS), expected);
}

static void
calls_end(struct calls *calls)
{
	int result = 1;

	for (unsigned i = 0; i < N_GONE; i++)
		dist_waiter_free(calls->held[i]);
	dist_waiter_free(calls->deferred);
	dist_waiter_free(calls->parked);
	dist_waiter_free(calls->bulk);
	dist_waiter_free(calls->called_back);
	dist_queue_free(calls->queue);
	/* Nobody waits for it any more, or the node has answered it. */
	(void)!dist_deferred_reply(calls->handle, (xdrproc_t)xdr_int, &result);
	xdr_free((xdrproc_t)xdr_probe_bytes, &calls->bulk_result);
	free(calls->bulk_bytes);
	clnt_destroy(calls->probe);
	clnt_destroy(calls->nowhere);
}

/* --- Rounds ------------------------------------------------------------------------- */

static void
close_a_cluster(void)
{
	char address[32];
	struct dist_master *master = start_master(address);
	struct dist_node *node = start_node(address, 1);
	struct dist_cluster *cluster = open_cluster(address, 1);
	struct calls calls;

	calls_begin(&calls, cluster);
	dist_cluster_close(cluster);
	/* Each has ended before that returned. */
	assert_true(dist_waiter_done(calls.held[0]) && dist_waiter_done(calls.parked));
	assert_int_equal(atomic_load(&calls.n_called_back), 1);
	calls_check(&calls, DIST_ECLOSED);
	check_outcome(dist_waiter_wait(calls.parked, 0), DIST_ECLOSED);
	fixture_gate_open();
	calls_end(&calls);
	dist_node_stop(node);
	dist_master_stop(master);
}

static void *
stop_node(void *node)
{
	dist_node_stop(node);
	return NULL;
}

/*
 * It waits for procedures that run, and these have their answers; what they leave to be
 * answered later is answered "no"; who waited for a worker is told so, or has run.
 */
static void
stop_a_node(void)
{
	char address[32];
	struct dist_master *master = start_master(address);
	struct dist_node *node = start_node(address, 1);
	struct dist_cluster *cluster = open_cluster(address, 1);
	struct calls calls;
	pthread_t stopper;

	calls_begin(&calls, cluster);
	assert_int_equal(pthread_create(&stopper, NULL, stop_node, node), 0);
	fixture_gate_open();
	pthread_join(stopper, NULL);
	calls_check(&calls, DIST_OK);
	assert_false(dist_waiter_done(calls.parked));
	dist_waiter_cancel(calls.parked);
	assert_err(dist_waiter_wait(calls.parked, 0), DIST_ECANCELED);
	calls_end(&calls);
	dist_cluster_close(cluster);
	dist_master_stop(master);
}

/* Calls need no master: they go on. */
static void
stop_a_master(void)
{
	char address[32];
	struct dist_master *master = start_master(address);
	struct dist_node *node = start_node(address, 1);
	struct dist_cluster *cluster = open_cluster(address, 1);
	struct calls calls;
	int answer = 5;

	calls_begin(&calls, cluster);
	dist_master_stop(master);
	assert_false(dist_waiter_done(calls.held[0]));
	fixture_gate_open();
	assert_ok(dist_deferred_reply(calls.handle, (xdrproc_t)xdr_int, &answer));
	calls.handle = NULL;
	calls_check(&calls, DIST_OK);
	assert_ok(dist_waiter_wait(calls.held[0], 0));
	assert_int_equal(calls.deferred_result, 5);
	calls_end(&calls);
	dist_node_stop(node);
	dist_cluster_close(cluster);
}

/* Each node at both masters, one cluster at both and one at the second. */
static void
many_in_one_process(void)
{
	char addresses[2][32], both[80];
	struct dist_master *masters[2] = { start_master(addresses[0]),
		                           start_master(addresses[1]) };
	struct dist_node *nodes[3];
	struct dist_cluster *clusters[2];
	CLIENT *probes[2];
	int sum = 0;

	snprintf(both, sizeof(both), "%s,%s", addresses[0], addresses[1]);
	for (unsigned i = 0; i < 3; i++)
		nodes[i] = start_node(both, 2);
	clusters[0] = open_cluster(both, 3);
	clusters[1] = open_cluster(addresses[1], 3);
	for (unsigned i = 0; i < 2; i++) {
		probes[i] = dist_client_create(clusters[i], PROBE_PROG, PROBE_V1);
		assert_non_null(probes[i]);
	}
	dist_master_stop(masters[0]);
	dist_node_stop(nodes[1]);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(probe_add_1((int)i, 1, &sum, probes[i % 2]), RPC_SUCCESS);
		assert_int_equal(sum, i + 1);
	}
	dist_cluster_close(clusters[0]);
	assert_int_equal(probe_add_1(1, 1, &sum, probes[1]), RPC_SUCCESS);
	clnt_destroy(probes[1]);
	dist_node_stop(nodes[2]);
	clnt_destroy(probes[0]);
	dist_node_stop(nodes[0]);
	dist_cluster_close(clusters[1]);
	dist_master_stop(masters[1]);
}

static size_t
bytes_in_use(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* Again and again: what stays each time would add up. */
static void
expect_nothing_left(void (*round)(void))
{
	size_t before = 0, after;
	struct had had;

	round(); /* what a process starts once, a sanitizer's thread for one */
	had = had_begin();
	for (unsigned i = 0; i < ROUNDS_FIRST + ROUNDS; i++) {
		if (i == ROUNDS_FIRST)
			before = bytes_in_use();
		round();
		had_check(&had);
	}
	after = bytes_in_use();
	print_message("# %zu bytes, after %u more rounds %zu\n", before, ROUNDS, after);
	assert_true(after < before + ROUNDS * LEFT_MAX);
}

static void
test_a_cluster_closes_with_calls_in_flight(void **state)
{
	(void)state;
	expect_nothing_left(close_a_cluster);
}

static void
test_a_node_stops_with_calls_in_flight(void **state)
{
	(void)state;
	expect_nothing_left(stop_a_node);
}

static void
test_a_master_stops_with_calls_in_flight(void **state)
{
	(void)state;
	expect_nothing_left(stop_a_master);
}

static void
test_many_in_one_process(void **state)
{
	(void)state;
	expect_nothing_left(many_in_one_process);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_cluster_closes_with_calls_in_flight),
	cmocka_unit_test(test_a_node_stops_with_calls_in_flight),
	cmocka_unit_test(test_a_master_stops_with_calls_in_flight),
	cmocka_unit_test(test_many_in_one_process),
};

CHECK_MAIN(tests)
