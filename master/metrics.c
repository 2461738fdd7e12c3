/*
 * All lines of one metric stand together, as the format demands, so each metric is a
 * walk over all nodes. No two lines may be of one name and the same labels: where two
 * nodes have one name they are told apart by their addresses, and two programs of one
 * name by their numbers.
 */
#include "metrics.h"

#include "history.h"
#include "names.h"

#include <stdio.h>
#include <string.h>

/* Upper ends of the buckets: 2^10 ns, some microsecond, to 2^36 ns, 69 seconds. They
 * are ends of the ranges in which nodes count, so that nothing is guessed. */
#define BUCKET_FIRST 10
#define BUCKET_LAST  36

static void
print_head(struct text *text, const char *name, const char *type, const char *help)
{
	text_print(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_value(struct text *text, uint64_t value)
{
	text_print(text, " %llu\n", (unsigned long long)value);
}

static void
print_seconds(struct text *text, uint64_t value, double per_second)
{
	text_print(text, " %.9g\n", (double)value / per_second);
}

/* --- Labels ------------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Another program or version of the node has the same names. */
static bool
is_ambiguous(const struct dist_node_stats *node, const struct dist_procedure_stats *it)
{
	for (size_t i = 0; i < node->n_procedures; i++) {
		const struct dist_procedure_stats *other = node->procedures[i];

		if ((other->program != it->program || other->version != it->version ||
		     other->procedure != it->procedure) &&
		    same_text(other->program_name, it->program_name) &&
		    same_text(other->version_name, it->version_name) &&
		    same_text(other->procedure_name, it->procedure_name))
			return true;
	}
	return false;
}

/* The name, which may be NULL, the number, or both. */
static void
print_name(struct text *text, const char *name, const char *number, bool both)
{
	char label[NAMES_MAX];

	if (!name)
		snprintf(label, sizeof(label), "%s", number);
	else if (both)
		snprintf(label, sizeof(label), "%.255s (%s)", name, number);
	else
		snprintf(label, sizeof(label), "%.255s", name);
	text_label(text, label);
}

/* program="…",version="…",procedure="…" by name, or by number where there is none. */
static void
print_procedure(struct text *text, const struct dist_node_stats *node,
                const struct dist_procedure_stats *it)
{
	bool numbers = is_ambiguous(node, it);
	char number[16], name[NAMES_MAX];

	snprintf(number, sizeof(number), "0x%08x", it->program);
	text_add(text, "program=");
	print_name(text, it->program_name, number, numbers);
	snprintf(number, sizeof(number), "%u", it->version);
	text_add(text, ",version=");
	print_name(text, it->version_name, number, numbers);
	text_add(text, ",procedure=");
	names_procedure(it->procedure, it->procedure_name, name);
	if (numbers && it->procedure_name)
		snprintf(name, sizeof(name), "%.255s (%u)", it->procedure_name,
		         it->procedure);
	text_label(text, name);
}

/* node="…" of the overview's node @i. */
static void
print_node(struct text *text, const struct dist_overview *overview, size_t i)
{
	const struct dist_overview_node *node = &overview->nodes[i];
	char both[600];
	bool twice = false;

	/* They are in the order of their names; the gone ones are not told. */
	for (size_t j = i; j-- > 0 && !strcmp(overview->nodes[j].name, node->name);)
		twice |= overview->nodes[j].state != DIST_OVERVIEW_GONE;
	for (size_t j = i + 1;
	     j < overview->n_nodes && !strcmp(overview->nodes[j].name, node->name); j++)
		twice |= overview->nodes[j].state != DIST_OVERVIEW_GONE;
	text_add(text, "node=");
	if (twice)
		snprintf(both, sizeof(both), "%s (%s)", node->name, node->address);
	text_label(text, twice ? both : node->name);
}

/* --- Of procedures ------------------------------------------------------------ */

/* Whose procedures they are: a node's, or those of all, or the master's own. */
struct whose {
	const struct dist_overview *overview; /* NULL: no node is named */
	size_t i;
	const struct dist_node_stats *stats;
};

/* @of: the counter or the times that it is made of; NULL: of several. */
typedef void print_fn(struct text *text, const char *metric, const struct whose *whose,
                      const struct dist_procedure_stats *procedure, const char *of);

static void
print_labels(struct text *text, const char *metric, const struct whose *whose,
             const struct dist_procedure_stats *procedure, const char *more,
             const char *value)
{
	text_print(text, "%s{", metric);
	if (whose->overview) {
		print_node(text, whose->overview, whose->i);
		text_add(text, ",");
	}
	print_procedure(text, whose->stats, procedure);
	if (more)
		text_print(text, ",%s=\"%s\"", more, value);
	text_add(text, "}");
}

static void
print_outcomes(struct text *text, const char *metric, const struct whose *whose,
               const struct dist_procedure_stats *procedure, const char *of)
{
	static const char *const outcomes[] = { "ok",           "busy",
		                                "draining",     "expired",
		                                "cancelled",    "garbage_args",
		                                "no_procedure", "no_program",
		                                "system_error", "auth_error",
		                                "other_error",  "lost",
		                                "not_sent" };

	(void)of;
	for (unsigned i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		uint64_t n = dist_counters_value(&procedure->counters, outcomes[i]);

		/* What never happened is told by the absence of all but success. */
		if (i > 0 && n == 0)
			continue;
		print_labels(text, metric, whose, procedure, "outcome", outcomes[i]);
		print_value(text, n);
	}
}

static void
print_counter(struct text *text, const char *metric, const struct whose *whose,
              const struct dist_procedure_stats *procedure, const char *of)
{
	print_labels(text, metric, whose, procedure, NULL, NULL);
	print_value(text, dist_counters_value(&procedure->counters, of));
}

static void
print_sum(struct text *text, const char *metric, const struct whose *whose,
          const struct dist_procedure_stats *procedure, const char *of)
{
	const struct dist_times *times = dist_times_find(procedure, of);
	char name[80];

	snprintf(name, sizeof(name), "%s_sum", metric);
	print_labels(text, name, whose, procedure, NULL, NULL);
	print_seconds(text, times ? times->sum_ns : 0, 1e9);
	snprintf(name, sizeof(name), "%s_count", metric);
	print_labels(text, name, whose, procedure, NULL, NULL);
	print_value(text, times ? times->count : 0);
}

static void
print_buckets(struct text *text, const char *metric, const struct whose *whose,
              const struct dist_procedure_stats *procedure, const char *of)
{
	const struct dist_times *times = dist_times_find(procedure, of);
	uint64_t seen = 0;
	size_t at = 0;
	char name[80], le[32];

	snprintf(name, sizeof(name), "%s_bucket", metric);
	for (unsigned power = BUCKET_FIRST; power <= BUCKET_LAST; power++) {
		while (times && at < times->n_buckets &&
		       times->buckets[at].end_ns <= UINT64_C(1) << power)
			seen += times->buckets[at++].count;
		snprintf(le, sizeof(le), "%.12g", (double)(UINT64_C(1) << power) / 1e9);
		print_labels(text, name, whose, procedure, "le", le);
		print_value(text, seen);
	}
	while (times && at < times->n_buckets)
		seen += times->buckets[at++].count;
	print_labels(text, name, whose, procedure, "le", "+Inf");
	print_value(text, seen);
	snprintf(name, sizeof(name), "%s_sum", metric);
	print_labels(text, name, whose, procedure, NULL, NULL);
	print_seconds(text, times ? times->sum_ns : 0, 1e9);
	snprintf(name, sizeof(name), "%s_count", metric);
	print_labels(text, name, whose, procedure, NULL, NULL);
	print_value(text, seen);
}

struct procedure_metric {
	const char *name, *type, *help;
	print_fn *print;
	const char *of; /* of dist/stats.h */
};

static const struct procedure_metric of_a_node[] = {
	{ "dist_node_calls_total", "counter",
	  "Calls that are over, by what became of them.", print_outcomes, NULL },
	{ "dist_node_calls_in_flight", "gauge", "Calls that wait or run now.",
	  print_counter, "in_flight" },
	{ "dist_node_inline_calls_total", "counter",
	  "Calls that were run by the thread that reads.", print_counter, "inline" },
	{ "dist_node_call_bytes_total", "counter", "Bytes of calls.", print_counter,
	  "call_bytes" },
	{ "dist_node_reply_bytes_total", "counter", "Bytes of replies with success.",
	  print_counter, "reply_bytes" },
	{ "dist_node_queue_time_seconds", "summary",
	  "From reading a call until it runs.", print_sum, "queue_time" },
	{ "dist_node_service_time_seconds", "summary", "While calls run.", print_sum,
	  "service_time" },
};

/* Of nodes that left, too: they never fall. */
static const struct procedure_metric of_all[] = {
	{ "dist_calls_total", "counter",
	  "Calls of all nodes that are over, by what became of them.", print_outcomes,
	  NULL },
	{ "dist_calls_in_flight", "gauge", "Calls that wait or run on all nodes now.",
	  print_counter, "in_flight" },
	{ "dist_call_bytes_total", "counter", "Bytes of calls, of all nodes.",
	  print_counter, "call_bytes" },
	{ "dist_reply_bytes_total", "counter",
	  "Bytes of replies with success, of all nodes.", print_counter,
	  "reply_bytes" },
	{ "dist_queue_time_seconds", "histogram",
	  "From reading a call until it runs, on all nodes.", print_buckets,
	  "queue_time" },
	{ "dist_service_time_seconds", "histogram", "While calls run, on all nodes.",
	  print_buckets, "service_time" },
};

/* As those have counted them who made the calls; also of callers that left. */
static const struct procedure_metric of_callers[] = {
	{ "dist_caller_calls_total", "counter",
	  "Tries of all callers that are over, by what became of them.", print_outcomes,
	  NULL },
	{ "dist_caller_retries_total", "counter",
	  "Tries that were not the first one of their call.", print_counter,
	  "retries" },
	{ "dist_caller_hedges_total", "counter",
	  "Tries that went out beside another one.", print_counter, "hedges" },
	{ "dist_caller_call_bytes_total", "counter", "Bytes of calls, of all callers.",
	  print_counter, "call_bytes" },
	{ "dist_caller_reply_bytes_total", "counter",
	  "Bytes of replies with success, of all callers.", print_counter,
	  "reply_bytes" },
	{ "dist_caller_latency_seconds", "histogram",
	  "From sending a call to its reply with success.", print_buckets, "latency" },
};

static const struct procedure_metric of_the_master[] = {
	{ "dist_master_calls_total", "counter",
	  "Calls to the registry that are over, by what became of them.",
	  print_outcomes, NULL },
	{ "dist_master_queue_time_seconds", "summary",
	  "From reading a call to the registry until it runs.", print_sum,
	  "queue_time" },
	{ "dist_master_service_time_seconds", "summary",
	  "While calls to the registry run.", print_sum, "service_time" },
};

static void
print_of(struct text *text, const struct procedure_metric *metric,
         const struct whose *whose)
{
	for (size_t i = 0; whose->stats && i < whose->stats->n_procedures; i++)
		metric->print(text, metric->name, whose, whose->stats->procedures[i],
		              metric->of);
}

static void
print_all_of(struct text *text, const struct procedure_metric *metrics, size_t n,
             const struct dist_node_stats *stats)
{
	const struct whose whose = { .stats = stats };

	for (size_t m = 0; m < n; m++) {
		print_head(text, metrics[m].name, metrics[m].type, metrics[m].help);
		print_of(text, &metrics[m], &whose);
	}
}

static void
print_of_nodes(struct text *text, const struct procedure_metric *metric,
               const struct dist_overview *overview)
{
	print_head(text, metric->name, metric->type, metric->help);
	for (size_t i = 0; i < overview->n_nodes; i++) {
		const struct whose node = { overview, i, overview->nodes[i].stats };

		if (overview->nodes[i].state != DIST_OVERVIEW_GONE)
			print_of(text, metric, &node);
	}
}

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void
print_procedures(struct text *text, const struct board_view *view)
{
	print_all_of(text, of_all, N_OF(of_all), view->totals->nodes[0]);
	for (size_t m = 0; m < N_OF(of_a_node); m++)
		print_of_nodes(text, &of_a_node[m], view->overview);
	print_all_of(text, of_callers, N_OF(of_callers), view->callers->nodes[0]);
	print_all_of(text, of_the_master, N_OF(of_the_master), view->overview->self);
}

/* --- Of nodes ----------------------------------------------------------------- */

struct node_metric {
	const char *name, *type, *help;
	const char *counter; /* of dist/stats.h */
	double per_unit;     /* what one of the metric's unit is in the counter's */
	const char *label;   /* NULL: none */
};

static const struct node_metric node_metrics[] = {
	{ "dist_node_running_calls", "gauge", "Procedures that run now.", "running", 1,
	  NULL },
	{ "dist_node_queued_calls", "gauge", "Calls that wait for a worker.", "queued",
	  1, NULL },
	{ "dist_node_deferred_calls", "gauge", "Calls that are answered later.",
	  "deferred", 1, NULL },
	{ "dist_node_connections", "gauge", "Connections from callers and masters.",
	  "connections", 1, NULL },
	{ "dist_node_uptime_seconds", "gauge", "How long the node has run.",
	  "uptime_ms", 1e3, NULL },
	{ "dist_node_cpu_seconds_total", "counter",
	  "CPU time of the node's process, by mode.", "user_cpu_us", 1e6,
	  "mode=\"user\"" },
	{ "dist_node_cpu_seconds_total", NULL, NULL, "system_cpu_us", 1e6,
	  "mode=\"system\"" },
	{ "dist_node_accepted_connections_total", "counter",
	  "Connections that were taken.", "accepted", 1, NULL },
	{ "dist_node_ended_connections_total", "counter",
	  "Connections that the node ended for one of its limits, by which.",
	  "turned_away", 1, "limit=\"connections\"" },
	{ "dist_node_ended_connections_total", NULL, NULL, "crowded_out", 1,
	  "limit=\"crowd\"" },
	{ "dist_node_ended_connections_total", NULL, NULL, "timed_out", 1,
	  "limit=\"time\"" },
	{ "dist_node_bad_records_total", "counter",
	  "Records that broke the protocol, and ended their connection.", "bad_records",
	  1, NULL },
	{ "dist_node_no_program_calls_total", "counter",
	  "Calls of a program or version that the node does not serve.", "no_program",
	  1, NULL },
};

static void
print_node_metric(struct text *text, const struct dist_overview *overview,
                  const struct node_metric *metric)
{
	for (size_t i = 0; i < overview->n_nodes; i++) {
		const struct dist_overview_node *node = &overview->nodes[i];

		if (node->state == DIST_OVERVIEW_GONE || !node->stats)
			continue;
		text_print(text, "%s{", metric->name);
		print_node(text, overview, i);
		if (metric->label)
			text_print(text, ",%s", metric->label);
		text_add(text, "}");
		print_seconds(
			text,
			dist_counters_value(&node->stats->counters, metric->counter),
			metric->per_unit);
	}
}

static void
print_registered(struct text *text, const struct dist_overview *overview)
{
	print_head(text, "dist_node_info", "gauge",
	           "A node that is registered; always 1.");
	for (size_t i = 0; i < overview->n_nodes; i++) {
		const struct dist_overview_node *node = &overview->nodes[i];

		if (node->state == DIST_OVERVIEW_GONE)
			continue;
		text_add(text, "dist_node_info{");
		print_node(text, overview, i);
		text_add(text, ",address=");
		text_label(text, node->address);
		text_print(text, ",state=\"%s\"} 1\n",
		           dist_overview_state_name(node->state));
	}
	print_head(text, "dist_node_up", "gauge",
	           "Whether the node answered when it was asked for its statistics.");
	for (size_t i = 0; i < overview->n_nodes; i++) {
		if (overview->nodes[i].state == DIST_OVERVIEW_GONE)
			continue;
		text_add(text, "dist_node_up{");
		print_node(text, overview, i);
		text_print(text, "} %d\n",
		           overview->nodes[i].stats && !overview->nodes[i].stats_error);
	}
	print_head(text, "dist_node_capacity_calls", "gauge",
	           "Procedures that the node runs at once.");
	for (size_t i = 0; i < overview->n_nodes; i++) {
		if (overview->nodes[i].state == DIST_OVERVIEW_GONE)
			continue;
		text_add(text, "dist_node_capacity_calls{");
		print_node(text, overview, i);
		text_print(text, "} %u\n", overview->nodes[i].capacity);
	}
}

static void
print_nodes(struct text *text, const struct dist_overview *overview)
{
	unsigned n[3] = { 0 };

	for (size_t i = 0; i < overview->n_nodes; i++)
		n[overview->nodes[i].state]++;
	print_head(text, "dist_nodes", "gauge",
	           "Nodes by state; gone for an hour at most.");
	for (unsigned state = 0; state < 3; state++)
		text_print(text, "dist_nodes{state=\"%s\"} %u\n",
		           dist_overview_state_name(state), n[state]);
	print_head(text, "dist_membership_changes_total", "counter",
	           "Changes of the nodes and of what they serve.");
	text_print(text, "dist_membership_changes_total %llu\n",
	           (unsigned long long)overview->epoch);
	print_head(text, "dist_callers", "gauge",
	           "Clusters that have called nodes, and are connected.");
	text_print(text, "dist_callers %zu\n", overview->n_callers_in_all);
	print_registered(text, overview);
	for (size_t m = 0; m < sizeof(node_metrics) / sizeof(node_metrics[0]); m++) {
		if (node_metrics[m].type)
			print_head(text, node_metrics[m].name, node_metrics[m].type,
			           node_metrics[m].help);
		print_node_metric(text, overview, &node_metrics[m]);
	}
}

void
metrics_print(struct text *text, const struct board_view *view)
{
	print_head(text, "dist_build_info", "gauge", "The master's version; always 1.");
	text_add(text, "dist_build_info{version=\"" DIST_VERSION "\"} 1\n");
	if (view->overview) {
		print_nodes(text, view->overview);
		print_procedures(text, view);
	}
	metrics_print_process(text);
}
