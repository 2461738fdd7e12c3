#include "registry/view.h"
#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ATTRS_MAX 64 /* of a node, see idl/registry.x */

/* An entry's attributes, and one more. */
struct dist_snapshot_attrs {
	struct dist_snapshot_attrs *next;
	dist_attr list[];
};

enum dist_err
dist_snapshot_new(struct dist_snapshot **ret_snapshot, size_t n_max)
{
	struct dist_snapshot *snapshot;
	dist_node_entry *nodes;

	snapshot = calloc(1, sizeof(*snapshot) + n_max * sizeof(struct dist_entry *));
	nodes = calloc(n_max ? n_max : 1, sizeof(dist_node_entry));
	if (!snapshot || !nodes) {
		free(snapshot);
		free(nodes);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	snapshot->view.nodes.dist_node_entries_val = nodes;
	snapshot->n_max = n_max;
	*ret_snapshot = snapshot;
	return DIST_OK;
}

dist_node_entry *
dist_snapshot_add(struct dist_snapshot *snapshot, struct dist_entry *entry)
{
	unsigned place = snapshot->view.nodes.dist_node_entries_len++;
	dist_node_entry *node = &snapshot->view.nodes.dist_node_entries_val[place];
	const dist_registration *as = &entry->as;

	assert(place < snapshot->n_max);
	snapshot->entries[place] = dist_entry_ref(entry);
	memcpy(node->instance, as->instance, sizeof(dist_id));
	node->name = as->name;
	node->endpoints.endpoints_len = as->endpoints.endpoints_len;
	node->endpoints.endpoints_val = as->endpoints.endpoints_val;
	node->services.services_len = as->services.services_len;
	node->services.services_val = as->services.services_val;
	node->capacity = as->capacity;
	node->features = as->features;
	node->attrs = as->attrs;
	return node;
}

enum dist_err
dist_snapshot_add_attr(struct dist_snapshot *snapshot, dist_node_entry *node,
                       const char *name, const char *value)
{
	unsigned n = node->attrs.dist_attrs_len;
	struct dist_snapshot_attrs *attrs;

	if (n >= ATTRS_MAX)
		return DIST_OK;
	attrs = malloc(sizeof(*attrs) + (n + 1) * sizeof(dist_attr));
	if (!attrs)
		return dist_error_set_plain(DIST_ENOMEM);
	attrs->next = snapshot->attrs;
	snapshot->attrs = attrs;
	if (n > 0)
		memcpy(attrs->list, node->attrs.dist_attrs_val, n * sizeof(dist_attr));
	attrs->list[n] = (dist_attr){ (char *)name, (char *)value };
	node->attrs.dist_attrs_val = attrs->list;
	node->attrs.dist_attrs_len = n + 1;
	return DIST_OK;
}

void
dist_snapshot_free(struct dist_snapshot *snapshot)
{
	struct dist_snapshot_attrs *attrs;

	if (!snapshot)
		return;
	while ((attrs = snapshot->attrs)) {
		snapshot->attrs = attrs->next;
		free(attrs);
	}
	for (unsigned i = 0; i < snapshot->view.nodes.dist_node_entries_len; i++)
		dist_entry_unref(snapshot->entries[i]);
	free(snapshot->view.nodes.dist_node_entries_val);
	free(snapshot->extra);
	free(snapshot);
}
