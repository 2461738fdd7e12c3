/* distctl nodes: who is alive, what they serve, how busy they are. */
#include "distctl/config.h"

#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct table_column columns[] = {
	{ "NAME", false },   { "ADDRESS", false },  { "STATE", false },
	{ "WORKERS", true }, { "BUSY", true },      { "QUEUED", true },
	{ "AGE", true },     { "SERVICES", false },
};

static void
first_address(const dist_node_entry *node, char ret[TEXT_ADDRESS_MAX])
{
	if (node->endpoints.endpoints_len > 0)
		text_address(&node->endpoints.endpoints_val[0], ret);
	else
		snprintf(ret, TEXT_ADDRESS_MAX, "-");
}

/* "ARITH_PROG/1, 0x20000005/2"; "-" when it serves nothing. */
static char *
services_text(const dist_node_entry *node)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = 0; i < node->services.services_len; i++) {
		const dist_service_entry *service = &node->services.services_val[i];

		fputs(i ? ", " : "", stream);
		if (*service->prog_name)
			fprintf(stream, "%s/%u", service->prog_name, service->vers);
		else
			fprintf(stream, "0x%08x/%u", service->prog, service->vers);
	}
	if (node->services.services_len == 0)
		fputs("-", stream);
	if (fclose(stream)) {
		free(text);
		return NULL;
	}
	return text;
}

static int
print_table(const struct view *view)
{
	char address[TEXT_ADDRESS_MAX], age[TEXT_AGE_MAX];
	struct table table;
	int status;

	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < view->n_nodes; i++) {
		const dist_node_entry *node = view->nodes[i];
		char *services = services_text(node);

		first_address(node, address);
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
service_json(const dist_service_entry *service)
{
	json_t *object = json_object();

	json_put(object, "program", json_number(service->prog));
	json_put(object, "version", json_number(service->vers));
	json_put(object, "name", json_text(service->prog_name));
	json_put(object, "version_name", json_text(service->vers_name));
	return object;
}

static json_t *
services_json(const dist_node_entry *node)
{
	json_t *array = json_array();

	for (size_t i = 0; i < node->services.services_len; i++)
		json_add(array, service_json(&node->services.services_val[i]));
	return array;
}

static json_t *
addresses_json(const dist_node_entry *node)
{
	json_t *array = json_array();
	char address[TEXT_ADDRESS_MAX];

	for (size_t i = 0; i < node->endpoints.endpoints_len; i++) {
		text_address(&node->endpoints.endpoints_val[i], address);
		json_add(array, json_text(address));
	}
	return array;
}

static json_t *
attributes_json(const dist_node_entry *node)
{
	json_t *object = json_object();

	for (size_t i = 0; i < node->attrs.dist_attrs_len; i++) {
		const dist_attr *attr = &node->attrs.dist_attrs_val[i];
		char *name = text_clean(attr->name), *value = text_clean(attr->value);

		if (name && value)
			json_put(object, name, json_string(value));
		free(name);
		free(value);
	}
	return object;
}

static json_t *
instance_json(const dist_node_entry *node)
{
	char hex[2 * DIST_ID_SIZE + 1];

	for (size_t i = 0; i < DIST_ID_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)node->instance[i]);
	return json_string(hex);
}

static json_t *
node_json(const dist_node_entry *node)
{
	json_t *object = json_object();
	char address[TEXT_ADDRESS_MAX];

	first_address(node, address);
	json_put(object, "name", json_text(node->name));
	json_put(object, "address", json_text(address));
	json_put(object, "state", json_string(text_state(node->state)));
	json_put(object, "services", services_json(node));
	json_put(object, "addresses", addresses_json(node));
	json_put(object, "capacity", json_number(node->capacity));
	json_put(object, "in_flight", json_number(node->in_flight));
	json_put(object, "queued", json_number(node->queued));
	json_put(object, "age_ms", json_number(node->age_ms));
	json_put(object, "idle_ms", json_number(node->idle_ms));
	json_put(object, "lease_ms", json_number(node->lease_ms));
	json_put(object, "attributes", attributes_json(node));
	json_put(object, "instance", instance_json(node));
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
