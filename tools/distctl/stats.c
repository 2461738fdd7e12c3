/* distctl stats: what nodes, or else all of them, count of their procedures. */
#include "distctl/config.h"

#include "distctl/crowd.h"
#include "distctl/figures.h"
#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/options.h"

#include <dist/stats.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What the answers go to: one of the two. */
struct output {
	struct table table;
	bool as_json;
	json_t *json;
};

static const struct table_column columns[] = {
	{ "NODE", false },     { "PROCEDURE", false }, { "CALLS", true },
	{ "IN FLIGHT", true }, { "FAILED", true },     { "QUEUED p50", true },
	{ "p99", true },       { "RAN p50", true },    { "p99", true },
};

static const double percents[] = { 50, 90, 99, 99.9 };
static const char *const percent_names[] = { "p50_ns", "p90_ns", "p99_ns", "p99.9_ns" };

/* --- For people ------------------------------------------------------------------ */

static void
add_time(struct table *table, const struct dist_times *times, double percent)
{
	char time[FIGURES_TIME_MAX];

	figures_time(dist_times_percentile(times, percent), time);
	table_add(table, "%s", times ? time : "-");
}

static void
add_row(struct table *table, const char *node,
        const struct dist_procedure_stats *procedure)
{
	const struct dist_times *queue = dist_times_find(procedure, "queue_time");
	const struct dist_times *service = dist_times_find(procedure, "service_time");
	uint64_t calls = dist_counters_value(&procedure->counters, "calls");
	uint64_t in_flight = dist_counters_value(&procedure->counters, "in_flight");
	uint64_t ok = dist_counters_value(&procedure->counters, "ok");
	char name[FIGURES_NAME_MAX];

	figures_procedure_name(procedure, name);
	table_add(table, "%s", node);
	table_add(table, "%s", name);
	table_add(table, "%" PRIu64, calls);
	table_add(table, "%" PRIu64, in_flight);
	table_add(table, "%" PRIu64, calls - in_flight - ok);
	add_time(table, queue, 50);
	add_time(table, queue, 99);
	add_time(table, service, 50);
	add_time(table, service, 99);
}

/* --- For programs ---------------------------------------------------------------- */

static json_t *
counters_json(const struct dist_counters *counters)
{
	json_t *object = json_object();

	for (size_t i = 0; i < counters->n; i++)
		json_put(object, counters->list[i].name,
		         json_number(counters->list[i].value));
	return object;
}

static json_t *
times_json(const struct dist_times *times)
{
	json_t *object = json_object();

	json_put(object, "count", json_number(times->count));
	json_put(object, "sum_ns", json_number(times->sum_ns));
	json_put(object, "max_ns", json_number(times->max_ns));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		json_put(object, percent_names[i],
		         json_number(dist_times_percentile(times, percents[i])));
	return object;
}

static json_t *
procedure_json(const struct dist_procedure_stats *procedure)
{
	json_t *object = json_object(), *times = json_object();

	json_put(object, "program", json_number(procedure->program));
	json_put(object, "version", json_number(procedure->version));
	json_put(object, "procedure", json_number(procedure->procedure));
	json_put(object, "program_name", json_text(procedure->program_name));
	json_put(object, "version_name", json_text(procedure->version_name));
	json_put(object, "procedure_name", json_text(procedure->procedure_name));
	json_put(object, "counters", counters_json(&procedure->counters));
	for (size_t i = 0; i < procedure->n_times; i++)
		json_put(times, procedure->times[i]->name,
		         times_json(procedure->times[i]));
	json_put(object, "times", times);
	return object;
}

static json_t *
node_json(const char *name, const char *address, const struct dist_node_stats *node)
{
	json_t *object = json_object(), *procedures = json_array();

	json_put(object, "name", json_text(name));
	json_put(object, "address", json_text(address));
	json_put(object, "counters", counters_json(&node->counters));
	for (size_t i = 0; i < node->n_procedures; i++)
		json_add(procedures, procedure_json(node->procedures[i]));
	json_put(object, "procedures", procedures);
	return object;
}

/* --- Asking ---------------------------------------------------------------------- */

/* At once, each by a connection. */
#define N_ASKERS 32
#define WHY_MAX  640

struct answer {
	const dist_node_entry *entry; /* NULL: view_find() said why */
	char address[TEXT_ADDRESS_MAX];
	struct dist_stats *stats; /* NULL: there is none, for the reason @why */
	char why[WHY_MAX];
};

struct round {
	struct answer *answers;
	size_t n;
	int64_t timeout_ms;
};

static void
ask(size_t i, void *arg)
{
	const struct round *round = arg;
	struct answer *answer = &round->answers[i];

	if (!answer->entry)
		return;
	if (answer->entry->endpoints.endpoints_len == 0) {
		snprintf(answer->why, WHY_MAX, "its master knows no address of it");
		return;
	}
	text_address(&answer->entry->endpoints.endpoints_val[0], answer->address);
	if (dist_stats_fetch(&answer->stats, answer->address, round->timeout_ms))
		snprintf(answer->why, WHY_MAX, "%s", dist_error_text());
}

static int
show(struct output *output, const struct answer *answer)
{
	const struct dist_node_stats *node;

	if (!answer->entry)
		return PROGRAM_FAILED;
	if (!answer->stats)
		return program_fail("%s: %s", answer->entry->name, answer->why);
	node = answer->stats->nodes[0];
	if (output->as_json)
		json_add(output->json,
		         node_json(answer->entry->name, answer->address, node));
	for (size_t i = 0; !output->as_json && i < node->n_procedures; i++)
		add_row(&output->table, answer->entry->name, node->procedures[i]);
	return PROGRAM_DONE;
}

/* Whoever answers is shown, also when somebody does not, which all wait for together. */
static int
show_nodes(struct output *output, const struct view *view, const struct config *config)
{
	struct round round = { .n = config->n_names ? config->n_names : view->n_nodes,
		               .timeout_ms = config->timeout_ms };
	int status = PROGRAM_DONE;

	round.answers = calloc(round.n + 1, sizeof(*round.answers));
	if (!round.answers)
		return program_fail("out of memory");
	for (size_t i = 0; i < round.n; i++)
		round.answers[i].entry = config->n_names
		                                 ? view_find(view, config->names[i])
		                                 : view->nodes[i];
	crowd_ask(round.n, N_ASKERS, ask, &round);
	for (size_t i = 0; i < round.n; i++) {
		if (show(output, &round.answers[i]))
			status = PROGRAM_FAILED;
		dist_stats_free(round.answers[i].stats);
	}
	free(round.answers);
	return status;
}

static int
print_stats(const struct config *config, const struct masters *masters,
            const struct view *view)
{
	struct output output = { .as_json = config->json,
		                 .json = config->json ? json_array() : NULL };
	int status, printed;

	(void)masters;
	table_init(&output.table, columns, sizeof(columns) / sizeof(columns[0]));
	status = show_nodes(&output, view, config);
	printed = output.as_json ? json_print("nodes", json_incref(output.json))
	                         : table_print(&output.table);
	table_fini(&output.table);
	json_decref(output.json);
	return status ? status : printed;
}

int
stats_run(const struct config *config)
{
	return view_use(config, false, print_stats);
}
