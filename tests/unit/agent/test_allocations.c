/*
 * In steady state a small call whose arguments and results are of a fixed size takes no
 * memory from malloc(), on neither side. Client and server are in this process, whose
 * every allocation is counted, with the options that they have by default; what is
 * asked for is none at all.
 *
 * Steady is what goes on as it did. That is all that the calls before it are for: as
 * many were in flight, and all of them waited for a worker, as they will whenever the
 * machine does something else for a moment. A connection that was quiet for seconds gives
 * back what it kept, and so where the machine stood still it is counted anew.
 */
#include "agent/many_calls.h"

#include <dist/dist.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "support/allocations.h"

/* --- Counting ----------------------------------------------------------------- */

/* A machine that stands still each time says nothing. */
#define COUNTS_MAX 20

/* Of what goes on as it did there is nothing to say. */
static void
on_notice(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	struct work *work = arg;

	(void)level;
	(void)id;
	(void)text;
	atomic_store(&work->stood_still, true);
}

/*
 * All of a window queued at once: they are read in order, so when the call after them
 * is answered, which needs no worker, each waits for one.
 */
static void
queue_a_window(struct work *work)
{
	struct timeval limit = { 60, 0 };
	int queued = work->slow ? 0 : 3;

	fixture_gate_reset();
	for (unsigned i = 0; i < work->window; i++) {
		work->slots[i].number = 2;
		work->slots[i].waiter = dist_go(work->probe, probe_hold_1, queued,
		                                &work->slots[i].result);
	}
	assert_int_equal(clnt_call(work->probe, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                           (xdrproc_t)xdr_void, NULL, limit),
	                 RPC_SUCCESS);
	fixture_gate_open();
	for (unsigned i = 0; i < work->window; i++)
		slot_wait(&work->slots[i]);
}

static unsigned long
count_once(struct work *work, unsigned window, work_fn *make, int64_t least_ms)
{
	unsigned n_calls = work->slow ? 5000 : 20000;
	int64_t until_ns;
	unsigned long n;

	work->window = window;
	work_reset(work);
	queue_a_window(work);
	work_run(work, make, n_calls / 4);
	until_ns = dist_deadline_in_ms(least_ms);
	atomic_store(&work->went_on_ns, dist_clock_ns());
	atomic_store(&work->stood_still, false);
	allocations_start();
	do
		work_run(work, make, n_calls);
	while (dist_clock_ns() < until_ns);
	n = allocations_stop();
	work_go_on(work);
	return n;
}

/* How many there are while @make goes on, for at least @least_ms. */
static unsigned long
count(struct work *work, unsigned window, work_fn *make, int64_t least_ms)
{
	unsigned long n;

	for (unsigned i = 0; i < COUNTS_MAX; i++) {
		n = count_once(work, window, make, least_ms);
		if (n == 0 || !atomic_load(&work->stood_still))
			break;
	}
	return n;
}

static void
expect_none(struct work *work, unsigned long n)
{
	assert_int_equal(atomic_load(&work->n_failed), 0);
	if (n)
		allocations_show();
	assert_int_equal(n, 0);
}

/* --- A client and a server ---------------------------------------------------- */

struct system {
	struct dist_server *server;
	pid_t master; /* a process of its own: what it does for others counts elsewhere
	               */
	int master_stops; /* ... when this is closed */
	struct dist_node *node;
	struct dist_cluster *cluster;
	struct work work;
};

static void
work_open(struct work *work, struct dist_cluster *cluster)
{
	work->probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	assert_non_null(work->probe);
	assert_ok(dist_queue_new(&work->queue));
}

/* The two alone. */
static void
system_open(struct system *system)
{
	struct dist_server_options by_default = { 0 };
	struct dist_cluster_options options = { 0 };
	char address[64];

	system->server = fixture_server(&by_default);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(system->server)->port);
	options.servers = address;
	assert_ok(dist_cluster_open(&system->cluster, NULL, &options));
}

/* Until nobody has the other end of @stop. Its port goes to @port. */
static void
master_main(int port, int stop)
{
	/* To be probed takes a connection, and a busy machine may be ten seconds at it. */
	struct dist_master_options options = { .listen = "127.0.0.1:0",
		                               .probe_ms = 600000,
		                               .no_rpcbind = true };
	struct dist_master *master;
	unsigned number;
	char byte;

	if (dist_master_start(&master, &options))
		_exit(1);
	number = dist_master_port(master);
	if (write(port, &number, sizeof(number)) != sizeof(number) ||
	    read(stop, &byte, 1) != 0)
		_exit(1);
	dist_master_stop(master);
	_exit(0);
}

static unsigned
master_start(struct system *system)
{
	unsigned number = 0;
	int port[2], stop[2];

	assert_int_equal(pipe2(port, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	system->master = fork();
	assert_int_not_equal(system->master, -1);
	if (system->master == 0) {
		close(stop[1]);
		master_main(port[1], stop[0]);
	}
	close(port[1]);
	close(stop[0]);
	assert_int_equal(read(port[0], &number, sizeof(number)), sizeof(number));
	close(port[0]);
	system->master_stops = stop[1];
	return number;
}

static void
master_stop(struct system *system)
{
	int status;

	close(system->master_stops);
	assert_int_equal(waitpid(system->master, &status, 0), system->master);
	assert_int_equal(status, 0);
}

/* A node that keeps itself registered, and a cluster that watches it. */
static void
system_open_whole(struct system *system)
{
	const struct dist_service *services[] = { &probe_prog_1_service, NULL };
	struct dist_node_options options = { .listen = "127.0.0.1:0",
		                             .no_rpcbind = true };
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%u", master_start(system));
	options.masters = address;
	dist_log_set_sink(on_notice, &system->work, DIST_LOG_NOTICE);
	assert_ok(dist_node_start(&system->node, services, &options));
	assert_ok(dist_cluster_open(&system->cluster, address, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(system->cluster, PROBE_PROG, PROBE_V1, 1,
	                                  20000));
}

static int
setup(void **state, void (*open)(struct system *system), bool slow)
{
	static struct system system;

	system = (struct system){ .work.slow = slow };
	pthread_mutex_init(&system.work.lock, NULL);
	pthread_cond_init(&system.work.more, NULL);
	*state = &system;
	open(&system);
	work_open(&system.work, system.cluster);
	return 0;
}

static int
setup_short(void **state)
{
	return setup(state, system_open, false);
}

static int
setup_slow(void **state)
{
	return setup(state, system_open, true);
}

static int
setup_whole(void **state)
{
	return setup(state, system_open_whole, false);
}

static int
teardown(void **state)
{
	struct system *system = *state;

	dist_queue_free(system->work.queue);
	clnt_destroy(system->work.probe);
	dist_cluster_close(system->cluster);
	if (system->node)
		dist_node_stop(system->node);
	dist_log_set_sink(NULL, NULL, DIST_LOG_NOTICE);
	if (system->master)
		master_stop(system);
	dist_server_stop(system->server);
	return 0;
}

/* --- What is expected --------------------------------------------------------- */

static void *volatile kept[4];

static void *
allocate(void *arg)
{
	kept[0] = malloc(1);
	kept[1] = calloc(2, 3);
	kept[2] = realloc(NULL, 4);
	kept[3] = strdup("five");
	return arg;
}

/* Else none would be no news. */
static void
test_every_allocation_is_counted(void **state)
{
	unsigned long n_here, n_elsewhere;
	pthread_t thread;

	(void)state;
	allocations_start();
	allocate(NULL);
	n_here = allocations_stop();
	for (unsigned i = 0; i < 4; i++)
		free(kept[i]);
	allocations_start();
	assert_int_equal(pthread_create(&thread, NULL, allocate, NULL), 0);
	pthread_join(thread, NULL);
	n_elsewhere = allocations_stop();
	for (unsigned i = 0; i < 4; i++)
		free(kept[i]);
	assert_int_equal(n_here, 4);
	assert_true(n_elsewhere >= 4); /* the thread itself takes some */
}

static void
expect(void **state, unsigned window, work_fn *make)
{
	struct work *work = &((struct system *)*state)->work;

	expect_none(work, count(work, window, make, 0));
}

static void
expect_with(void **state, unsigned window, work_fn *make, work_fn *help,
            unsigned n_helpers)
{
	struct work *work = &((struct system *)*state)->work;
	unsigned long n;

	work_help(work, help, n_helpers);
	n = count(work, window, make, 0);
	work_help_no_more(work);
	expect_none(work, n);
}

static void
test_calls_of_one_thread(void **state)
{
	expect(state, 1, call_one_by_one);
}

static void
test_calls_with_wide_arguments(void **state)
{
	expect(state, 1, call_with_wide_arguments);
}

static void
test_calls_of_eight_threads(void **state)
{
	expect_with(state, 8, NULL, call_one_by_one, 8);
}

static void
test_64_in_flight(void **state)
{
	expect(state, 64, wait_in_order);
}

static void
test_256_in_flight(void **state)
{
	expect(state, 256, wait_in_order);
}

static void
test_64_with_a_deadline(void **state)
{
	const struct dist_call_options options = { .timeout_ms = 60000 };
	struct system *system = *state;
	CLIENT *without = system->work.probe;
	unsigned long n;

	system->work.probe = dist_client_create_with(system->cluster, PROBE_PROG,
	                                             PROBE_V1, &options);
	assert_non_null(system->work.probe);
	n = count(&system->work, 64, wait_in_order, 0);
	clnt_destroy(system->work.probe);
	system->work.probe = without;
	expect_none(&system->work, n);
}

static void
test_64_waited_for_together(void **state)
{
	expect(state, 64, wait_for_all);
}

static void
test_any_of_64(void **state)
{
	expect(state, 64, wait_for_any);
}

static void
test_64_in_a_queue(void **state)
{
	expect(state, 64, use_a_queue);
}

static void
test_256_in_a_queue(void **state)
{
	expect(state, 256, use_a_queue);
}

static void
test_a_queue_that_another_thread_empties(void **state)
{
	expect_with(state, 64, fill_the_queue, empty_the_queue, 1);
}

static void
test_callbacks(void **state)
{
	expect(state, 64, be_called_back);
}

static void
test_calls_that_are_answered_later(void **state)
{
	expect_with(state, 64, call_deferred, answer_deferred, 1);
}

/* Heartbeats, one a second, and the end of a watch, which is held for three. */
static void
test_what_goes_on_beside_calls(void **state)
{
	struct work *work = &((struct system *)*state)->work;

	expect_none(work, count(work, 64, wait_in_order, 4000));
}

#define SHORT(test) cmocka_unit_test_setup_teardown(test, setup_short, teardown)
#define SLOW(test) \
	{ \
#test " (by the pool)", test, setup_slow, teardown, NULL \
	}
#define WHOLE(test) \
	{ \
#test " (of a node with a master)", test, setup_whole, teardown, NULL \
	}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_allocation_is_counted),
	SHORT(test_calls_of_one_thread),
	SHORT(test_calls_with_wide_arguments),
	SHORT(test_calls_of_eight_threads),
	SHORT(test_64_in_flight),
	SHORT(test_256_in_flight),
	SHORT(test_64_with_a_deadline),
	SHORT(test_64_waited_for_together),
	SHORT(test_any_of_64),
	SHORT(test_64_in_a_queue),
	SHORT(test_256_in_a_queue),
	SHORT(test_a_queue_that_another_thread_empties),
	SHORT(test_callbacks),
	SHORT(test_calls_that_are_answered_later),
	SLOW(test_calls_of_one_thread),
	SLOW(test_calls_of_eight_threads),
	SLOW(test_64_in_flight),
	SLOW(test_256_in_flight),
	SLOW(test_64_in_a_queue),
	SLOW(test_256_in_a_queue),
	SLOW(test_a_queue_that_another_thread_empties),
	SLOW(test_callbacks),
	WHOLE(test_calls_of_one_thread),
	WHOLE(test_256_in_a_queue),
	WHOLE(test_what_goes_on_beside_calls),
};

CHECK_MAIN(tests)
