#include "nodes.h"

static void
print_counters(struct text *text, const struct dist_counters *counters)
{
	text_add(text, "\"counters\":{");
	for (size_t i = 0; i < counters->n; i++) {
		text_add(text, i ? "," : "");
		text_json(text, counters->list[i].name);
		text_print(text, ":%llu", (unsigned long long)counters->list[i].value);
	}
	text_add(text, "}");
}

static void
print_times(struct text *text, const struct dist_times *times)
{
	static const double percents[] = { 50, 90, 99, 99.9 };

	text_json(text, times->name);
	text_print(text, ":{\"count\":%llu,\"sum_ns\":%llu,\"max_ns\":%llu",
	           (unsigned long long)times->count, (unsigned long long)times->sum_ns,
	           (unsigned long long)times->max_ns);
	for (unsigned i = 0; i < 4; i++)
		text_print(
			text, ",\"p%g_ns\":%llu", percents[i],
			(unsigned long long)dist_times_percentile(times, percents[i]));
	text_add(text, "}");
}

static void
print_name(struct text *text, const char *key, const char *name)
{
	text_print(text, ",\"%s\":", key);
	text_json(text, name && *name ? name : NULL);
}

static void
print_procedure(struct text *text, const struct dist_procedure_stats *procedure)
{
	text_print(text, "{\"program\":%u,\"version\":%u,\"procedure\":%u",
	           procedure->program, procedure->version, procedure->procedure);
	print_name(text, "program_name", procedure->program_name);
	print_name(text, "version_name", procedure->version_name);
	print_name(text, "procedure_name", procedure->procedure_name);
	text_add(text, ",");
	print_counters(text, &procedure->counters);
	text_add(text, ",\"times\":{");
	for (size_t i = 0; i < procedure->n_times; i++) {
		text_add(text, i ? "," : "");
		print_times(text, procedure->times[i]);
	}
	text_add(text, "}}");
}

static void
print_stats(struct text *text, const struct dist_node_stats *stats)
{
	print_counters(text, &stats->counters);
	text_add(text, ",\"procedures\":[");
	for (size_t i = 0; i < stats->n_procedures; i++) {
		text_add(text, i ? "," : "");
		print_procedure(text, stats->procedures[i]);
	}
	text_add(text, "]");
}

static void
print_services(struct text *text, const struct dist_overview_node *node)
{
	text_add(text, ",\"services\":[");
	for (size_t i = 0; i < node->n_services; i++) {
		const struct dist_overview_service *service = &node->services[i];

		text_print(text, "%s{\"program\":%u,\"version\":%u", i ? "," : "",
		           service->program, service->version);
		print_name(text, "name", service->program_name);
		print_name(text, "version_name", service->version_name);
		text_add(text, "}");
	}
	text_add(text, "]");
}

static void
print_node(struct text *text, const struct dist_overview_node *node)
{
	text_add(text, "{\"name\":");
	text_json(text, node->name);
	print_name(text, "address", node->address);
	text_print(text, ",\"state\":\"%s\"", dist_overview_state_name(node->state));
	print_services(text, node);
	text_print(text,
	           ",\"capacity\":%u,\"in_flight\":%u,\"queued\":%u,\"age_ms\":%lld,"
	           "\"idle_ms\":%lld,\"instance\":\"",
	           node->capacity, node->in_flight, node->queued,
	           (long long)node->age_ms, (long long)node->idle_ms);
	for (unsigned i = 0; i < 16; i++)
		text_print(text, "%02x", node->instance[i]);
	text_add(text, "\"");
	print_name(text, "stats_error", node->stats_error);
	if (node->stats_age_ms >= 0)
		text_print(text, ",\"stats_age_ms\":%lld",
		           (long long)node->stats_age_ms);
	else
		text_add(text, ",\"stats_age_ms\":null");
	if (node->stats) {
		text_add(text, ",");
		print_stats(text, node->stats);
	} else {
		text_add(text, ",\"counters\":{},\"procedures\":[]");
	}
	text_add(text, "}");
}

void
nodes_print(struct text *text, const struct dist_overview *overview)
{
	text_add(text, "{\"nodes\":[");
	for (size_t i = 0; i < overview->n_nodes; i++) {
		text_add(text, i ? ",\n" : "\n");
		print_node(text, &overview->nodes[i]);
	}
	text_print(text, "\n],\"master\":{\"epoch\":%llu,\"uptime_ms\":%lld",
	           (unsigned long long)overview->epoch, (long long)overview->uptime_ms);
	if (overview->self) {
		text_add(text, ",");
		print_stats(text, overview->self);
	}
	text_add(text, "}}\n");
}
