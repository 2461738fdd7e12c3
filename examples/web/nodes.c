/* /nodes: who is there, in the form of distctl nodes --json. */
#include "web/web.h"

/* For dist_cluster_each_node(): one more in the array @arg. */
static enum dist_err
node_append(const struct dist_node_info *node, void *arg)
{
	json_t *json;

	json = json_pack("{s:s,s:s,s:s,s:i,s:i}", "name", node->name, "address",
	                 node->address, "state", node->draining ? "draining" : "live",
	                 "capacity", (int)node->capacity, "in_flight",
	                 (int)node->in_flight);
	return json_array_append_new(arg, json) ? DIST_ENOMEM : DIST_OK;
}

enum MHD_Result
web_nodes(struct web *web, struct MHD_Connection *connection)
{
	json_t *nodes = json_array();

	if (!nodes || dist_cluster_each_node(web->cluster, node_append, nodes)) {
		json_decref(nodes);
		return web_reply_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
		                       "out of memory");
	}
	return web_reply(connection, MHD_HTTP_OK, json_pack("{s:o}", "nodes", nodes));
}
