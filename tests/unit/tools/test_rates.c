/* distctl top: what two statistics of nodes come to. */
#include "support/check.h"

#include "distctl/rates.h"
#include "idl/node.h"

#include <string.h>

#define SECOND 1000000000

/* What a node told of one procedure: calls over and waiting, ok, and runs of 1 and 2 us. */
struct told {
	struct dist_counter counters[3];
	struct dist_times_bucket buckets[2];
	struct dist_times ran;
	const struct dist_times *times[1];
	struct dist_procedure_stats procedure;
	const struct dist_procedure_stats *procedures[1];
	struct dist_counter of_node;
	struct dist_node_stats node;
};

static void
fill(struct told *told, uint32_t procedure, uint64_t calls, uint64_t in_flight,
     uint64_t ok, uint64_t n_short, uint64_t n_long)
{
	static const char *const names[] = { "ZERO", "ONE", "TWO" };

	*told = (struct told){
		.counters = { { "calls", calls },
		              { "in_flight", in_flight },
		              { "ok", ok } },
		.buckets = { { 1000, 1001, n_short }, { 2000, 2001, n_long } },
		.ran = { .name = "service_time",
		         .count = n_short + n_long,
		         .max_ns = 2000,
		         .n_buckets = 2 },
		.procedure = { .program = 0x20000001,
		               .version = 1,
		               .procedure = procedure,
		               .procedure_name = names[procedure],
		               .n_times = 1 },
		.of_node = { "queued", 7 },
		.node = { .n_procedures = 1 },
	};
	told->ran.buckets = told->buckets;
	told->times[0] = &told->ran;
	told->procedure.counters = (struct dist_counters){ told->counters, 3 };
	told->procedure.times = told->times;
	told->procedures[0] = &told->procedure;
	told->node.procedures = told->procedures;
	told->node.counters = (struct dist_counters){ &told->of_node, 1 };
}

static void
assert_rate(double rate, double wanted)
{
	assert_true(rate > wanted - 1e-9 && rate < wanted + 1e-9);
}

static void
test_rates_are_what_came_between_two_answers(void **state)
{
	struct told before, now;
	struct rates rates;

	(void)state;
	fill(&before, 1, 100, 0, 90, 90, 0);
	fill(&now, 1, 133, 3, 110, 91, 19);
	rates_init(&rates);
	rates_add(&rates, "a", "live", &before.node, &now.node, 2 * SECOND);
	rates_finish(&rates);
	assert_false(rates.failed);
	assert_int_equal(rates.nodes.n, 1);
	assert_true(rates.nodes.list[0].answered);
	assert_true(rates.nodes.list[0].measured);
	/* 30 over in 2 s, 20 of them with success. */
	assert_rate(rates.nodes.list[0].calls, 15);
	assert_rate(rates.nodes.list[0].failed, 5);
	assert_int_equal(rates.nodes.list[0].in_flight, 3);
	assert_int_equal(rates.nodes.list[0].queued, 7);
	/* One short run, 19 long ones; what ran before does not count. */
	assert_int_equal(rates.nodes.list[0].ran_p50_ns, 2000);
	assert_int_equal(rates.nodes.list[0].ran_p99_ns, 2000);
	assert_int_equal(rates.nodes.list[0].waited_p99_ns, 0);
	assert_int_equal(rates.procedures.n, 1);
	assert_string_equal(rates.procedures.list[0].name, "ONE");
	rates_fini(&rates);
}

static void
test_nodes_and_procedures_add_up(void **state)
{
	struct told a[2], b[2], c[2];
	struct rates rates;

	(void)state;
	fill(&a[0], 1, 0, 0, 0, 0, 0);
	fill(&a[1], 1, 10, 0, 10, 10, 0);
	fill(&b[0], 1, 5, 0, 5, 5, 0);
	fill(&b[1], 1, 95, 0, 95, 5, 90);
	fill(&c[0], 2, 0, 0, 0, 0, 0);
	fill(&c[1], 2, 1, 1, 0, 0, 0);
	rates_init(&rates);
	rates_add(&rates, "a", "live", &a[0].node, &a[1].node, SECOND);
	rates_add(&rates, "b", "live", &b[0].node, &b[1].node, SECOND);
	rates_add(&rates, "c", "draining", &c[0].node, &c[1].node, SECOND);
	rates_finish(&rates);
	assert_int_equal(rates.nodes.n, 3);
	assert_int_equal(rates.procedures.n, 2);
	assert_rate(rates.total.calls, 100);
	assert_int_equal(rates.total.in_flight, 1);
	assert_int_equal(rates.total.queued, 21);
	/* Ten runs were short, and ninety long. */
	assert_int_equal(rates.procedures.list[0].ran_p50_ns, 2000);
	assert_int_equal(rates.nodes.list[0].ran_p99_ns, 1000);
	assert_int_equal(rates.total.ran_p50_ns, 2000);
	rates_sort(&rates.nodes, RATES_BY_CALLS);
	assert_string_equal(rates.nodes.list[0].name, "b");
	rates_sort(&rates.nodes, RATES_BY_NAME);
	assert_string_equal(rates.nodes.list[0].name, "a");
	rates_sort(&rates.nodes, RATES_BY_IN_FLIGHT);
	assert_string_equal(rates.nodes.list[0].name, "c");
	rates_fini(&rates);
}

/* The first time, and after it started anew. */
static void
test_one_answer_alone_makes_no_rate(void **state)
{
	struct rates rates;
	struct told now;

	(void)state;
	fill(&now, 1, 1000, 2, 900, 900, 0);
	rates_init(&rates);
	rates_add(&rates, "a", "live", NULL, &now.node, SECOND);
	rates_finish(&rates);
	assert_true(rates.nodes.list[0].answered);
	assert_false(rates.nodes.list[0].measured);
	assert_false(rates.total.measured);
	assert_int_equal(rates.nodes.list[0].in_flight, 2);
	assert_int_equal(rates.nodes.list[0].ran_p50_ns, 0);
	rates_fini(&rates);
}

static void
test_a_silent_node_has_a_row_and_counts_nowhere(void **state)
{
	struct rates rates;

	(void)state;
	rates_init(&rates);
	rates_add(&rates, "a", "live", NULL, NULL, 0);
	rates_finish(&rates);
	assert_int_equal(rates.nodes.n, 1);
	assert_false(rates.nodes.list[0].answered);
	assert_false(rates.total.answered);
	rates_fini(&rates);
}

/* Asking is a call, too. */
static void
test_programs_of_ours_do_not_count(void **state)
{
	struct told before, now;
	struct rates rates;

	(void)state;
	fill(&before, 1, 1, 0, 1, 1, 0);
	fill(&now, 1, 2, 0, 2, 2, 0);
	before.procedure.program = now.procedure.program = DIST_NODE;
	rates_init(&rates);
	rates_add(&rates, "a", "live", &before.node, &now.node, SECOND);
	rates_finish(&rates);
	assert_int_equal(rates.procedures.n, 0);
	assert_rate(rates.total.calls, 0);
	assert_true(rates.total.measured);
	rates_fini(&rates);
}

/* A node that counts backwards is none of ours; no rate is below 0. */
static void
test_counters_that_fall_come_to_nothing(void **state)
{
	struct told before, now;
	struct rates rates;

	(void)state;
	fill(&before, 1, 100, 0, 100, 100, 100);
	fill(&now, 1, 3, 9, 1, 1, 1);
	rates_init(&rates);
	rates_add(&rates, "a", "live", &before.node, &now.node, SECOND);
	rates_finish(&rates);
	assert_rate(rates.nodes.list[0].calls, 0);
	assert_rate(rates.nodes.list[0].failed, 0);
	assert_int_equal(rates.nodes.list[0].ran_p99_ns, 0);
	rates_fini(&rates);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_rates_are_what_came_between_two_answers),
	cmocka_unit_test(test_nodes_and_procedures_add_up),
	cmocka_unit_test(test_one_answer_alone_makes_no_rate),
	cmocka_unit_test(test_a_silent_node_has_a_row_and_counts_nowhere),
	cmocka_unit_test(test_programs_of_ours_do_not_count),
	cmocka_unit_test(test_counters_that_fall_come_to_nothing),
};

CHECK_MAIN(tests)
