/*
 * A node on the master's own host registers over loopback, but a cluster elsewhere
 * cannot call 127.0.0.1. If the node listens on all addresses, it is reached at the
 * very address by which the cluster has reached the master.
 */
#include "base/error.h"
#include "master/master_internal.h"

#include <stdlib.h>

/* One endpoint in the place of an entry's own. */
struct shown {
	dist_endpoint endpoint;
	char uaddr[DIST_ADDRESS_TEXT_MAX];
};

static bool
is_reached_at(const struct dist_entry *entry, const struct dist_sockaddr *seen_at)
{
	return seen_at->sa.sa_family == AF_INET6 ? entry->all_ipv6 : entry->all_ipv4;
}

static void
show_at(dist_node_entry *node, struct shown *shown, struct dist_sockaddr seen_at)
{
	const dist_endpoint *own = node->endpoints.endpoints_val;
	struct dist_sockaddr address;

	if (dist_uaddr_parse(own->netid, own->uaddr, &address))
		return;
	dist_sockaddr_set_port(&seen_at, dist_sockaddr_port(&address));
	dist_uaddr_format(&seen_at, shown->uaddr);
	shown->endpoint.netid = (char *)dist_sockaddr_netid(&seen_at);
	shown->endpoint.uaddr = shown->uaddr;
	node->endpoints.endpoints_val = &shown->endpoint;
	node->endpoints.endpoints_len = 1;
}

enum dist_err
dist_viewpoint_apply(struct dist_snapshot *snapshot,
                     const struct dist_sockaddr *seen_at)
{
	dist_node_entries *nodes = &snapshot->view.nodes;
	struct shown *shown;
	unsigned n = 0;

	if (dist_sockaddr_is_loopback(seen_at))
		return DIST_OK;
	for (unsigned i = 0; i < nodes->dist_node_entries_len; i++)
		n += is_reached_at(snapshot->entries[i], seen_at);
	if (!n)
		return DIST_OK;
	snapshot->extra = shown = calloc(n, sizeof(*shown));
	if (!shown)
		return dist_error_set_plain(DIST_ENOMEM);
	for (unsigned i = 0; i < nodes->dist_node_entries_len; i++) {
		if (is_reached_at(snapshot->entries[i], seen_at))
			show_at(&nodes->dist_node_entries_val[i], shown++, *seen_at);
	}
	return DIST_OK;
}
