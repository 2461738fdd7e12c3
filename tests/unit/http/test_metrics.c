/* What Prometheus, and readers of JSON, are told, from an overview that is made up. */
#include "support/check.h"

#include "host.h"
#include "metrics.h"
#include "nodes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct dist_counter counters[] = {
	{ "calls", 12 }, { "in_flight", 2 },    { "ok", 9 },
	{ "busy", 1 },   { "call_bytes", 600 }, { "reply_bytes", 400 },
	{ "inline", 5 }, { "expired", 0 },
};

/* 3 below a microsecond, 4 of two, 2 of a century. */
static const struct dist_times_bucket buckets[] = {
	{ 512, 544, 3 },
	{ 2048, 2176, 4 },
	{ UINT64_C(1) << 45, UINT64_MAX, 2 },
};

static const struct dist_times service = { .name = "service_time",
	                                   .count = 9,
	                                   .sum_ns = 1500000000,
	                                   .max_ns = UINT64_C(1) << 50,
	                                   .buckets = buckets,
	                                   .n_buckets = 3 };
static const struct dist_times *const times[] = { &service };

/* The same times as a caller tells them. */
static const struct dist_times latency = { .name = "latency",
	                                   .count = 9,
	                                   .sum_ns = 1500000000,
	                                   .max_ns = UINT64_C(1) << 50,
	                                   .buckets = buckets,
	                                   .n_buckets = 3 };
static const struct dist_times *const felt[] = { &latency };
static const struct dist_counter tries[] = {
	{ "calls", 14 }, { "ok", 9 }, { "lost", 2 }, { "not_sent", 3 }, { "retries", 5 },
};

static struct dist_procedure_stats
procedure(uint32_t program, const char *name, const char *procedure_name)
{
	return (struct dist_procedure_stats){
		.program = program,
		.version = 1,
		.procedure = 3,
		.program_name = name,
		.version_name = name ? "V1" : NULL,
		.procedure_name = procedure_name,
		.counters = { counters, sizeof(counters) / sizeof(counters[0]) },
		.times = times,
		.n_times = 1,
	};
}

static struct text text;

static int
forget(void **state)
{
	(void)state;
	text_free(&text);
	return 0;
}

/* One node "a", as often as @n_nodes, with these procedures; and the totals are that.
 */
static const char *
metrics_of(const struct dist_procedure_stats *list, size_t n, size_t n_nodes)
{
	const struct dist_procedure_stats *procedures[4];
	struct dist_node_stats node = { .procedures = procedures, .n_procedures = n };
	const struct dist_node_stats *nodes[] = { &node };
	const struct dist_stats totals = { nodes, 1 };
	struct dist_overview_node seen[2] = {
		{ .name = "a", .address = "192.0.2.1:1", .stats = &node },
		{ .name = "a", .address = "192.0.2.2:2", .stats = &node },
	};
	struct dist_overview overview = { .nodes = seen,
		                          .n_nodes = n_nodes,
		                          .n_callers_in_all = 3 };
	struct dist_procedure_stats called[4];
	const struct dist_procedure_stats *called_list[4];
	struct dist_node_stats together = { .procedures = called_list, .n_procedures = n };
	const struct dist_node_stats *together_list[] = { &together };
	const struct dist_stats callers = { together_list, 1 };
	const struct board_view view = { &overview, &totals, &callers };

	for (size_t i = 0; i < n; i++) {
		procedures[i] = &list[i];
		called[i] = list[i];
		called[i].counters = (struct dist_counters){
			tries, sizeof(tries) / sizeof(tries[0])
		};
		called[i].times = felt;
		called_list[i] = &called[i];
	}
	metrics_print(&text, &view);
	assert_false(text.failed);
	return text.data;
}

static void
assert_has(const char *all, const char *line)
{
	const char *found = strstr(all, line);

	if (!found || (found > all && found[-1] != '\n'))
		fail_msg("there is no line \"%s\" in\n%s", line, all);
}

/* --- Metrics ------------------------------------------------------------------ */

static void
test_counters_go_by_names_and_outcomes(void **state)
{
	const struct dist_procedure_stats one = procedure(7, "P", "SUM");
	const char *all = metrics_of(&one, 1, 1);

	(void)state;
	assert_has(all, "# TYPE dist_node_calls_total counter\n");
	assert_has(all, "dist_node_calls_total{node=\"a\",program=\"P\",version=\"V1\","
	                "procedure=\"SUM\",outcome=\"ok\"} 9\n");
	assert_has(all, "dist_node_calls_total{node=\"a\",program=\"P\",version=\"V1\","
	                "procedure=\"SUM\",outcome=\"busy\"} 1\n");
	assert_has(all, "dist_calls_in_flight{program=\"P\",version=\"V1\","
	                "procedure=\"SUM\"} 2\n");
	/* What never happened is not told. */
	assert_null(strstr(all, "outcome=\"expired\""));
}

static void
test_buckets_are_cumulative_and_end_with_all(void **state)
{
	const struct dist_procedure_stats one = procedure(7, "P", "SUM");
	const char *all = metrics_of(&one, 1, 1);

	(void)state;
#define BUCKET \
	"dist_service_time_seconds_bucket{program=\"P\",version=\"V1\"," \
	"procedure=\"SUM\",le="
	assert_has(all, "# TYPE dist_service_time_seconds histogram\n");
	assert_has(all, BUCKET "\"1.024e-06\"} 3\n");
	assert_has(all, BUCKET "\"2.048e-06\"} 3\n");
	assert_has(all, BUCKET "\"4.096e-06\"} 7\n");
	assert_has(all, BUCKET "\"68.719476736\"} 7\n");
	assert_has(all, BUCKET "\"+Inf\"} 9\n");
	assert_has(all, "dist_service_time_seconds_sum{program=\"P\",version=\"V1\","
	                "procedure=\"SUM\"} 1.5\n");
	assert_has(all, "dist_service_time_seconds_count{program=\"P\",version=\"V1\","
	                "procedure=\"SUM\"} 9\n");
}

static void
test_callers_tell_what_nodes_cannot_know(void **state)
{
	const struct dist_procedure_stats one = procedure(7, "P", "SUM");
	const char *all = metrics_of(&one, 1, 1);

	(void)state;
#define OF_SUM "{program=\"P\",version=\"V1\",procedure=\"SUM\""
	assert_has(all, "dist_callers 3\n");
	assert_has(all, "dist_caller_calls_total" OF_SUM ",outcome=\"ok\"} 9\n");
	assert_has(all, "dist_caller_calls_total" OF_SUM ",outcome=\"lost\"} 2\n");
	assert_has(all, "dist_caller_calls_total" OF_SUM ",outcome=\"not_sent\"} 3\n");
	assert_has(all, "dist_caller_retries_total" OF_SUM "} 5\n");
	assert_has(all, "# TYPE dist_caller_latency_seconds histogram\n");
	assert_has(all, "dist_caller_latency_seconds_bucket" OF_SUM ",le=\"4.096e-06\"} 7\n");
	assert_has(all, "dist_caller_latency_seconds_count" OF_SUM "} 9\n");
}

static void
test_numbers_stand_for_names_that_are_not_known(void **state)
{
	const struct dist_procedure_stats one = procedure(0x20000001, NULL, NULL);

	(void)state;
	assert_has(metrics_of(&one, 1, 1),
	           "dist_calls_in_flight{program=\"0x20000001\",version=\"1\","
	           "procedure=\"3\"} 2\n");
}

/* Two lines of the same labels would make the whole answer worthless. */
static void
test_no_two_lines_have_the_same_labels(void **state)
{
	const struct dist_procedure_stats two[] = { procedure(7, "P", "SUM"),
		                                    procedure(8, "P", "SUM") };
	const char *all = metrics_of(two, 2, 2);

	(void)state;
	assert_has(all, "dist_calls_in_flight{program=\"P (0x00000007)\",version=\"V1 "
	                "(1)\",procedure=\"SUM (3)\"} 2\n");
	assert_has(all, "dist_calls_in_flight{program=\"P (0x00000008)\",version=\"V1 "
	                "(1)\",procedure=\"SUM (3)\"} 2\n");
	assert_has(all, "dist_node_up{node=\"a (192.0.2.1:1)\"} 1\n");
	assert_has(all, "dist_node_up{node=\"a (192.0.2.2:2)\"} 1\n");
}

static void
test_labels_are_quoted_whatever_a_name_is(void **state)
{
	const struct dist_procedure_stats one =
		procedure(7, "a\"b\\c\nd\xff\xc3\xa4", "SUM");

	(void)state;
	assert_has(
		metrics_of(&one, 1, 1),
		"dist_calls_in_flight{program=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa4\","
		"version=\"V1\",procedure=\"SUM\"} 2\n");
}

static void
test_the_process_tells_of_itself(void **state)
{
	const char *all = metrics_of(NULL, 0, 0);

	(void)state;
	assert_has(all, "# TYPE process_cpu_seconds_total counter\n");
	assert_has(all, "# TYPE process_resident_memory_bytes gauge\n");
	assert_true(strtod(strstr(all, "\nprocess_resident_memory_bytes ") +
	                           strlen("\nprocess_resident_memory_bytes "),
	                   NULL) > 100000);
	assert_true(strtod(strstr(all, "\nprocess_start_time_seconds ") +
	                           strlen("\nprocess_start_time_seconds "),
	                   NULL) > 1e9);
	assert_true(strtod(strstr(all, "\nprocess_open_fds ") +
	                           strlen("\nprocess_open_fds "),
	                   NULL) >= 3);
}

/* --- JSON --------------------------------------------------------------------- */

static void
test_strings_of_json_are_json_whatever_they_are(void **state)
{
	(void)state;
	text_json(&text, "a\"\\\n\x01/\xc3\xa4\xed\xa0\x80\xf0\x9f\x98\x80\xc3");
	assert_string_equal(text.data,
	                    "\"a\\\"\\\\\\u000a\\u0001/\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd"
	                    "\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\"");
	text_free(&text);
	text_json(&text, NULL);
	assert_string_equal(text.data, "null");
}

static void
test_long_texts_come_out_whole(void **state)
{
	char word[1001];

	(void)state;
	memset(word, 'x', 1000);
	word[1000] = '\0';
	for (unsigned i = 0; i < 100; i++)
		text_print(&text, "%s%u", word, i % 10);
	assert_int_equal(text.length, 100100);
	assert_int_equal(strlen(text.data), 100100);
	assert_memory_equal(text.data + 99099, word, 1000);
}

/* --- Hosts -------------------------------------------------------------------- */

static void
test_only_names_of_this_host_are_answered(void **state)
{
	static const char *const names[] = { "board.example" };
	static const char *const ours[] = {
		NULL,         "127.0.0.1",          "127.0.0.1:9649", "[::1]:9649",
		"[::1]",      "192.0.2.7:80",       "localhost",      "LOCALHOST:9649",
		"localhost.", "board.example:9649", "Board.Example",  "a.localhost",
	};
	static const char *const foreign[] = {
		"evil.example",
		"evil.example:9649",
		"localhost.evil.example",
		"127.0.0.1.evil.example",
		"evillocalhost",
		"",
		":9649",
		"[",
		"[]:1",
	};
	char own[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!host_is_ours(ours[i], names, 1))
			fail_msg("%s is refused", ours[i]);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (host_is_ours(foreign[i], names, 1))
			fail_msg("%s is taken", foreign[i]);
	assert_false(host_is_ours("board.example", NULL, 0));
	assert_int_equal(gethostname(own, sizeof(own) - 1), 0);
	assert_true(host_is_ours(own, NULL, 0));
}

#define TEXT_TEST(test) cmocka_unit_test_teardown(test, forget)

static const struct CMUnitTest tests[] = {
	TEXT_TEST(test_counters_go_by_names_and_outcomes),
	TEXT_TEST(test_buckets_are_cumulative_and_end_with_all),
	TEXT_TEST(test_callers_tell_what_nodes_cannot_know),
	TEXT_TEST(test_numbers_stand_for_names_that_are_not_known),
	TEXT_TEST(test_no_two_lines_have_the_same_labels),
	TEXT_TEST(test_labels_are_quoted_whatever_a_name_is),
	TEXT_TEST(test_the_process_tells_of_itself),
	TEXT_TEST(test_strings_of_json_are_json_whatever_they_are),
	TEXT_TEST(test_long_texts_come_out_whole),
	TEXT_TEST(test_only_names_of_this_host_are_answered),
};

CHECK_MAIN(tests)
