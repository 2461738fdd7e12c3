/*
 * Calls that are answered later, by any thread (public side: dist/request.h).
 *
 * A handle is in its connection's list of pending calls until one of these takes it
 * out, under the connection's lock: a reply, the end of the connection, or the server's
 * stop. Whoever finds it there answers, or says that nobody can; so the handle may
 * outlive the connection and the server, and a call is answered once.
 */
#include "server/deferred.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/core.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/xprt.h"

#include <stdlib.h>

struct dist_deferred {
	struct dist_server_conn *conn; /* referenced */
	int64_t deadline_ns;
	size_t max_record; /* the server may be gone when it is wanted */
	struct dist_pending pending;
};

static struct dist_deferred *
deferred_new(const struct dist_server_call *call)
{
	struct dist_deferred *deferred = calloc(1, sizeof(*deferred));

	if (!deferred)
		return NULL;
	deferred->conn = dist_server_conn_ref(call->conn);
	deferred->deadline_ns = call->deadline_ns;
	deferred->max_record = call->conn->server->options.max_record_bytes;
	deferred->pending.xid = call->header.xid;
	deferred->pending.has_meta = call->header.has_meta;
	deferred->pending.deferred = true;
	atomic_init(&deferred->pending.cancelled, false);
	dist_list_init(&deferred->pending.link);
	return deferred;
}

static void
deferred_free(struct dist_deferred *deferred)
{
	dist_server_conn_unref(deferred->conn);
	free(deferred);
}

/* One peer must not have us remember calls without bound. */
static bool
conn_may_defer(struct dist_server_conn *conn)
{
	unsigned max = conn->server->options.max_deferred;
	bool may;

	dist_lock(&conn->lock);
	may = max == 0 || conn->n_deferred < max;
	dist_unlock(&conn->lock);
	return may;
}

struct dist_deferred *
dist_request_defer(struct svc_req *rqstp)
{
	struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);
	struct dist_deferred *deferred;
	struct dist_server_conn *conn;

	if (!call || !conn_may_defer(call->conn))
		return NULL;
	deferred = deferred_new(call);
	if (!deferred)
		return NULL;
	if (!dist_xprt_defer(rqstp->rq_xprt)) {
		deferred_free(deferred);
		return NULL;
	}
	conn = deferred->conn;
	dist_lock(&conn->lock);
	if (!dist_server_conn_gone(conn)) {
		dist_list_append(&conn->pending, &deferred->pending.link);
		conn->n_deferred++;
		atomic_fetch_add(&conn->server->n_deferred, 1);
	}
	atomic_store(&deferred->pending.cancelled,
	             atomic_load(&call->pending.cancelled));
	dist_unlock(&conn->lock);
	return deferred;
}

/* --- Answering ------------------------------------------------------------------ */

static struct dist_reply_to
deferred_reply_to(const struct dist_deferred *deferred)
{
	return (struct dist_reply_to){
		.conn = deferred->conn,
		.xid = deferred->pending.xid,
		.has_meta = deferred->pending.has_meta,
	};
}

/*
 * Append the reply, if the call is still to be answered. In one go, so that a server
 * that drains sees either a call to be answered or a reply to be sent.
 */
static enum dist_err
deferred_append(struct dist_deferred *deferred, const void *data, size_t length,
                void *memory)
{
	struct dist_server_conn *conn = deferred->conn;
	enum dist_err err;

	dist_lock(&conn->lock);
	if (!dist_list_empty(&deferred->pending.link)) {
		dist_list_remove(&deferred->pending.link);
		conn->n_deferred--;
		err = dist_server_conn_append_locked(conn, data, length, memory);
		atomic_fetch_sub(&conn->server->n_deferred, 1);
	} else {
		free(memory);
		err = dist_error_set(DIST_ECONNRESET,
		                     "the caller is gone, or the node has stopped");
	}
	dist_unlock(&conn->lock);
	if (!err)
		dist_server_conn_flush(conn);
	return err;
}

static void
deferred_fail(struct dist_deferred *deferred)
{
	struct dist_reply_to to = deferred_reply_to(deferred);
	uint8_t record[DIST_REPLY_SHORT_MAX];
	size_t length = dist_reply_accepted_write(&to, SYSTEM_ERR, record);

	(void)!deferred_append(deferred, record, length, NULL);
}

static enum dist_err
deferred_reply(struct dist_deferred *deferred, xdrproc_t xdr_result, const void *result)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_reply_to to = deferred_reply_to(deferred);
	enum dist_err err;
	char first[1024];

	dist_encoder_init(&encoder, first, sizeof(first),
	                  DIST_RECORD_MARK_SIZE + deferred->max_record);
	err = dist_reply_success_encode(&to, &encoder, xdr_result, result);
	if (err) {
		deferred_fail(deferred);
		return err;
	}
	return deferred_append(deferred, encoder.data, encoder.length,
	                       dist_reply_memory_take(&encoder));
}

enum dist_err
dist_deferred_reply(struct dist_deferred *deferred, xdrproc_t xdr_result,
                    const void *result)
{
	enum dist_err err;

	if (!deferred)
		return dist_error_set_plain(DIST_EINVAL);
	err = deferred_reply(deferred, xdr_result, result);
	deferred_free(deferred);
	return err;
}

void
dist_deferred_fail(struct dist_deferred *deferred)
{
	if (!deferred)
		return;
	deferred_fail(deferred);
	deferred_free(deferred);
}

/* --- Until then ----------------------------------------------------------------- */

int64_t
dist_deferred_time_left_ms(struct dist_deferred *deferred)
{
	return dist_request_left_ms(deferred->deadline_ns);
}

bool
dist_deferred_cancelled(struct dist_deferred *deferred)
{
	return dist_pending_unwanted(&deferred->pending, deferred->conn,
	                             deferred->deadline_ns);
}

/* --- The server stops ----------------------------------------------------------- */

/* One deferred call of @conn, out of its list; false: there is none left. */
static bool
deferred_take_one(struct dist_server_conn *conn, struct dist_reply_to *ret_to)
{
	struct dist_pending *pending, *next;
	bool found = false;

	dist_lock(&conn->lock);
	DIST_LIST_EACH (pending, next, &conn->pending, link) {
		if (!pending->deferred)
			continue;
		dist_list_remove(&pending->link);
		conn->n_deferred--;
		*ret_to = (struct dist_reply_to){ .conn = conn,
			                          .xid = pending->xid,
			                          .has_meta = pending->has_meta };
		found = true;
		break;
	}
	dist_unlock(&conn->lock);
	return found;
}

void
dist_deferred_fail_all(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_reply_to to;

	while (deferred_take_one(conn, &to)) {
		dist_reply_accepted(&to, SYSTEM_ERR);
		atomic_fetch_sub(&server->n_deferred, 1);
	}
	dist_server_conn_flush(conn);
}
