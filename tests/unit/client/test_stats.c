/* What a cluster counts, without a network: its tries are made up. */
#include "client/stats.h"

#include "base/histogram.h"
#include "client/cluster.h"
#include "idl/node.h"
#include "support/check.h"
#include "wire/callmsg.h"

#include <dist/stats.h>
#include <stdlib.h>
#include <string.h>

#define PROG 0x20000099
#define MARK 4 /* bytes of a record's mark */

static struct dist_cluster *cluster;
static struct dist_peer *peer;

/* Nobody listens there, and nobody is called. */
static int
begin(void **state)
{
	const struct dist_cluster_options options = { .servers = "127.0.0.1:9" };

	(void)state;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	peer = cluster->members.list[0]->peer;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	dist_cluster_close(cluster);
	return 0;
}

static struct dist_call
a_call(uint32_t proc)
{
	return (struct dist_call){ .prog = PROG,
		                   .vers = 1,
		                   .proc = proc,
		                   .n_sent = 1,
		                   .sent_bytes = 60,
		                   .sent_weight = 1 };
}

static const struct dist_reply_header success = { .stat = MSG_ACCEPTED,
	                                          .accept = SUCCESS };

static void
count_reply(const struct dist_call *call, const struct dist_reply_header *header)
{
	struct dist_tally tally;

	dist_tally_init(&tally, peer);
	dist_tally_reply(&tally, call, header, 32);
	dist_tally_flush(&tally);
}

static struct dist_stats *
take(void)
{
	struct dist_stats *stats;

	assert_ok(dist_cluster_stats(&stats, cluster));
	return stats;
}

static const struct dist_procedure_stats *
find(const struct dist_node_stats *node, uint32_t prog, uint32_t proc)
{
	for (size_t i = 0; i < node->n_procedures; i++) {
		if (node->procedures[i]->program == prog &&
		    node->procedures[i]->procedure == proc)
			return node->procedures[i];
	}
	return NULL;
}

static uint64_t
value(const struct dist_stats *stats, uint32_t proc, const char *name)
{
	const struct dist_procedure_stats *procedure;

	assert_int_equal(stats->n_nodes, 1);
	procedure = find(stats->nodes[0], PROG, proc);
	assert_non_null(procedure);
	return dist_counters_value(&procedure->counters, name);
}

static void
test_a_node_that_was_never_called_is_not_shown(void **state)
{
	struct dist_stats *stats = take();

	(void)state;
	assert_int_equal(stats->n_nodes, 0);
	dist_stats_free(stats);
}

#define ERROR(of_accept) \
	{ \
		.stat = MSG_ACCEPTED, .accept = (of_accept) \
	}
#define NOT_RUN(why) \
	{ \
		.stat = MSG_ACCEPTED, .accept = SYSTEM_ERR, .has_meta = true, \
		.meta.not_run = (why) \
	}
#define DENIED(of_reject) \
	{ \
		.stat = MSG_DENIED, .reject = (of_reject) \
	}

static void
test_each_reply_counts_as_what_it_says(void **state)
{
	static const struct {
		struct dist_reply_header header;
		const char *name;
	} rows[] = {
		{ ERROR(SUCCESS), "ok" },
		{ ERROR(PROG_UNAVAIL), "no_program" },
		{ ERROR(PROG_MISMATCH), "no_program" },
		{ ERROR(PROC_UNAVAIL), "no_procedure" },
		{ ERROR(GARBAGE_ARGS), "garbage_args" },
		{ ERROR(SYSTEM_ERR), "system_error" },
		{ NOT_RUN(DIST_RAN), "system_error" },
		{ NOT_RUN(DIST_NOT_RUN_BUSY), "busy" },
		{ NOT_RUN(DIST_NOT_RUN_DRAINING), "draining" },
		{ NOT_RUN(DIST_NOT_RUN_CANCELLED), "expired" },
		{ DENIED(AUTH_ERROR), "auth_error" },
		{ DENIED(RPC_MISMATCH), "other_error" },
	};
	struct dist_stats *stats;

	(void)state;
	for (uint32_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		struct dist_call call = a_call(i);

		count_reply(&call, &rows[i].header);
	}
	stats = take();
	for (uint32_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		assert_int_equal(value(stats, i, "calls"), 1);
		assert_int_equal(value(stats, i, rows[i].name), 1);
		assert_int_equal(value(stats, i, "call_bytes"), 60);
		assert_int_equal(value(stats, i, "reply_bytes"),
		                 i == 0 ? 32 + MARK : 0);
		assert_int_equal(value(stats, i, "retries"), 0);
	}
	dist_stats_free(stats);
}

static void
test_tries_without_a_reply_count_too(void **state)
{
	struct dist_call call = a_call(1);
	struct dist_stats *stats;

	(void)state;
	dist_stats_over(peer, &call, DIST_OUTCOME_NOT_SENT);
	call.n_sent = 2;
	dist_stats_over(peer, &call, DIST_OUTCOME_LOST);
	call.n_sent = 3;
	count_reply(&call, &success);
	dist_stats_undecodable(peer, &call);
	dist_stats_late(&peer->counts);
	dist_stats_stray(&peer->counts);
	dist_stats_stray(&peer->counts);
	dist_stats_over_budget(&peer->counts);
	stats = take();
	assert_int_equal(value(stats, 1, "calls"), 3);
	assert_int_equal(value(stats, 1, "not_sent"), 1);
	assert_int_equal(value(stats, 1, "lost"), 1);
	assert_int_equal(value(stats, 1, "ok"), 1);
	assert_int_equal(value(stats, 1, "retries"), 2);
	assert_int_equal(value(stats, 1, "undecodable"), 1);
	/* What was not sent has no bytes. */
	assert_int_equal(value(stats, 1, "call_bytes"), 2 * 60);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "late"), 1);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "stray"), 2);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "over_budget"),
	                 1);
	dist_stats_free(stats);
}

/* Procedures and durations change in the middle of it. */
static void
test_a_tally_loses_nothing(void **state)
{
	struct dist_tally tally;
	struct dist_stats *stats;
	const struct dist_times *times, *of_other;

	(void)state;
	dist_tally_init(&tally, peer);
	tally.now_ns = 100000000;
	for (uint32_t i = 0; i < 1000; i++) {
		struct dist_call call = a_call(i % 7 == 0 ? 2 : 1);

		/* Every tenth is not timed, and every fifth stands for eight. */
		call.sent_ns = i % 10 == 3 ? 0 : tally.now_ns - 1000 * (1 + i % 20);
		call.sent_weight = i % 5 == 0 ? 8 : 1;
		dist_tally_reply(&tally, &call, &success, 32);
	}
	dist_tally_flush(&tally);
	stats = take();
	assert_int_equal(value(stats, 1, "ok") + value(stats, 2, "ok"), 1000);
	assert_int_equal(value(stats, 2, "ok"), 143);
	assert_int_equal(value(stats, 1, "reply_bytes"), 857 * (32 + MARK));
	times = dist_times_find(find(stats->nodes[0], PROG, 1), "latency");
	assert_non_null(times);
	assert_int_equal(times->max_ns, 20000);
	of_other = dist_times_find(find(stats->nodes[0], PROG, 2), "latency");
	assert_non_null(of_other);
	assert_int_equal(times->count + of_other->count, 1000 - 100 + 7 * 200);
	dist_stats_free(stats);
}

static void
test_only_a_few_of_many_in_flight_are_timed(void **state)
{
	struct dist_call call = a_call(1);
	uint32_t draws = 0;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		dist_stats_sent(&call, DIST_TIMED_ALL, &draws);
		assert_true(call.sent_ns > 0);
		assert_int_equal(call.sent_weight, 1);
	}
	for (unsigned i = 0; i < 80000; i++) {
		dist_stats_sent(&call, DIST_TIMED_ALL + 1, &draws);
		n += call.sent_ns ? call.sent_weight : 0;
	}
	assert_in_range(n, 72000, 88000);
}

static void
test_too_many_procedures_count_as_one(void **state)
{
	const struct dist_procedure_stats *rest;
	struct dist_stats *stats;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		struct dist_call call = a_call(i);

		count_reply(&call, &success);
		count_reply(&call, &success);
	}
	stats = take();
	assert_int_equal(stats->nodes[0]->n_procedures, 257);
	rest = find(stats->nodes[0], 0, 0);
	assert_non_null(rest);
	assert_int_equal(dist_counters_value(&rest->counters, "ok"), 2 * (300 - 256));
	dist_stats_free(stats);
}

/* A peer that left the view, with the last reference to it. */
static void
test_what_has_gone_is_added_up(void **state)
{
	struct dist_peer *first = peer;
	struct dist_stats *stats;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const struct dist_peer_options options = { .counted = true };
		struct dist_call call = a_call(i);

		assert_ok(dist_peer_new(&peer, cluster->route.runtime, &first->address,
		                        &options));
		call.sent_ns = 1;
		count_reply(&call, &success);
		call = a_call(5);
		dist_stats_over(peer, &call, DIST_OUTCOME_LOST);
		dist_stats_late(&peer->counts);
		dist_stats_stray(&peer->counts);
		dist_stats_over_budget(&peer->counts);
		dist_peer_unref(peer);
	}
	stats = take();
	assert_int_equal(stats->n_nodes, 1);
	assert_null(stats->nodes[0]->name);
	assert_int_equal(value(stats, 5, "lost"), 2);
	assert_int_equal(value(stats, 0, "ok"), 1);
	assert_int_equal(value(stats, 1, "ok"), 1);
	assert_int_equal(
		dist_times_find(find(stats->nodes[0], PROG, 1), "latency")->count, 1);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "late"), 2);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "stray"), 2);
	assert_int_equal(dist_counters_value(&stats->nodes[0]->counters, "over_budget"),
	                 2);
	dist_stats_free(stats);
}

#define N_THREADS 4
#define N_EACH    5000

static void *
count_many(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < N_EACH; i++) {
		struct dist_call call = a_call(i % 50);

		call.sent_ns = 1;
		count_reply(&call, &success);
	}
	return NULL;
}

/* They meet new procedures at the same time, and somebody looks on. */
static void
test_threads_lose_nothing(void **state)
{
	pthread_t threads[N_THREADS];
	struct dist_stats *stats;
	uint64_t ok = 0, timed = 0;

	(void)state;
	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL),
		                 0);
	for (unsigned i = 0; i < 20; i++)
		dist_stats_free(take());
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	stats = take();
	assert_int_equal(stats->nodes[0]->n_procedures, 50);
	for (uint32_t i = 0; i < 50; i++) {
		ok += value(stats, i, "ok");
		timed += dist_times_find(find(stats->nodes[0], PROG, i), "latency")
		                 ->count;
	}
	assert_int_equal(ok, N_THREADS * N_EACH);
	assert_int_equal(timed, N_THREADS * N_EACH);
	dist_stats_free(stats);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	TEST(test_a_node_that_was_never_called_is_not_shown),
	TEST(test_each_reply_counts_as_what_it_says),
	TEST(test_tries_without_a_reply_count_too),
	TEST(test_a_tally_loses_nothing),
	TEST(test_only_a_few_of_many_in_flight_are_timed),
	TEST(test_too_many_procedures_count_as_one),
	TEST(test_what_has_gone_is_added_up),
	TEST(test_threads_lose_nothing),
};

CHECK_MAIN(tests)
