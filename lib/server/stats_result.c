/* STATS of the node program. */
#include "base/snapshot.h"
#include "idl/node.h"
#include "server/core.h"
#include "server/xprt.h"
#include "wire/stats.h"

static bool_t
stats_result(dist_stats_result *result, struct dist_server *server)
{
	struct dist_snapshot snapshot;
	struct dist_stats *stats;
	bool copied;

	dist_snapshot_init(&snapshot);
	dist_snapshot_node(&snapshot, NULL, NULL, server->options.instance);
	dist_server_stats_add(server, &snapshot);
	if (dist_snapshot_finish(&snapshot, &stats))
		return FALSE;
	copied = dist_stats_to_wire(result, stats->nodes[0]);
	dist_stats_free(stats);
	return copied;
}

bool_t
dist_node_stats_1_svc(dist_stats_result *result, struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	/* NULL: the program was registered with a transport that is not ours. */
	return call ? stats_result(result, call->conn->server) : FALSE;
}
