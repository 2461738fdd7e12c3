/*
 * What a cluster and a node count of the same calls, and what STATS tells of them: a
 * master, a node and a cluster in this process, with a call for each way to end.
 */
#include "server/fixture.h"

#include <arpa/inet.h>
#include <dist/dist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/version.h"
#include "idl/node.h"

struct fixture {
	struct dist_master *master;
	struct dist_node *node;
	struct dist_cluster *cluster;
	CLIENT *probe;
	char address[64]; /* of the node */
};

/* One worker, and room for one call that waits. */
static int
setup(void **state)
{
	const struct dist_service *services[] = { &probe_prog_1_service,
		                                  &probe_prog_3_service, NULL };
	struct dist_master_options for_master = { .listen = "127.0.0.1:0",
		                                  .no_rpcbind = true };
	struct dist_node_options for_node = { .listen = "127.0.0.1:0",
		                              .name = "counted",
		                              .workers = 1,
		                              .queue = 1,
		                              .no_rpcbind = true };
	struct fixture *f = calloc(1, sizeof(*f));
	char master[64];

	fixture_gate_reset();
	assert_ok(dist_master_start(&f->master, &for_master));
	snprintf(master, sizeof(master), "127.0.0.1:%u", dist_master_port(f->master));
	for_node.masters = master;
	assert_ok(dist_node_start(&f->node, services, &for_node));
	snprintf(f->address, sizeof(f->address), "127.0.0.1:%u",
	         dist_node_port(f->node));
	assert_ok(dist_cluster_open(&f->cluster, master, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(f->cluster, PROBE_PROG, PROBE_V1, 1, 20000));
	f->probe = dist_client_create(f->cluster, PROBE_PROG, PROBE_V1);
	assert_non_null(f->probe);
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
	dist_node_stop(f->node);
	dist_master_stop(f->master);
	free(f);
	return 0;
}

/* --- Looking --------------------------------------------------------------------- */

static const struct dist_procedure_stats *
find(const struct dist_stats *stats, uint32_t proc)
{
	for (size_t i = 0; i < stats->n_nodes; i++) {
		const struct dist_node_stats *node = stats->nodes[i];

		for (size_t j = 0; j < node->n_procedures; j++) {
			if (node->procedures[j]->program == PROBE_PROG &&
			    node->procedures[j]->version == PROBE_V1 &&
			    node->procedures[j]->procedure == proc)
				return node->procedures[j];
		}
	}
	return NULL;
}

static uint64_t
value(const struct dist_stats *stats, uint32_t proc, const char *name)
{
	const struct dist_procedure_stats *found = find(stats, proc);

	return found ? dist_counters_value(&found->counters, name) : 0;
}

static struct dist_stats *
of_node(struct fixture *f)
{
	struct dist_stats *stats;

	assert_ok(dist_node_stats(&stats, f->node));
	assert_int_equal(stats->n_nodes, 1);
	return stats;
}

static struct dist_stats *
of_cluster(struct dist_cluster *cluster)
{
	struct dist_stats *stats;

	assert_ok(dist_cluster_stats(&stats, cluster));
	return stats;
}

/* What is to be counted, soon: whoever reads a batch of replies counts it at its end.
 */
struct expected {
	struct fixture *f;
	struct dist_cluster *cluster;
	bool on_node;
	uint32_t proc;
	const char *name;
	uint64_t n;
};

static bool
is_counted(void *arg)
{
	const struct expected *expected = arg;
	struct dist_stats *stats = expected->on_node ? of_node(expected->f)
	                                             : of_cluster(expected->cluster);
	uint64_t n = value(stats, expected->proc, expected->name);

	dist_stats_free(stats);
	return n == expected->n;
}

static void
expect(struct fixture *f, uint32_t proc, const char *name, uint64_t on_cluster,
       uint64_t on_node)
{
	struct expected expected = { f, f->cluster, false, proc, name, on_cluster };

	fixture_until(is_counted, &expected);
	expected.on_node = true;
	expected.n = on_node;
	/* Of what it does not know the node keeps no numbers. */
	expected.proc = proc == 99 ? UINT32_MAX : proc;
	fixture_until(is_counted, &expected);
}

/* --- Calls ------------------------------------------------------------------------ */

static void
call_each_way(struct fixture *f)
{
	static const struct timeval unused = { 25, 0 };
	probe_bytes bytes = { 0, NULL };
	int sum;

	/* Enough that it is run by the thread that reads in the end. */
	for (int i = 0; i < 50; i++) {
		assert_int_equal(probe_add_1(i, 2, &sum, f->probe), RPC_SUCCESS);
		assert_int_equal(sum, i + 2);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(probe_refuse_1(1, &bytes, f->probe), RPC_SYSTEMERROR);
	for (int i = 0; i < 2; i++)
		assert_int_equal(clnt_call(f->probe, PROBE_ADD, (xdrproc_t)xdr_void,
		                           NULL, (xdrproc_t)xdr_int, (char *)&sum,
		                           unused),
		                 RPC_CANTDECODEARGS);
	for (int i = 0; i < 4; i++)
		assert_int_equal(clnt_call(f->probe, 99, (xdrproc_t)xdr_void, NULL,
		                           (xdrproc_t)xdr_void, NULL, unused),
		                 RPC_PROCUNAVAIL);
}

static void
test_both_sides_count_the_same(void **state)
{
	static const char *const names[] = { "ok",           "garbage_args",
		                             "system_error", "no_procedure",
		                             "call_bytes",   "reply_bytes" };
	struct fixture *f = *state;
	struct dist_stats *cluster, *node;

	call_each_way(f);
	expect(f, PROBE_ADD, "calls", 52, 52);
	expect(f, PROBE_ADD, "ok", 50, 50);
	expect(f, PROBE_ADD, "garbage_args", 2, 2);
	expect(f, PROBE_REFUSE, "system_error", 3, 3);
	expect(f, 99, "no_procedure", 4, 4);
	expect(f, PROBE_ADD, "in_flight", 0, 0);

	cluster = of_cluster(f->cluster);
	node = of_node(f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(value(cluster, PROBE_ADD, names[i]),
		                 value(node, PROBE_ADD, names[i]));
		assert_int_equal(value(cluster, PROBE_REFUSE, names[i]),
		                 value(node, PROBE_REFUSE, names[i]));
	}
	/* Mark, header and two numbers; mark, header and one: 11 and 7 words, and
	 * DIST_META in two more of each. */
	assert_int_equal(value(node, PROBE_ADD, "reply_bytes"),
	                 50 * 4 * (1 + 6 + 2 + 1));
	assert_int_equal(value(cluster, PROBE_ADD, "retries"), 0);
	assert_string_equal(cluster->nodes[0]->name, "counted");
	assert_string_equal(cluster->nodes[0]->address, f->address);
	assert_string_equal(node->nodes[0]->name, "counted");
	assert_string_equal(node->nodes[0]->address, f->address);
	assert_memory_equal(node->nodes[0]->instance, cluster->nodes[0]->instance, 16);
	dist_stats_free(cluster);
	dist_stats_free(node);
}

static void
test_a_node_knows_the_names_and_the_times(void **state)
{
	struct fixture *f = *state;
	const struct dist_procedure_stats *add;
	const struct dist_times *queue, *service, *latency;
	struct dist_stats *cluster, *node;

	call_each_way(f);
	expect(f, PROBE_ADD, "ok", 50, 50);
	expect(f, PROBE_ADD, "garbage_args", 2, 2);
	cluster = of_cluster(f->cluster);
	node = of_node(f);
	add = find(node, PROBE_ADD);
	assert_string_equal(add->program_name, "PROBE_PROG");
	assert_string_equal(add->version_name, "PROBE_V1");
	assert_string_equal(add->procedure_name, "PROBE_ADD");
	assert_null(find(node, UINT32_MAX)->procedure_name);
	/* How many were short enough for that is up to the machine. */
	assert_true(value(node, PROBE_ADD, "inline") <= 52);

	queue = dist_times_find(add, "queue_time");
	service = dist_times_find(add, "service_time");
	latency = dist_times_find(find(cluster, PROBE_ADD), "latency");
	assert_int_equal(queue->count, 52);
	assert_int_equal(service->count, 52);
	/* One after the other, so each is timed. */
	assert_int_equal(latency->count, 50);
	assert_true(dist_times_percentile(latency, 50) > 0);
	assert_true(dist_times_percentile(latency, 50) <= latency->max_ns);
	assert_int_equal(dist_times_percentile(latency, 100), latency->max_ns);
	assert_true(latency->sum_ns >= latency->max_ns);
	assert_int_equal(dist_times_percentile(NULL, 50), 0);
	assert_null(dist_times_find(add, "no such times"));
	dist_stats_free(cluster);
	dist_stats_free(node);
}

static void
assert_same_counters(const struct dist_counters *a, const struct dist_counters *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(a->list[i].name, b->list[i].name);
		assert_int_equal(a->list[i].value, b->list[i].value);
	}
}

static void
assert_same_times(const struct dist_times *a, const struct dist_times *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->sum_ns, b->sum_ns);
	assert_int_equal(a->max_ns, b->max_ns);
	assert_int_equal(a->n_buckets, b->n_buckets);
	assert_memory_equal(a->buckets, b->buckets, a->n_buckets * sizeof(*a->buckets));
}

static void
test_stats_over_the_wire_are_those_of_the_node(void **state)
{
	struct fixture *f = *state;
	struct dist_stats *told, *node;
	size_t n = 0;

	call_each_way(f);
	expect(f, PROBE_ADD, "ok", 50, 50);
	expect(f, PROBE_ADD, "garbage_args", 2, 2);
	expect(f, PROBE_REFUSE, "system_error", 3, 3);
	expect(f, 99, "no_procedure", 4, 4);
	assert_ok(dist_stats_fetch(&told, f->address, 20000));
	node = of_node(f);
	assert_int_equal(told->n_nodes, 1);
	assert_string_equal(told->nodes[0]->address, f->address);
	assert_memory_equal(told->nodes[0]->instance, node->nodes[0]->instance, 16);
	assert_int_equal(dist_counters_value(&told->nodes[0]->counters, "capacity"), 1);
	for (size_t i = 0; i < told->nodes[0]->n_procedures; i++) {
		const struct dist_procedure_stats *a = told->nodes[0]->procedures[i],
						  *b;

		if (a->program != PROBE_PROG)
			continue; /* it was asked meanwhile */
		b = find(node, a->procedure);
		assert_non_null(b);
		if (a->procedure_name)
			assert_string_equal(a->procedure_name, b->procedure_name);
		assert_same_counters(&a->counters, &b->counters);
		assert_int_equal(a->n_times, b->n_times);
		for (size_t j = 0; j < a->n_times; j++)
			assert_same_times(a->times[j], b->times[j]);
		n++;
	}
	assert_int_equal(n, 3);
	dist_stats_free(told);
	dist_stats_free(node);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For who wants to know whether the two ends differ. */
static void
test_a_node_tells_its_clock_and_its_version(void **state)
{
	struct fixture *f = *state;
	uint64_t before_ms = now_ms(), clock_ms;
	struct dist_stats *told;

	assert_ok(dist_stats_fetch(&told, f->address, 20000));
	clock_ms = dist_counters_value(&told->nodes[0]->counters, "clock_ms");
	assert_in_range(clock_ms, before_ms, now_ms());
	assert_int_equal(dist_counters_value(&told->nodes[0]->counters, "version"),
	                 DIST_VERSION_NUMBER);
	dist_stats_free(told);
}

static uint64_t
cpu_us_of_this_process(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
test_a_node_tells_the_cpu_time_of_its_process(void **state)
{
	struct fixture *f = *state;
	uint64_t before = cpu_us_of_this_process(), told;
	struct dist_stats *stats;

	assert_ok(dist_stats_fetch(&stats, f->address, 20000));
	told = dist_counters_value(&stats->nodes[0]->counters, "user_cpu_us") +
	       dist_counters_value(&stats->nodes[0]->counters, "system_cpu_us");
	assert_in_range(told, before, cpu_us_of_this_process());
	dist_stats_free(stats);
}

static struct dist_waiter *
hold(CLIENT *probe, int *ret)
{
	return dist_go(probe, probe_hold_1, 1, ret);
}

static bool
node_knows_the_cancel(void *arg)
{
	struct dist_stats *stats = of_node(arg);
	const struct dist_node_stats *node = stats->nodes[0];
	uint64_t n = 0;

	for (size_t i = 0; i < node->n_procedures; i++) {
		if (node->procedures[i]->program == DIST_NODE &&
		    node->procedures[i]->procedure == DIST_NODE_CANCEL)
			n = dist_counters_value(&node->procedures[i]->counters, "ok");
	}
	dist_stats_free(stats);
	return n == 1;
}

/* One runs, one waits, and one too many is told so; the one that waits is given up. */
static void
test_busy_and_given_up_calls_count(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options hurried = { .timeout_ms = 1000 };
	CLIENT *probe =
		dist_client_create_with(f->cluster, PROBE_PROG, PROBE_V1, &hurried);
	struct dist_waiter *running, *queued, *refused;
	int results[3];

	running = hold(f->probe, &results[0]);
	assert_int_equal(dist_waiter_wait(running, 0), DIST_ETIMEDOUT);
	fixture_gate_wait(1);
	expect(f, PROBE_HOLD, "in_flight", 0, 1);
	queued = hold(f->probe, &results[1]);
	assert_int_equal(dist_waiter_wait(queued, 0), DIST_ETIMEDOUT);
	expect(f, PROBE_HOLD, "in_flight", 0, 2);
	refused = hold(f->probe, &results[2]);
	/* Told so before dist_go() is back, it gives no waiter. */
	if (refused)
		assert_int_equal(dist_waiter_wait(refused, DIST_FOREVER), DIST_EBUSY);
	else
		assert_int_equal(dist_error_last(), DIST_EBUSY);
	expect(f, PROBE_HOLD, "busy", 1, 1);
	dist_waiter_cancel(queued);
	expect(f, PROBE_HOLD, "cancelled", 1, 0);
	fixture_until(node_knows_the_cancel, f);

	fixture_gate_open();
	assert_ok(dist_waiter_wait(running, DIST_FOREVER));
	expect(f, PROBE_HOLD, "cancelled", 1, 1);
	expect(f, PROBE_HOLD, "ok", 1, 1);
	expect(f, PROBE_HOLD, "calls", 3, 3);
	dist_waiter_free(running);
	dist_waiter_free(queued);
	dist_waiter_free(refused);

	/* The caller's deadline passes while the procedure runs, which ends all the same. */
	fixture_gate_reset();
	assert_int_equal(probe_hold_1(1, &results[0], probe), RPC_TIMEDOUT);
	expect(f, PROBE_HOLD, "expired", 1, 0);
	fixture_gate_open();
	expect(f, PROBE_HOLD, "ok", 1, 2);
	clnt_destroy(probe);
}

static bool
has_late(void *arg)
{
	struct dist_stats *stats = of_cluster(arg);
	uint64_t late = dist_counters_value(&stats->nodes[0]->counters, "late");

	dist_stats_free(stats);
	return late == 1;
}

static void
test_a_late_reply_counts_for_its_node(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	int result;

	waiter = hold(f->probe, &result);
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	fixture_gate_wait(1);
	dist_waiter_cancel(waiter);
	dist_waiter_free(waiter);
	fixture_gate_open();
	fixture_until(has_late, f->cluster);
	expect(f, PROBE_HOLD, "ok", 0, 1);
	expect(f, PROBE_HOLD, "cancelled", 1, 0);
}

static void
test_a_deferred_call_is_in_flight_until_it_is_answered(void **state)
{
	static const int answer = 7;
	struct fixture *f = *state;
	struct dist_deferred *deferred[2];
	struct dist_waiter *waiters[2];
	int results[2];

	for (int i = 0; i < 2; i++) {
		waiters[i] = dist_go(f->probe, probe_defer_1, 1, &results[i]);
		assert_int_equal(dist_waiter_wait(waiters[i], 0), DIST_ETIMEDOUT);
		deferred[i] = fixture_deferred();
	}
	expect(f, PROBE_DEFER, "calls", 0, 2);
	expect(f, PROBE_DEFER, "in_flight", 0, 2);
	assert_ok(dist_deferred_reply(deferred[0], (xdrproc_t)xdr_int, &answer));
	expect(f, PROBE_DEFER, "in_flight", 0, 1);
	dist_deferred_fail(deferred[1]);
	expect(f, PROBE_DEFER, "in_flight", 0, 0);
	expect(f, PROBE_DEFER, "ok", 1, 1);
	expect(f, PROBE_DEFER, "system_error", 1, 1);
	for (int i = 0; i < 2; i++) {
		(void)!dist_waiter_wait(waiters[i], DIST_FOREVER);
		dist_waiter_free(waiters[i]);
	}
}

/* By its address, since masters list it no more. */
static void
test_a_draining_node_counts_whom_it_sends_away(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster_options fixed = { .servers = f->address };
	struct dist_cluster *cluster;
	struct expected expected = { .f = f, .proc = PROBE_ADD, .n = 1 };
	CLIENT *probe, *other;
	int sum;

	assert_ok(dist_cluster_open(&cluster, NULL, &fixed));
	probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	other = dist_client_create(cluster, PROBE_PROG, 2);
	assert_int_equal(probe_add_1(1, 2, &sum, other), RPC_PROGVERSMISMATCH);
	assert_int_equal(probe_add_1(1, 2, &sum, probe), RPC_SUCCESS);
	assert_ok(dist_node_drain(f->node, 20000));
	/* A fixed server is not known to tell why it did not run a call. */
	assert_int_equal(probe_add_1(1, 2, &sum, probe), RPC_SYSTEMERROR);

	expected.cluster = cluster;
	expected.name = "system_error";
	fixture_until(is_counted, &expected);
	expected.name = "draining";
	expected.on_node = true;
	fixture_until(is_counted, &expected);
	clnt_destroy(probe);
	clnt_destroy(other);
	dist_cluster_close(cluster);
}

/* --- Where nobody answers --------------------------------------------------------- */

static void
close_the_next_one(int listener)
{
	char bytes[256];
	int fd = accept(listener, NULL, NULL);

	assert_true(recv(fd, bytes, sizeof(bytes), 0) > 0);
	close(fd);
}

static void
test_lost_and_unsent_calls_count(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), sum;
	struct dist_cluster_options fixed = { 0 };
	struct dist_cluster *cluster;
	struct expected expected = { .proc = PROBE_ADD };
	struct dist_waiter *waiter;
	char server[64];
	CLIENT *probe;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(address.sin_port));
	fixed.servers = server;
	assert_ok(dist_cluster_open(&cluster, NULL, &fixed));
	probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);

	waiter = dist_go(probe, probe_add_1, 1, 2, &sum);
	close_the_next_one(listener);
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECONNRESET);
	dist_waiter_free(waiter);
	close(listener);
	assert_int_equal(probe_add_1(1, 2, &sum, probe), RPC_CANTSEND);

	expected.cluster = cluster;
	expected.name = "lost";
	expected.n = 1;
	fixture_until(is_counted, &expected);
	expected.name = "not_sent";
	fixture_until(is_counted, &expected);
	expected.name = "calls";
	expected.n = 2;
	fixture_until(is_counted, &expected);
	clnt_destroy(probe);
	dist_cluster_close(cluster);
}

static void
test_fetch_says_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct dist_stats *stats = NULL;
	char master[64];

	assert_int_equal(dist_stats_fetch(&stats, "127.0.0.1", 1000), DIST_EADDRESS);
	assert_int_equal(dist_stats_fetch(&stats, "not an address", 1000),
	                 DIST_EADDRESS);
	assert_int_equal(dist_stats_fetch(&stats, "127.0.0.1:1", 20000), DIST_ECONNECT);
	assert_null(stats);
	/* A master tells too. */
	snprintf(master, sizeof(master), "127.0.0.1:%u", dist_master_port(f->master));
	assert_ok(dist_stats_fetch(&stats, master, 20000));
	assert_true(dist_counters_value(&stats->nodes[0]->counters, "calls") > 0);
	dist_stats_free(stats);
	dist_stats_free(NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_both_sides_count_the_same),
	TEST(test_a_node_knows_the_names_and_the_times),
	TEST(test_stats_over_the_wire_are_those_of_the_node),
	TEST(test_a_node_tells_its_clock_and_its_version),
	TEST(test_a_node_tells_the_cpu_time_of_its_process),
	TEST(test_busy_and_given_up_calls_count),
	TEST(test_a_late_reply_counts_for_its_node),
	TEST(test_a_deferred_call_is_in_flight_until_it_is_answered),
	TEST(test_a_draining_node_counts_whom_it_sends_away),
	cmocka_unit_test(test_lost_and_unsent_calls_count),
	TEST(test_fetch_says_what_is_wrong),
};

CHECK_MAIN(tests)
