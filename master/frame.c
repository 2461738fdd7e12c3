/*
 * Keys are those of /nodes and of dist/stats.h; "calls_s" is calls a second. A node's
 * line is made once and told again only when it reads otherwise than before, so that
 * nodes which idle cost nothing.
 */
#include "frame.h"

#include "callers.h"
#include "events.h"
#include "names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICES_SHOWN   8
#define PROCEDURES_SHOWN 200
#define GONE_SHOWN_MS    600000 /* nodes that left longer ago are not shown */

/* --- Nodes -------------------------------------------------------------------- */

static void
print_id(struct text *text, const uint8_t instance[16])
{
	text_add(text, "\"");
	for (unsigned i = 0; i < 8; i++)
		text_print(text, "%02x", instance[i]);
	text_add(text, "\"");
}

static void
print_services(struct text *text, const struct dist_overview_node *node)
{
	char name[NAMES_MAX];

	text_print(text, ",\"n_services\":%zu,\"services\":[", node->n_services);
	for (size_t i = 0; i < node->n_services && i < SERVICES_SHOWN; i++) {
		const struct dist_overview_service *service = &node->services[i];

		text_add(text, i ? "," : "");
		text_json(text, names_program(service->program, service->version,
		                              service->program_name, name));
	}
	text_add(text, "]");
}

static const char *
state_name(const struct dist_overview_node *node)
{
	return node_is_silent(node) ? "silent" : dist_overview_state_name(node->state);
}

/* Without the closing brace. */
static void
print_node(struct text *text, const struct dist_overview_node *node,
           const struct history_row *row)
{
	struct node_load load = node_load(node);
	const struct dist_overview_recent *recent = &node->recent;
	double seconds = (double)recent->interval_ns / 1e9;

	text_add(text, "{\"id\":");
	print_id(text, node->instance);
	text_add(text, ",\"name\":");
	text_json(text, node->name);
	text_add(text, ",\"address\":");
	text_json(text, node->address);
	text_print(text, ",\"state\":\"%s\",\"why\":", state_name(node));
	text_json(text, node->state == DIST_OVERVIEW_GONE ? NULL : node->stats_error);
	print_services(text, node);
	text_print(text,
	           ",\"since_ms\":%lld,\"capacity\":%llu,\"running\":%llu,"
	           "\"queued\":%llu,\"in_flight\":%llu",
	           (long long)row->since_ms, (unsigned long long)load.capacity,
	           (unsigned long long)load.running, (unsigned long long)load.queued,
	           (unsigned long long)load.in_flight);
	if (seconds > 0 && node->state != DIST_OVERVIEW_GONE)
		text_print(text, ",\"calls_s\":%.4g,\"failed_s\":%.4g",
		           (double)recent->calls / seconds,
		           (double)recent->failed / seconds);
	if (recent->calls && node->state != DIST_OVERVIEW_GONE)
		text_print(text,
		           ",\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,"
		           "\"queue_p99_ns\":%llu",
		           (unsigned long long)recent->service_p50_ns,
		           (unsigned long long)recent->service_p90_ns,
		           (unsigned long long)recent->service_p99_ns,
		           (unsigned long long)recent->queue_p99_ns);
}

static bool
is_shown(const struct dist_overview_node *node)
{
	return node->state != DIST_OVERVIEW_GONE || node->idle_ms < GONE_SHOWN_MS;
}

static void
print_history(struct text *text, const struct history_row *row)
{
	text_add(text, ",\"history\":[");
	for (unsigned i = 0; i < HISTORY_POINTS; i++)
		text_print(text, "%s%.4g", i ? "," : "", (double)row->calls[i]);
	text_add(text, "]}");
}

/* One node into both; in @change only if it reads otherwise than before. */
static void
tell_node(struct text *whole, struct text *change,
          const struct dist_overview_node *node, struct history_row *row)
{
	struct text line = { 0 };

	print_node(&line, node, row);
	if (line.failed || !line.data) {
		whole->failed = change->failed = true;
		text_free(&line);
		return;
	}
	text_add(whole, whole->data[whole->length - 1] == '[' ? "" : ",");
	text_add(whole, line.data);
	print_history(whole, row);
	if (row->told && strcmp(row->told, line.data) == 0) {
		text_free(&line);
		return;
	}
	text_add(change, change->data[change->length - 1] == '[' ? "" : ",");
	text_add(change, line.data);
	text_add(change, "}");
	free(row->told);
	row->told = line.data;
}

/* Shown before, and not any more. */
static void
print_removed(struct text *change, struct history *history,
              const struct dist_overview *overview, const bool *shown)
{
	text_add(change, ",\"removed\":[");
	for (size_t i = 0; i < history->n_left; i++) {
		if (!history->left[i].told)
			continue;
		text_add(change, change->data[change->length - 1] == '[' ? "" : ",");
		print_id(change, history->left[i].instance);
	}
	for (size_t i = 0; i < overview->n_nodes; i++) {
		struct history_row *row = &history->rows[i];

		if (shown[i] || !row->told)
			continue;
		text_add(change, change->data[change->length - 1] == '[' ? "" : ",");
		print_id(change, row->instance);
		free(row->told);
		row->told = NULL;
	}
	text_add(change, "]");
}

static void
tell_nodes(const struct frame_source *source, struct text *whole, struct text *change)
{
	const struct dist_overview *overview = source->overview;
	bool *shown = calloc(overview->n_nodes + 1, sizeof(*shown));
	size_t n_shown = 0, n_left_out = 0;

	if (!shown) {
		whole->failed = change->failed = true;
		return;
	}
	text_add(whole, ",\"nodes\":[");
	text_add(change, ",\"nodes\":[");
	for (size_t i = 0; i < overview->n_nodes && !whole->failed && !change->failed;
	     i++) {
		if (!is_shown(&overview->nodes[i]))
			continue;
		shown[i] = n_shown < FRAME_NODES_MAX;
		if (shown[i]) {
			tell_node(whole, change, &overview->nodes[i],
			          &source->history->rows[i]);
			n_shown++;
		} else {
			n_left_out++;
		}
	}
	text_print(whole, "],\"left_out\":%zu", n_left_out);
	text_print(change, "],\"left_out\":%zu", n_left_out);
	if (!change->failed)
		print_removed(change, source->history, overview, shown);
	free(shown);
}

/* --- Procedures --------------------------------------------------------------- */

static uint64_t
n_over(const struct dist_procedure_stats *procedure)
{
	return dist_counters_value(&procedure->counters, "calls") -
	       dist_counters_value(&procedure->counters, "in_flight");
}

static void
print_times(struct text *text, const char *prefix, const struct dist_times *times,
            const struct dist_times *then)
{
	static const unsigned percents[] = { 50, 90, 99 };

	for (unsigned i = 0; i < 3; i++)
		text_print(text, ",\"%sp%u_ns\":%llu", prefix, percents[i],
		           (unsigned long long)dist_times_percentile_since(
				   times, then, percents[i]));
}

/* What callers count of the same procedure. */
static void
print_as_called(struct text *text, const struct dist_procedure_stats *now,
                const struct history_window *callers)
{
	const struct dist_node_stats *all = callers->totals->nodes[0];
	const struct dist_procedure_stats *then;
	size_t i = 0;

	while (i < all->n_procedures && (all->procedures[i]->program != now->program ||
	                                 all->procedures[i]->version != now->version ||
	                                 all->procedures[i]->procedure != now->procedure))
		i++;
	if (i == all->n_procedures)
		return;
	then = history_then(callers, i);
	text_print(text, ",\"retries\":%llu",
	           (unsigned long long)dist_counters_value(&all->procedures[i]->counters,
	                                                   "retries"));
	print_times(text, "latency_", dist_times_find(all->procedures[i], "latency"),
	            then ? dist_times_find(then, "latency") : NULL);
}

static void
print_procedure(struct text *text, const struct dist_procedure_stats *now,
                const struct dist_procedure_stats *then, double seconds,
                const struct history_window *callers)
{
	const struct dist_counters *counters = &now->counters;
	uint64_t over = n_over(now), ok = dist_counters_value(counters, "ok");
	char name[NAMES_MAX];

	text_add(text, "{\"program\":");
	text_json(text,
	          names_program(now->program, now->version, now->program_name, name));
	text_add(text, ",\"procedure\":");
	text_json(text, names_procedure(now->procedure, now->procedure_name, name));
	text_print(text, ",\"calls\":%llu,\"in_flight\":%llu,\"failed\":%llu",
	           (unsigned long long)dist_counters_value(counters, "calls"),
	           (unsigned long long)dist_counters_value(counters, "in_flight"),
	           (unsigned long long)(over > ok ? over - ok : 0));
	if (then && seconds > 0) {
		double calls = (double)(over - n_over(then));
		double well = (double)(ok - dist_counters_value(&then->counters, "ok"));

		text_print(text, ",\"calls_s\":%.4g,\"failed_s\":%.4g", calls / seconds,
		           calls > well ? (calls - well) / seconds : 0);
	}
	print_times(text, "", dist_times_find(now, "service_time"),
	            then ? dist_times_find(then, "service_time") : NULL);
	print_times(text, "queue_", dist_times_find(now, "queue_time"),
	            then ? dist_times_find(then, "queue_time") : NULL);
	print_as_called(text, now, callers);
	text_add(text, "}");
}

static void
print_procedures(struct text *text, const struct history *history)
{
	const struct history_window *nodes = &history->nodes;
	const struct dist_node_stats *all = nodes->totals->nodes[0];
	double seconds = (double)(nodes->now_ms - nodes->then_ms) / 1000;
	unsigned n = 0;

	text_add(text, ",\"procedures\":[");
	for (size_t i = 0; i < all->n_procedures && n < PROCEDURES_SHOWN; i++) {
		if (is_framework_program(all->procedures[i]->program))
			continue;
		text_add(text, n++ ? "," : "");
		print_procedure(text, all->procedures[i], history_then(nodes, i),
		                nodes->then ? seconds : 0, &history->callers);
	}
	text_add(text, "]");
}

/* --- All together ------------------------------------------------------------- */

static void
print_moment(struct text *text, const struct history_moment *moment)
{
	text_print(text,
	           "{\"live\":%u,\"draining\":%u,\"gone\":%u,\"silent\":%u,"
	           "\"in_flight\":%llu,\"queued\":%llu,\"running\":%llu,"
	           "\"capacity\":%llu,\"calls_s\":%.4g,\"failed_s\":%.4g,",
	           moment->n_live, moment->n_draining, moment->n_gone, moment->n_silent,
	           (unsigned long long)moment->in_flight,
	           (unsigned long long)moment->queued,
	           (unsigned long long)moment->running,
	           (unsigned long long)moment->capacity, moment->calls, moment->failed);
	text_print(text,
	           "\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,"
	           "\"queue_p50_ns\":%llu,\"queue_p99_ns\":%llu}",
	           (unsigned long long)moment->service_p50_ns,
	           (unsigned long long)moment->service_p90_ns,
	           (unsigned long long)moment->service_p99_ns,
	           (unsigned long long)moment->queue_p50_ns,
	           (unsigned long long)moment->queue_p99_ns);
}

static void
print_series(struct text *text, const struct history *history)
{
	text_add(text, ",\"series\":[");
	for (unsigned i = 0; i < HISTORY_POINTS; i++) {
		text_add(text, i ? "," : "");
		print_moment(text, &history->moments[i]);
	}
	text_add(text, "]");
}

static void
print_head(struct text *text, const struct frame_source *source)
{
	const struct dist_overview *overview = source->overview;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	text_print(text,
	           "{\"time_ms\":%lld,\"version\":\"" DIST_VERSION
	           "\",\"uptime_ms\":%lld,\"epoch\":%llu,\"stats_ms\":%lld,"
	           "\"not_ready\":",
	           (long long)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
	           (long long)overview->uptime_ms, (unsigned long long)overview->epoch,
	           (long long)source->stats_ms);
	text_json(text, source->why_not_ready);
	text_add(text, ",\"now\":");
	print_moment(text, &source->history->moments[HISTORY_POINTS - 1]);
}

uint64_t
frame_print(const struct frame_source *source, struct text *whole, struct text *change)
{
	uint64_t last;

	print_head(whole, source);
	print_head(change, source);
	print_series(whole, source->history);
	tell_nodes(source, whole, change);
	print_procedures(whole, source->history);
	print_procedures(change, source->history);
	callers_print_busiest(whole, source->overview);
	callers_print_busiest(change, source->overview);
	text_add(whole, ",\"events\":[");
	text_add(change, ",\"events\":[");
	last = events_print(change, source->last_event);
	events_print(whole, 0);
	text_add(whole, "]}");
	text_add(change, "]}");
	return last;
}
