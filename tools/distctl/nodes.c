/* distctl nodes: who is alive, what they serve, how busy they are. */
#include "distctl/config.h"

#include "distctl/entry.h"
#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/options.h"

#include <stdlib.h>

static const struct table_column columns[] = {
	{ "NAME", false },   { "ADDRESS", false },  { "STATE", false },
	{ "WORKERS", true }, { "BUSY", true },      { "QUEUED", true },
	{ "AGE", true },     { "SERVICES", false },
};

static int
print_table(const struct view *view)
{
	char address[TEXT_ADDRESS_MAX], age[TEXT_AGE_MAX];
	struct table table;
	int status;

	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < view->n_nodes; i++) {
		const dist_node_entry *node = view->nodes[i];
		char *services = entry_services_text(node);

		entry_first_address(node, address);
		text_age(node->age_ms, age);
		table_add(&table, "%s", node->name);
		table_add(&table, "%s", address);
		table_add(&table, "%s", text_state(node->state));
		table_add(&table, "%u", node->capacity);
		table_add(&table, "%u", node->in_flight);
		table_add(&table, "%u", node->queued);
		table_add(&table, "%s", age);
		table_add(&table, "%s", services ? services : "?");
		free(services);
	}
	status = table_print(&table);
	table_fini(&table);
	return status;
}

static json_t *
node_json(const dist_node_entry *node)
{
	json_t *object = json_object();
	char address[TEXT_ADDRESS_MAX];

	entry_first_address(node, address);
	json_put(object, "name", json_text(node->name));
	json_put(object, "address", json_text(address));
	json_put(object, "state", json_string(text_state(node->state)));
	json_put(object, "services", entry_services_json(node));
	json_put(object, "addresses", entry_addresses_json(node));
	json_put(object, "capacity", json_number(node->capacity));
	json_put(object, "in_flight", json_number(node->in_flight));
	json_put(object, "queued", json_number(node->queued));
	json_put(object, "age_ms", json_number(node->age_ms));
	json_put(object, "idle_ms", json_number(node->idle_ms));
	json_put(object, "lease_ms", json_number(node->lease_ms));
	json_put(object, "attributes", entry_attributes_json(node));
	json_put(object, "instance", entry_instance_json(node));
	return object;
}

static int
print_json(const struct view *view)
{
	json_t *array = json_array();

	for (size_t i = 0; i < view->n_nodes; i++)
		json_add(array, node_json(view->nodes[i]));
	return json_print("nodes", array);
}

static int
print_nodes(const struct config *config, const struct masters *masters,
            const struct view *view)
{
	(void)masters;
	return config->json ? print_json(view) : print_table(view);
}

int
nodes_run(const struct config *config)
{
	return view_use(config, config->all, print_nodes);
}
