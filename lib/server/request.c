/* What a procedure may ask about the call that it answers (dist/request.h). */
#include <dist/request.h>

#include "base/clock.h"
#include "server/core.h"
#include "server/request.h"
#include "server/xprt.h"

int64_t
dist_request_left_ms(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns == DIST_NEVER)
		return INT64_MAX;
	left = deadline_ns - dist_clock_ns();
	return left > 0 ? (left + DIST_NS_PER_MS - 1) / DIST_NS_PER_MS : 0;
}

int64_t
dist_request_time_left_ms(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? dist_request_left_ms(call->deadline_ns) : INT64_MAX;
}

bool
dist_request_cancelled(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call &&
	       dist_pending_unwanted(&call->pending, call->conn, call->deadline_ns);
}

unsigned
dist_request_attempt(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call && call->header.has_meta && call->header.meta.attempt > 0
	               ? call->header.meta.attempt
	               : 1;
}

/* --- For services of our own ---------------------------------------------------- */

uint64_t
dist_request_conn_id(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? call->conn->id : 0;
}

const struct dist_sockaddr *
dist_request_peer(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? &call->conn->peer : NULL;
}

const struct dist_sockaddr *
dist_request_local(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? &call->conn->local : NULL;
}

/*
 * The connection may be gone already, while its call still runs here: then nobody will
 * tell of its end any more, so this thread does.
 */
void
dist_request_watch_conn(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);
	struct dist_server_conn *conn;
	bool gone;

	if (!call)
		return;
	conn = call->conn;
	dist_lock(&conn->lock);
	gone = dist_server_conn_gone(conn);
	conn->watched = !gone;
	dist_unlock(&conn->lock);
	if (gone && conn->server->options.on_closed)
		conn->server->options.on_closed(conn->id, conn->server->options.arg);
}

void *
dist_request_server_arg(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? call->conn->server->options.arg : NULL;
}
