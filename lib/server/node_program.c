/* The node program, idl/node.x: what every server answers beside its services. */
#include "base/log.h"
#include "idl/node.h"
#include "server/core.h"
#include "server/xprt.h"

#include <stdlib.h>
#include <string.h>

/* Made by rpcgen, like the procedures' prototypes. */
void dist_node_1(struct svc_req *rqstp, SVCXPRT *xprt);

static const struct dist_procedure node_procedures[] = {
	{ DIST_NODE_PING, "DIST_NODE_PING" },
	{ DIST_NODE_STATS, "DIST_NODE_STATS" },
	{ DIST_NODE_DRAIN, "DIST_NODE_DRAIN" },
	{ DIST_NODE_CANCEL, "DIST_NODE_CANCEL" },
	{ DIST_NODE_INTERFACES, "DIST_NODE_INTERFACES" },
	{ DIST_NODE_INTERFACE, "DIST_NODE_INTERFACE" },
};

const struct dist_service dist_node_program = {
	.size = sizeof(struct dist_service),
	.program = DIST_NODE,
	.version = DIST_NODE_V1,
	.program_name = "DIST_NODE",
	.version_name = "DIST_NODE_V1",
	.procedures = node_procedures,
	.n_procedures = DIST_ARRAY_SIZE(node_procedures),
	.dispatch = dist_node_1,
};

int
dist_node_1_freeresult(SVCXPRT *xprt, xdrproc_t xdr_result, caddr_t result)
{
	return dist_freeresult(xprt, xdr_result, result);
}

/* NULL: the program was registered with a transport that is not ours. */
static struct dist_server *
server_of(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? call->conn->server : NULL;
}

bool_t
dist_node_ping_1_svc(dist_ping_result *result, struct svc_req *rqstp)
{
	struct dist_server *server = server_of(rqstp);
	struct dist_server_load load;

	if (!server)
		return FALSE;
	dist_server_load(server, &load);
	memcpy(result->instance, server->options.instance, sizeof(result->instance));
	result->in_flight = load.running + load.deferred;
	result->queued = load.queued;
	result->draining = atomic_load(&server->draining);
	return TRUE;
}

/* --- DRAIN and CANCEL ----------------------------------------------------------- */

bool_t
dist_node_drain_1_svc(bool_t *result, struct svc_req *rqstp)
{
	struct dist_server *server = server_of(rqstp);

	if (!server)
		return FALSE;
	*result = FALSE;
	if (!server->options.on_drain ||
	    !dist_sockaddr_is_loopback(dist_request_peer(rqstp)))
		return TRUE;
	*result = TRUE;
	server->options.on_drain(server->options.arg);
	return TRUE;
}

/*
 * Only what is on its way on this same connection. A queued call is answered when its
 * turn comes, one that runs or is deferred sees it by dist_request_cancelled().
 */
bool_t
dist_node_cancel_1_svc(u_int xid, bool_t *result, struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);
	struct dist_pending *pending, *next;
	struct dist_server_conn *conn;

	if (!call)
		return FALSE;
	conn = call->conn;
	*result = FALSE;
	dist_lock(&conn->lock);
	DIST_LIST_EACH (pending, next, &conn->pending, link) {
		if (pending->xid != xid)
			continue;
		atomic_store(&pending->cancelled, true);
		*result = TRUE;
	}
	dist_unlock(&conn->lock);
	return TRUE;
}
