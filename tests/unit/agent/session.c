#include "unit/agent/session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <dist/master.h>
#include <dist/node.h>
#include <dist/stats.h>
#include <dist/waiter.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Longer than anything here takes. */
#define PATIENCE_MS 30000
#define N_WAITERS   300 /* more than a wait has room for without asking */
#define ECHO_BYTES  40000
#define BULK_BYTES  400000

static const struct session_trouble *trouble; /* of this run */
static bool trouble_before; /* a run before had some: a connection may end of it yet */
static unsigned n_of[64];                     /* how often each error was given */

/* Of PROBE_ADD, whose first argument is a number of the call's own. */
static atomic_uchar executions[1u << 20];
static unsigned n_numbers;

/* --- Trying again ------------------------------------------------------------------- */

typedef enum dist_err step_fn(void *arg);

static void
complain(const char *what, enum dist_err err)
{
	print_error("%s: %s: %s\n", what, dist_error_name(err), dist_error_text());
	if (trouble) {
		print_error("what had failed:\n");
		trouble->show();
	}
	fail();
}

static bool
is_troubled(void)
{
	return trouble && (trouble_before || trouble->failed());
}

/*
 * It may fail, with a sentence, once there was trouble. Never without that, never for good,
 * and never with an error that says nothing, or that the arguments are to blame.
 */
static void
insist(const char *what, step_fn *step, void *arg)
{
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	enum dist_err err;

	while ((err = step(arg)) != DIST_OK) {
		n_of[err]++;
		if (!is_troubled() || err == DIST_EINVAL || err == DIST_EADDRESS ||
		    err == DIST_ETIMEDOUT || !*dist_error_text() ||
		    dist_deadline_passed(until_ns))
			complain(what, err);
	}
}

void
session_run_out(const char *what, void (*session)(void *arg), void *arg,
                const struct session_trouble *of)
{
	unsigned long first = 1;

	trouble = of;
	memset(n_of, 0, sizeof(n_of));
	do {
		of->begin(first);
		session(arg);
		first += of->step;
	} while ((trouble_before = of->end()));
	print_message("# %s, %s up to number %lu; given:", what, of->name, first);
	for (unsigned err = 1; err < DIST_ARRAY_SIZE(n_of); err++) {
		if (n_of[err])
			print_message(" %s %u", dist_error_name(err), n_of[err]);
	}
	print_message("\n");
	assert_true(first > 1 + of->step); /* there is something to fail */
	trouble = NULL;
	trouble_before = false;
}

/* --- A master, a node, a cluster ---------------------------------------------------- */

static void
add(SVCXPRT *xprt)
{
	probe_add_1_argument args = { 0 };
	int sum;

	if (!svc_getargs(xprt, (xdrproc_t)xdr_probe_add_1_argument, (caddr_t)&args)) {
		svcerr_decode(xprt);
		return;
	}
	atomic_fetch_add(&executions[args.arg1], 1);
	sum = args.arg1 + args.arg2;
	svc_sendreply(xprt, (xdrproc_t)xdr_int, (caddr_t)&sum);
}

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	if (rqstp->rq_proc == PROBE_ADD)
		add(xprt);
	else
		probe_prog_1_service.dispatch(rqstp, xprt);
}

static struct dist_service counted; /* the probe; each run of PROBE_ADD is counted */
static const struct dist_service *const services[] = { &counted, NULL };

struct system {
	struct dist_master *master;
	struct dist_node *node;
	struct dist_cluster *cluster;
	CLIENT *probe;
	char address[32];
};

static enum dist_err
start_master(void *arg)
{
	struct system *system = arg;
	/* A busy machine may keep the node from beating for longer than it asks for. */
	struct dist_master_options options = { .listen = "127.0.0.1:0",
		                               .min_lease_ms = PATIENCE_MS,
		                               .no_rpcbind = true };
	enum dist_err err = dist_master_start(&system->master, &options);

	if (!err)
		snprintf(system->address, sizeof(system->address), "127.0.0.1:%u",
		         dist_master_port(system->master));
	return err;
}

static enum dist_err
start_node(void *arg)
{
	static const struct dist_attribute attributes[] = { { "rack", "7" },
		                                            { NULL, NULL } };
	struct system *system = arg;
	struct dist_node_options options = {
		.masters = system->address,
		.no_rpcbind = true,
		.heartbeat_ms = 100,
		.workers = 2,
		.attributes = attributes,
	};

	return dist_node_start(&system->node, services, &options);
}

/*
 * Refused, by a master without memory or because the node had none to be called back, until
 * the node asks again by itself.
 */
static bool
is_refused_still(enum dist_err err)
{
	return err == DIST_EREFUSED && is_troubled();
}

static enum dist_err
await_registration(void *arg)
{
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	struct timespec pause = { 0, DIST_NS_PER_MS };
	struct system *system = arg;
	enum dist_err err;

	while (is_refused_still(err = dist_node_wait_registered(system->node, 1,
	                                                        PATIENCE_MS)) &&
	       !dist_deadline_passed(until_ns))
		nanosleep(&pause, NULL);
	return err;
}

static enum dist_err
open_cluster(void *arg)
{
	struct system *system = arg;

	return dist_cluster_open(&system->cluster, system->address, CHECK_PATIENT);
}

static enum dist_err
open_local_cluster(void *arg)
{
	struct system *system = arg;

	return dist_cluster_of(&system->cluster, system->master, NULL);
}

static enum dist_err
await_node(void *arg)
{
	struct system *system = arg;

	return dist_cluster_wait_nodes(system->cluster, PROBE_PROG, PROBE_V1, 1,
	                               PATIENCE_MS);
}

static enum dist_err
create_client(void *arg)
{
	static const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	struct system *system = arg;

	system->probe = dist_client_create_with(system->cluster, PROBE_PROG, PROBE_V1,
	                                        &options);
	return system->probe ? DIST_OK : dist_error_last();
}

/* --- Calls -------------------------------------------------------------------------- */

/* Whether such an error allows that the call has run. */
static bool
may_have_run(enum dist_err err)
{
	return err == DIST_OK || err == DIST_ECONNRESET || err == DIST_ERPC ||
	       err == DIST_EDECODE || err == DIST_EDEADLINE;
}

/* A call's own number. */
static int
next_number(void)
{
	assert_true(n_numbers < DIST_ARRAY_SIZE(executions));
	return (int)n_numbers++;
}

/* It ran once, or not at all, as @err says. */
static void
check_call(int number, int sum, enum dist_err err)
{
	unsigned n = atomic_load(&executions[number]);

	assert_true(err == DIST_OK ? n == 1 && sum == number + 1
	                           : n == 0 || (n == 1 && may_have_run(err)));
}

static enum dist_err
call_synchronously(void *arg)
{
	struct system *system = arg;
	enum dist_err err = DIST_OK;
	int number = next_number(), sum = 0;

	if (probe_add_1(number, 1, &sum, system->probe) != RPC_SUCCESS)
		err = dist_error_last();
	check_call(number, sum, err);
	return err;
}

struct first_call {
	struct system *system;
	enum dist_err err;
	char text[DIST_ERROR_TEXT_MAX];
	struct rpc_err rpc_err;
	bool has_node;
};

static void *
call_first(void *arg)
{
	struct first_call *call = arg;

	call->err = call_synchronously(call->system);
	snprintf(call->text, sizeof(call->text), "%s", dist_error_text());
	clnt_geterr(call->system->probe, &call->rpc_err);
	call->has_node = dist_last_node(call->system->probe) != NULL;
	return NULL;
}

/* The first call of a thread, which remembers nothing yet. */
static enum dist_err
call_from_a_thread(void *arg)
{
	struct first_call call = { .system = arg };
	pthread_t thread;

	while (pthread_create(&thread, NULL, call_first, &call))
		assert_true(is_troubled());
	pthread_join(thread, NULL);
	assert_int_equal(call.rpc_err.re_status == RPC_SUCCESS, call.err == DIST_OK);
	assert_true(call.err || call.has_node);
	return call.err ? dist_error_set(call.err, "%s", call.text) : DIST_OK;
}

static enum dist_err
call_asynchronously(void *arg)
{
	struct system *system = arg;
	int number = next_number(), sum = 0;
	struct dist_waiter *waiter;
	enum dist_err err;

	waiter = dist_go(system->probe, probe_add_1, number, 1, &sum);
	err = waiter ? dist_waiter_wait(waiter, DIST_FOREVER) : dist_error_last();
	assert_true(!waiter || !err || *dist_waiter_error(waiter));
	check_call(number, sum, err);
	dist_waiter_free(waiter);
	return err;
}

static enum dist_err
echo(struct system *system, u_int length)
{
	static char bytes[BULK_BYTES];
	probe_bytes sent = { length, bytes }, back = { 0, NULL };
	enum dist_err err = DIST_OK;

	bytes[length - 1] = 'x';
	if (probe_echo_1(sent, &back, system->probe) != RPC_SUCCESS)
		err = dist_error_last();
	assert_true(err || (back.probe_bytes_len == length &&
	                    !memcmp(back.probe_bytes_val, bytes, length)));
	bytes[length - 1] = 0;
	xdr_free((xdrproc_t)xdr_probe_bytes, &back);
	return err;
}

static enum dist_err
call_with_much(void *arg)
{
	return echo(arg, ECHO_BYTES);
}

static enum dist_err
call_with_very_much(void *arg)
{
	return echo(arg, BULK_BYTES);
}

struct queued {
	int number, sum;
};

/* Takes all that is in @queue; the first error. */
static enum dist_err
empty_queue(struct dist_queue *queue)
{
	struct dist_waiter *waiter;
	enum dist_err err = DIST_OK, one;

	while ((waiter = dist_queue_take(queue, PATIENCE_MS))) {
		const struct queued *queued = dist_waiter_tag(waiter);

		one = dist_waiter_wait(waiter, 0);
		assert_int_not_equal(one, DIST_ETIMEDOUT);
		check_call(queued->number, queued->sum, one);
		err = err ? err : one;
		dist_waiter_free(waiter);
	}
	assert_int_equal(dist_queue_length(queue), 0);
	return err;
}

static enum dist_err
call_by_queue(void *arg)
{
	struct system *system = arg;
	struct dist_queue *queue;
	struct dist_waiter *waiter;
	enum dist_err err, one = DIST_OK;
	struct queued calls[40];

	err = dist_queue_new(&queue);
	if (err)
		return err;
	for (unsigned i = 0; i < DIST_ARRAY_SIZE(calls); i++) {
		calls[i].number = next_number();
		waiter = dist_go(system->probe, probe_add_1, calls[i].number, 1,
		                 &calls[i].sum);
		if (waiter)
			assert_ok(dist_queue_add(queue, waiter, &calls[i]));
		else
			one = dist_error_last();
	}
	err = empty_queue(queue);
	dist_queue_free(queue);
	return err ? err : one;
}

static enum dist_err
wait_for_any_of_many(void *arg)
{
	struct system *system = arg;
	struct dist_waiter *waiters[N_WAITERS];
	enum dist_err err = DIST_OK, one;
	int sums[N_WAITERS];
	size_t at;

	for (unsigned i = 0; i < N_WAITERS; i++) {
		waiters[i] = dist_go(system->probe, probe_add_1, next_number(), 1,
		                     &sums[i]);
		if (!waiters[i])
			err = dist_error_last();
	}
	if (!err)
		err = dist_wait_any(waiters, N_WAITERS, PATIENCE_MS, &at);
	for (unsigned i = 0; i < N_WAITERS; i++) {
		one = waiters[i] ? dist_waiter_wait(waiters[i], PATIENCE_MS) : DIST_OK;
		err = err ? err : one;
		dist_waiter_free(waiters[i]);
	}
	return err;
}

static void
note_end(struct dist_waiter *waiter, void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
	dist_waiter_free(waiter);
}

static enum dist_err
be_called_back(void *arg)
{
	struct system *system = arg;
	atomic_uint n_ended = 0;
	struct dist_waiter *waiter;
	int sum;

	waiter = dist_go(system->probe, probe_add_1, next_number(), 1, &sum);
	if (!waiter)
		return dist_error_last();
	assert_ok(dist_waiter_then(waiter, note_end, &n_ended));
	while (!atomic_load(&n_ended))
		sched_yield();
	return DIST_OK;
}

static enum dist_err
call_and_cancel(void *arg)
{
	struct system *system = arg;
	struct dist_waiter *waiter;
	int how;

	waiter = dist_go(system->probe, probe_wait_cancel_1, &how);
	if (!waiter)
		return dist_error_last();
	dist_waiter_cancel(waiter);
	assert_true(dist_waiter_done(waiter));
	dist_waiter_free(waiter);
	return DIST_OK;
}

static enum dist_err
note_node(const struct dist_node_info *info, void *arg)
{
	(void)info;
	++*(unsigned *)arg;
	return DIST_OK;
}

static enum dist_err
list_nodes(void *arg)
{
	struct system *system = arg;
	unsigned n = 0;
	enum dist_err err = dist_cluster_each_node(system->cluster, note_node, &n);

	assert_true(err || n == 1);
	return err;
}

static enum dist_err
ask_stats(void *arg)
{
	struct system *system = arg;
	struct dist_stats *stats = NULL;
	enum dist_err err = dist_cluster_stats(&stats, system->cluster);

	if (!err) {
		dist_stats_free(stats);
		err = dist_node_stats(&stats, system->node);
	}
	if (!err)
		dist_stats_free(stats);
	return err;
}

/* --- Whole sessions ----------------------------------------------------------------- */

static void
system_open(struct system *system)
{
	counted = probe_prog_1_service;
	counted.dispatch = dispatch;
	*system = (struct system){ .master = NULL };
	insist("starting a master", start_master, system);
	insist("starting a node", start_node, system);
	insist("registering", await_registration, system);
	insist("opening a cluster", open_cluster, system);
	insist("waiting for the node", await_node, system);
	insist("creating a client", create_client, system);
}

static void
system_close(struct system *system)
{
	clnt_destroy(system->probe);
	dist_cluster_close(system->cluster);
	dist_node_stop(system->node);
	dist_master_stop(system->master);
}

void
session_whole(void *arg)
{
	struct system system;

	(void)arg;
	system_open(&system);
	insist("calling", call_synchronously, &system);
	insist("calling asynchronously", call_asynchronously, &system);
	clnt_destroy(system.probe);
	dist_cluster_close(system.cluster);
	insist("opening a cluster on the master", open_local_cluster, &system);
	insist("waiting for the node there", await_node, &system);
	insist("creating a client there", create_client, &system);
	insist("calling from there", call_synchronously, &system);
	system_close(&system);
}

void
session_calls(void *arg)
{
	struct system system = *(struct system *)arg;

	insist("creating a client", create_client, &system);
	insist("calling", call_synchronously, &system);
	insist("calling from a thread", call_from_a_thread, &system);
	insist("calling asynchronously", call_asynchronously, &system);
	insist("calling with much", call_with_much, &system);
	insist("calling with very much", call_with_very_much, &system);
	insist("waiting for any of many", wait_for_any_of_many, &system);
	insist("taking from a queue", call_by_queue, &system);
	insist("being called back", be_called_back, &system);
	insist("cancelling", call_and_cancel, &system);
	insist("listing nodes", list_nodes, &system);
	insist("asking for statistics", ask_stats, &system);
	clnt_destroy(system.probe);
}

int
session_setup(void **state)
{
	static struct system system;

	fixture_gate_reset();
	system_open(&system);
	*state = &system;
	return 0;
}

int
session_teardown(void **state)
{
	system_close(*state);
	return 0;
}
