/* A node as a master lists it; see entry.h. */
#include "distctl/entry.h"

#include <stdio.h>
#include <stdlib.h>

void
entry_first_address(const dist_node_entry *node, char ret[TEXT_ADDRESS_MAX])
{
	if (node->endpoints.endpoints_len > 0)
		text_address(&node->endpoints.endpoints_val[0], ret);
	else
		snprintf(ret, TEXT_ADDRESS_MAX, "-");
}

char *
entry_services_text(const dist_node_entry *node)
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

json_t *
entry_services_json(const dist_node_entry *node)
{
	json_t *array = json_array();

	for (size_t i = 0; i < node->services.services_len; i++)
		json_add(array, service_json(&node->services.services_val[i]));
	return array;
}

json_t *
entry_addresses_json(const dist_node_entry *node)
{
	json_t *array = json_array();
	char address[TEXT_ADDRESS_MAX];

	for (size_t i = 0; i < node->endpoints.endpoints_len; i++) {
		text_address(&node->endpoints.endpoints_val[i], address);
		json_add(array, json_text(address));
	}
	return array;
}

json_t *
entry_attributes_json(const dist_node_entry *node)
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

json_t *
entry_instance_json(const dist_node_entry *node)
{
	char hex[2 * DIST_ID_SIZE + 1];

	for (size_t i = 0; i < DIST_ID_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)node->instance[i]);
	return json_string(hex);
}
