/* What all nodes came to, and what one came to of late, from answers that are made up.
 */
#include "master/recent.h"
#include "master/totals.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define PROG 0x20000099

/* One node's answer, of one procedure. */
struct answer {
	struct dist_counter counters[3];
	struct dist_times_bucket buckets[2];
	struct dist_times times;
	const struct dist_times *list[1];
	struct dist_procedure_stats procedure;
	const struct dist_procedure_stats *procedures[1];
	struct dist_node_stats node;
};

/* @calls of which @in_flight go on and @failed failed; @slow lasted a millisecond, and
 * the rest a microsecond. */
static const struct dist_node_stats *
answer(struct answer *it, uint64_t calls, uint64_t in_flight, uint64_t failed,
       uint64_t slow)
{
	uint64_t fast = calls - in_flight - failed - slow;

	*it = (struct answer){
		.counters = { { "calls", calls },
		              { "in_flight", in_flight },
		              { "ok", calls - in_flight - failed } },
		.buckets = { { 1024, 1088, fast }, { 983040, 1048576, slow } },
	};
	it->times = (struct dist_times){ .name = "service_time",
		                         .count = fast + slow,
		                         .sum_ns = fast * 1050 + slow * 1000000,
		                         .max_ns = slow ? 1000000 : 1050,
		                         .buckets = it->buckets,
		                         .n_buckets = 2 };
	it->list[0] = &it->times;
	it->procedure = (struct dist_procedure_stats){ .program = PROG,
		                                       .version = 1,
		                                       .procedure = 2,
		                                       .program_name = "TRIAL_PROG",
		                                       .procedure_name = "TRIAL",
		                                       .counters = { it->counters, 3 },
		                                       .times = it->list,
		                                       .n_times = 1 };
	it->procedures[0] = &it->procedure;
	it->node = (struct dist_node_stats){ .procedures = it->procedures,
		                             .n_procedures = 1 };
	return &it->node;
}

static struct dist_totals *
totals_new(void)
{
	struct dist_totals *totals;

	assert_ok(dist_totals_new(&totals, 7));
	return totals;
}

static void
assert_total(struct dist_totals *totals, const char *name, uint64_t value)
{
	struct dist_stats *stats;

	assert_ok(dist_totals_stats(totals, DIST_TELLER_NODE, &stats));
	assert_int_equal(stats->nodes[0]->n_procedures, 1);
	assert_int_equal(
		dist_counters_value(&stats->nodes[0]->procedures[0]->counters, name),
		value);
	dist_stats_free(stats);
}

/* --- Totals ----------------------------------------------------------------------- */

static void
test_answers_of_two_nodes_add_up(void **state)
{
	struct dist_totals *totals = totals_new();
	struct answer a, b;
	struct dist_stats *stats;
	const struct dist_procedure_stats *sum;

	(void)state;
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&a, 100, 2, 1, 10), NULL);
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&b, 50, 1, 0, 0), NULL);
	assert_ok(dist_totals_stats(totals, DIST_TELLER_NODE, &stats));
	assert_int_equal(stats->nodes[0]->n_procedures, 1);
	sum = stats->nodes[0]->procedures[0];
	assert_string_equal(sum->program_name, "TRIAL_PROG");
	assert_string_equal(sum->procedure_name, "TRIAL");
	assert_null(sum->version_name);
	assert_int_equal(dist_counters_value(&sum->counters, "calls"), 150);
	assert_int_equal(dist_counters_value(&sum->counters, "in_flight"), 3);
	assert_int_equal(sum->times[0]->count, 146);
	assert_int_equal(sum->times[0]->sum_ns, 136 * 1050 + 10 * 1000000);
	assert_int_equal(dist_times_percentile(sum->times[0], 50), 1056);
	dist_stats_free(stats);
	dist_totals_free(totals);
}

static void
test_only_what_is_new_in_an_answer_counts(void **state)
{
	struct dist_totals *totals = totals_new();
	struct answer before, now;

	(void)state;
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&before, 100, 2, 1, 10), NULL);
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&now, 130, 1, 1, 12),
	                &before.node);
	assert_total(totals, "calls", 130);
	assert_total(totals, "in_flight", 1);
	dist_totals_free(totals);
}

static void
test_a_node_that_leaves_takes_only_what_is_in_flight(void **state)
{
	struct dist_totals *totals = totals_new();
	struct answer it;

	(void)state;
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&it, 100, 4, 1, 10), NULL);
	dist_totals_add(totals, DIST_TELLER_NODE, NULL, &it.node);
	assert_total(totals, "calls", 100);
	assert_total(totals, "ok", 95);
	assert_total(totals, "in_flight", 0);
	dist_totals_free(totals);
}

static void
test_totals_never_fall_whatever_a_node_says(void **state)
{
	struct dist_totals *totals = totals_new();
	struct answer before, now;
	struct dist_stats *stats;

	(void)state;
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&before, 100, 0, 0, 10), NULL);
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&now, 40, 0, 0, 3),
	                &before.node);
	assert_total(totals, "calls", 100);
	assert_ok(dist_totals_stats(totals, DIST_TELLER_NODE, &stats));
	assert_int_equal(stats->nodes[0]->procedures[0]->times[0]->count, 100);
	dist_stats_free(stats);
	dist_totals_free(totals);
}

static void
test_there_are_no_more_procedures_than_that(void **state)
{
	struct dist_totals *totals = totals_new();
	const struct dist_procedure_stats *last;
	struct dist_stats *stats;
	struct answer it;

	(void)state;
	for (uint32_t i = 0; i < DIST_TOTALS_MAX + 10; i++) {
		answer(&it, 1, 0, 0, 0);
		it.procedure.procedure = i;
		it.procedure.n_times = 0;
		dist_totals_add(totals, DIST_TELLER_NODE, &it.node, NULL);
	}
	assert_ok(dist_totals_stats(totals, DIST_TELLER_NODE, &stats));
	assert_int_equal(stats->nodes[0]->n_procedures, DIST_TOTALS_MAX);
	/* The others are together the last one. */
	last = stats->nodes[0]->procedures[DIST_TOTALS_MAX - 1];
	assert_int_equal(last->program, 0);
	assert_int_equal(dist_counters_value(&last->counters, "calls"), 11);
	dist_stats_free(stats);
	dist_totals_free(totals);
}

static uint64_t
callers_total(struct dist_totals *totals, uint32_t prog, uint32_t proc,
              const char *name)
{
	struct dist_stats *stats;
	uint64_t value = 0;

	assert_ok(dist_totals_stats(totals, DIST_TELLER_CALLER, &stats));
	for (size_t i = 0; i < stats->nodes[0]->n_procedures; i++) {
		const struct dist_procedure_stats *it = stats->nodes[0]->procedures[i];

		if (it->program == prog && it->procedure == proc)
			value += dist_counters_value(&it->counters, name);
	}
	dist_stats_free(stats);
	return value;
}

/* Anybody may call himself a caller, and tell of any procedure. */
static void
test_what_nodes_know_is_not_crowded_out(void **state)
{
	struct dist_totals *totals = totals_new();
	struct answer it;

	(void)state;
	for (uint32_t i = 0; i < 2 * DIST_TOTALS_MAX; i++) {
		answer(&it, 1, 0, 0, 0);
		it.procedure.procedure = 1000 + i;
		dist_totals_add(totals, DIST_TELLER_CALLER, &it.node, NULL);
	}
	dist_totals_add(totals, DIST_TELLER_NODE, answer(&it, 5, 0, 0, 0), NULL);
	dist_totals_add(totals, DIST_TELLER_CALLER, answer(&it, 7, 0, 0, 0), NULL);
	assert_int_equal(callers_total(totals, PROG, 2, "calls"), 7);
	/* And nothing is lost. */
	assert_int_equal(callers_total(totals, 0, 0, "calls"),
	                 2 * DIST_TOTALS_MAX - DIST_TOTALS_MAX / 2);
	dist_totals_free(totals);
}

static void
assert_latencies_and_no_name(struct dist_totals *totals, uint64_t n)
{
	const struct dist_procedure_stats *procedure;
	struct dist_stats *stats;
	const struct dist_times *times;

	assert_ok(dist_totals_stats(totals, DIST_TELLER_CALLER, &stats));
	procedure = stats->nodes[0]->procedures[0];
	times = dist_times_find(procedure, "latency");
	assert_non_null(times);
	assert_int_equal(times->count, n);
	assert_null(procedure->procedure_name);
	dist_stats_free(stats);
}

static void
test_what_clusters_count_is_not_crowded_out(void **state)
{
	struct dist_totals *totals = totals_new();
	char names[64][8];
	struct dist_counter counters[64];
	struct answer it;

	(void)state;
	answer(&it, 1, 0, 0, 0);
	for (unsigned i = 0; i < 64; i++) {
		snprintf(names[i], sizeof(names[i]), "junk%u", i);
		counters[i] = (struct dist_counter){ names[i], 1 };
		it.procedure.counters = (struct dist_counters){ counters, i + 1 };
		it.times.name = names[i];
		it.procedure.procedure_name = "LIE";
		dist_totals_add(totals, DIST_TELLER_CALLER, &it.node, NULL);
	}
	answer(&it, 7, 0, 0, 0);
	it.times.name = "latency";
	dist_totals_add(totals, DIST_TELLER_CALLER, &it.node, NULL);
	assert_int_equal(callers_total(totals, PROG, 2, "calls"), 7);
	assert_int_equal(callers_total(totals, PROG, 2, "ok"), 7);
	assert_latencies_and_no_name(totals, 7);
	dist_totals_free(totals);
}

/* --- Of late ---------------------------------------------------------------------- */

static void
test_recent_is_what_came_between_two_answers(void **state)
{
	struct dist_overview_recent recent;
	struct answer before, now;

	(void)state;
	answer(&before, 1000, 0, 0, 1000);
	answer(&now, 1110, 10, 5, 1000);
	recent = dist_recent_between(&before.node, &now.node, 1000);
	assert_int_equal(recent.interval_ns, 1000);
	assert_int_equal(recent.calls, 100);
	assert_int_equal(recent.failed, 5);
	/* All slow ones were there before. */
	assert_int_equal(recent.service_p50_ns, 1056);
	assert_int_equal(recent.service_p99_ns, 1056);
}

static void
test_nothing_of_late_has_no_percentiles(void **state)
{
	struct dist_overview_recent recent;
	struct answer before, now;

	(void)state;
	answer(&before, 1000, 0, 0, 10);
	answer(&now, 1000, 0, 0, 10);
	recent = dist_recent_between(&before.node, &now.node, 1000);
	assert_int_equal(recent.calls, 0);
	assert_int_equal(recent.service_p99_ns, 0);
}

static void
test_the_frameworks_own_calls_are_not_a_nodes_work(void **state)
{
	struct dist_overview_recent recent;
	struct answer before, now;

	(void)state;
	answer(&before, 10, 0, 0, 0);
	answer(&now, 20, 0, 0, 0);
	before.procedure.program = now.procedure.program = 0x2d150002;
	recent = dist_recent_between(&before.node, &now.node, 1000);
	assert_int_equal(recent.calls, 0);
	assert_int_equal(recent.service_p50_ns, 0);
}

/* --- Percentiles since ------------------------------------------------------------ */

static void
test_percentiles_since_leave_out_what_was_before(void **state)
{
	struct answer before, now;

	(void)state;
	answer(&before, 1000, 0, 0, 900);
	answer(&now, 1100, 0, 0, 910);
	assert_int_equal(dist_times_percentile(&now.times, 50), 1000000);
	assert_int_equal(dist_times_percentile_since(&now.times, &before.times, 50),
	                 1056);
	assert_int_equal(dist_times_percentile_since(&now.times, &before.times, 99),
	                 1000000);
	assert_int_equal(dist_times_percentile_since(&now.times, NULL, 50), 1000000);
	assert_int_equal(dist_times_percentile_since(&now.times, &now.times, 50), 0);
	assert_int_equal(dist_times_percentile_since(NULL, NULL, 50), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_answers_of_two_nodes_add_up),
	cmocka_unit_test(test_only_what_is_new_in_an_answer_counts),
	cmocka_unit_test(test_a_node_that_leaves_takes_only_what_is_in_flight),
	cmocka_unit_test(test_totals_never_fall_whatever_a_node_says),
	cmocka_unit_test(test_there_are_no_more_procedures_than_that),
	cmocka_unit_test(test_what_nodes_know_is_not_crowded_out),
	cmocka_unit_test(test_what_clusters_count_is_not_crowded_out),
	cmocka_unit_test(test_recent_is_what_came_between_two_answers),
	cmocka_unit_test(test_nothing_of_late_has_no_percentiles),
	cmocka_unit_test(test_the_frameworks_own_calls_are_not_a_nodes_work),
	cmocka_unit_test(test_percentiles_since_leave_out_what_was_before),
};

CHECK_MAIN(tests)
