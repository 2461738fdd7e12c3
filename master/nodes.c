#include "nodes.h"

#include "counts.h"

static void
print_services(struct text *text, const struct dist_overview_node *node)
{
	text_add(text, ",\"services\":[");
	for (size_t i = 0; i < node->n_services; i++) {
		const struct dist_overview_service *service = &node->services[i];

		text_print(text, "%s{\"program\":%u,\"version\":%u", i ? "," : "",
		           service->program, service->version);
		counts_name(text, "name", service->program_name);
		counts_name(text, "version_name", service->version_name);
		text_add(text, "}");
	}
	text_add(text, "]");
}

static void
print_node(struct text *text, const struct dist_overview_node *node)
{
	text_add(text, "{\"name\":");
	text_json(text, node->name);
	counts_name(text, "address", node->address);
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
	counts_name(text, "stats_error", node->stats_error);
	if (node->stats_age_ms >= 0)
		text_print(text, ",\"stats_age_ms\":%lld",
		           (long long)node->stats_age_ms);
	else
		text_add(text, ",\"stats_age_ms\":null");
	if (node->stats) {
		text_add(text, ",");
		counts_print(text, node->stats);
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
		counts_print(text, overview->self);
	}
	text_add(text, "}}\n");
}
