/*
 * Children of fork() while other threads call, wait, log and hold whatever locks they
 * hold: in the child every handle of the parent says DIST_EFORKED, at once and without a
 * byte to a socket, and a cluster of the child's own works. The parent's calls go on.
 */
#include "unit/server/fixture.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dist/log.h>
#include <dist/master.h>
#include <dist/node.h>
#include <dist/request.h>
#include <dist/stats.h>
#include <dist/waiter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_FORKS     60
#define N_CALLERS   3
#define PATIENCE_MS 30000
/* A child that hangs ends by SIGALRM. */
#define CHILD_S 60

struct system {
	struct dist_master *master;
	struct dist_node *node;
	struct dist_cluster *cluster;
	CLIENT *probe;
	char master_address[32];

	/* What the main thread has under way. */
	struct dist_waiter *waiter, *queued;
	struct dist_queue *queue;
	struct dist_deferred *deferred;
	int held, queued_result, answer;

	pthread_t callers[N_CALLERS];
	atomic_bool stop;
	atomic_uint n_calls, n_failed;
};

/* Slow, so that at most forks somebody is at the log. */
static void
count_words(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	struct timespec a_while = { 0, DIST_NS_PER_MS };

	(void)level, (void)id, (void)text;
	atomic_fetch_add((atomic_uint *)arg, 1);
	nanosleep(&a_while, NULL);
}

/* Calls of each kind without a pause, and a word to the log with each. */
static void *
caller_main(void *arg)
{
	struct system *system = arg;
	struct dist_waiter *waiters[8];
	int sums[8];

	while (!atomic_load(&system->stop)) {
		enum clnt_stat stat = probe_add_1(1, 2, &sums[0], system->probe);

		atomic_fetch_add(&system->n_calls, 1);
		if (stat != RPC_SUCCESS || sums[0] != 3)
			atomic_fetch_add(&system->n_failed, 1);
		for (int i = 0; i < 8; i++)
			waiters[i] = dist_go(system->probe, probe_add_1, i, 2, &sums[i]);
		if (dist_wait_all(waiters, 8, DIST_FOREVER) || sums[7] != 9)
			atomic_fetch_add(&system->n_failed, 1);
		for (int i = 0; i < 8; i++)
			dist_waiter_free(waiters[i]);
		dist_log(DIST_LOG_DEBUG, "called", "n=%u", atomic_load(&system->n_calls));
	}
	return NULL;
}

static void
start(struct system *system)
{
	static const struct dist_service *const services[] = { &probe_prog_1_service,
		                                               NULL };
	struct dist_master_options master = { .listen = "127.0.0.1:0",
		                              .no_rpcbind = true };
	struct dist_node_options node = { .no_rpcbind = true, .workers = 4 };

	fixture_gate_reset();
	assert_ok(dist_master_start(&system->master, &master));
	snprintf(system->master_address, sizeof(system->master_address), "127.0.0.1:%u",
	         dist_master_port(system->master));
	node.masters = system->master_address;
	assert_ok(dist_node_start(&system->node, services, &node));
	assert_ok(dist_cluster_open(&system->cluster, system->master_address, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(system->cluster, PROBE_PROG, PROBE_V1, 1,
	                                  PATIENCE_MS));
	system->probe = dist_client_create(system->cluster, PROBE_PROG, PROBE_V1);
	assert_non_null(system->probe);

	system->waiter = dist_go(system->probe, probe_hold_1, 1, &system->held);
	system->queued = dist_go(system->probe, probe_defer_1, 1, &system->answer);
	assert_ok(dist_queue_new(&system->queue));
	assert_ok(dist_queue_add(system->queue, system->queued, NULL));
	/* They leave now, if they had not yet. */
	assert_null(dist_queue_take(system->queue, 0));
	assert_err(dist_waiter_wait(system->waiter, 0), DIST_ETIMEDOUT);
	fixture_gate_wait(1);
	system->deferred = fixture_deferred();
	for (int i = 0; i < N_CALLERS; i++)
		assert_int_equal(pthread_create(&system->callers[i], NULL, caller_main,
		                                system),
		                 0);
}

static void
stop(struct system *system)
{
	int result = 11;

	atomic_store(&system->stop, true);
	for (int i = 0; i < N_CALLERS; i++)
		pthread_join(system->callers[i], NULL);
	fixture_gate_open();
	assert_ok(dist_waiter_wait(system->waiter, PATIENCE_MS));
	assert_ok(dist_deferred_reply(system->deferred, (xdrproc_t)xdr_int, &result));
	assert_ptr_equal(dist_queue_take(system->queue, PATIENCE_MS), system->queued);
	assert_int_equal(system->answer, 11);
	dist_waiter_free(system->queued);
	dist_waiter_free(system->waiter);
	dist_queue_free(system->queue);
	clnt_destroy(system->probe);
	dist_cluster_close(system->cluster);
	dist_node_stop(system->node);
	dist_master_stop(system->master);
}

/* --- In the child: the line of the first thing that is not as it should be, or 0 ----- */

static enum dist_err
note_node(const struct dist_node_info *info, void *arg)
{
	(void)info, (void)arg;
	return DIST_EINVAL;
}

static void
never(struct dist_waiter *waiter, void *arg)
{
	(void)waiter, (void)arg;
	_exit(2);
}

#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			return __LINE__; \
	} while (0)
#define EXPECT_FORKED(expression) EXPECT((expression) == DIST_EFORKED)
/* ... of something that gives no error itself. */
#define EXPECT_NOTHING(expression) \
	EXPECT(!(expression) && dist_error_last() == DIST_EFORKED)

static int
use_handles(struct system *system)
{
	struct dist_stats *stats;
	struct dist_cluster *local;
	size_t at;
	int sum;

	EXPECT(probe_add_1(1, 2, &sum, system->probe) == RPC_FAILED &&
	       dist_error_last() == DIST_EFORKED);
	EXPECT_NOTHING(dist_go(system->probe, probe_add_1, 1, 2, &sum));
	EXPECT_FORKED(dist_waiter_wait(system->waiter, DIST_FOREVER));
	EXPECT_FORKED(dist_wait_any(&system->waiter, 1, DIST_FOREVER, &at));
	EXPECT_FORKED(dist_wait_all(&system->waiter, 1, DIST_FOREVER));
	EXPECT_FORKED(dist_waiter_then(system->waiter, never, NULL));
	EXPECT(dist_waiter_done(system->waiter));
	EXPECT(dist_waiter_status(system->waiter) == RPC_FAILED);
	EXPECT(*dist_waiter_error(system->waiter));
	dist_waiter_cancel(system->waiter);
	EXPECT_NOTHING(dist_queue_take(system->queue, DIST_FOREVER));
	EXPECT_FORKED(dist_queue_add(system->queue, system->waiter, NULL));
	EXPECT(dist_queue_length(system->queue) == 0);
	EXPECT_FORKED(dist_cluster_wait_nodes(system->cluster, PROBE_PROG, PROBE_V1, 2,
	                                      DIST_FOREVER));
	EXPECT_FORKED(dist_cluster_each_node(system->cluster, note_node, NULL));
	EXPECT_FORKED(dist_cluster_stats(&stats, system->cluster));
	EXPECT_FORKED(dist_cluster_of(&local, system->master, NULL));
	EXPECT_FORKED(dist_node_drain(system->node, DIST_FOREVER));
	EXPECT_FORKED(dist_node_wait_registered(system->node, 1, DIST_FOREVER));
	EXPECT_FORKED(dist_node_stats(&stats, system->node));
	EXPECT(dist_master_n_nodes(system->master) == 0);
	EXPECT_FORKED(dist_deferred_reply(system->deferred, (xdrproc_t)xdr_int, &sum));
	dist_deferred_fail(system->deferred);
	return 0;
}

static int
end_handles(struct system *system)
{
	dist_waiter_free(system->waiter);
	dist_queue_free(system->queue);
	clnt_destroy(system->probe);
	dist_cluster_close(system->cluster);
	dist_node_stop(system->node);
	dist_master_stop(system->master);
	return 0;
}

/*
 * The thread sanitizer lets no child start threads whose parent had some. With the address
 * sanitizer a child finds the locks of its allocator as others held them.
 */
#if defined(__SANITIZE_THREAD__)
#define NO_THREADS_IN_CHILDREN 1
#elif defined(__SANITIZE_ADDRESS__)
#define CAN_FORK false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_THREADS_IN_CHILDREN 1
#elif __has_feature(address_sanitizer)
#define CAN_FORK false
#endif
#endif

#ifndef CAN_FORK
#define CAN_FORK true
#endif

#ifdef NO_THREADS_IN_CHILDREN

static int
use_own_cluster(struct system *system)
{
	(void)system;
	return 0;
}

#else

static int
use_own_cluster(struct system *system)
{
	struct dist_cluster *cluster;
	CLIENT *probe;
	int sum = 0;

	EXPECT(dist_cluster_open(&cluster, system->master_address, CHECK_PATIENT) == DIST_OK);
	probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	EXPECT(probe);
	EXPECT(probe_add_1(3, 4, &sum, probe) == RPC_SUCCESS && sum == 7);
	clnt_destroy(probe);
	dist_cluster_close(cluster);
	return 0;
}

#endif

static int
child_main(struct system *system)
{
	int line;

	alarm(CHILD_S);
	line = use_handles(system);
	dist_log_set_sink(NULL, NULL, DIST_LOG_DEBUG);
	if (!line)
		line = end_handles(system);
	if (!line)
		line = use_own_cluster(system);
	if (line)
		fprintf(stderr, "in the child, line %d: %s\n", line, dist_error_text());
	return line ? 1 : 0;
}

static void
test_children_of_a_busy_parent(void **state)
{
	static struct system system;
	const struct timespec a_while = { 0, DIST_NS_PER_MS };
	atomic_uint n_words = 0;
	int status;
	pid_t child;

	(void)state;
	dist_log_set_sink(count_words, &n_words, DIST_LOG_DEBUG);
	start(&system);
	for (unsigned i = 0; i < N_FORKS; i++) {
		unsigned n_calls = atomic_load(&system.n_calls);

		child = fork();
		assert_return_code(child, 0);
		if (child == 0)
			_exit(child_main(&system));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		/* It calls as before. */
		while (atomic_load(&system.n_calls) == n_calls)
			nanosleep(&a_while, NULL);
	}
	stop(&system);
	dist_log_set_sink(NULL, NULL, DIST_LOG_DEBUG);
	assert_int_equal(atomic_load(&system.n_failed), 0);
	assert_true(atomic_load(&n_words) > N_FORKS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_children_of_a_busy_parent),
};

CHECK_MAIN_WHERE(CAN_FORK, tests)
