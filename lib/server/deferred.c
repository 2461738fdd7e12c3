/*
 * Calls that are answered later, by any thread (public side: dist/request.h).
 *
 * A handle is in its connection's list of pending calls until one of these takes it
 * out, under the connection's lock: a reply, the end of the connection, or the server's
 * stop. Whoever finds it there answers, or says that nobody can; so the handle may
 * outlive the connection and the server, and a call is answered once.
 *
 * The memory of one that was answered stays with its connection for the next one, until
 * the connection has been quiet for a while.
 */
#include "server/deferred.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/log.h"
#include "server/core.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/xprt.h"

#include <stdlib.h>

/* Handles that a connection keeps for later. */
#define SPARES_MAX 256

struct dist_deferred {
	struct dist_deferred *next;    /* of those that are kept */
	struct dist_server_conn *conn; /* referenced */
	int64_t deadline_ns;
	unsigned fork_generation;
	size_t max_record; /* the server may be gone when it is wanted */
	struct dist_pending pending;
};

/* --- Birth and death ------------------------------------------------------------ */

/* NULL: no memory, or @conn has too many: one peer must not have us remember calls
 * without bound. */
static struct dist_deferred *
deferred_allocate(struct dist_server_conn *conn)
{
	unsigned max = conn->server->options.max_deferred;
	struct dist_deferred *spare = NULL;
	bool may;

	dist_lock(&conn->lock);
	may = max == 0 || conn->n_deferred < max;
	if (may && conn->spare_handles) {
		spare = conn->spare_handles;
		conn->spare_handles = spare->next;
		conn->n_spare_handles--;
	}
	dist_unlock(&conn->lock);
	if (!may)
		return NULL;
	return spare ? spare : malloc(sizeof(struct dist_deferred));
}

static struct dist_deferred *
deferred_new(const struct dist_server_call *call)
{
	struct dist_deferred *deferred = deferred_allocate(call->conn);

	if (!deferred)
		return NULL;
	deferred->conn = dist_server_conn_ref(call->conn);
	deferred->deadline_ns = call->deadline_ns;
	deferred->fork_generation = dist_fork_generation();
	deferred->max_record = call->conn->server->options.max_record_bytes;
	deferred->pending.xid = call->header.xid;
	deferred->pending.has_meta = call->header.has_meta;
	deferred->pending.deferred = true;
	deferred->pending.counts = call->counts;
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

/* Answered: its memory is the connection's. False: that has enough. */
static bool
deferred_keep_locked(struct dist_deferred *deferred, struct dist_server_conn *conn)
	DIST_REQUIRES(&conn->lock)
{
	if (conn->n_spare_handles == SPARES_MAX)
		return false;
	deferred->next = conn->spare_handles;
	conn->spare_handles = deferred;
	conn->n_spare_handles++;
	return true;
}

void
dist_deferred_free_spares(struct dist_server_conn *conn)
{
	struct dist_deferred *deferred;

	while ((deferred = conn->spare_handles)) {
		conn->spare_handles = deferred->next;
		free(deferred);
	}
	conn->n_spare_handles = 0;
}

struct dist_deferred *
dist_request_defer(struct svc_req *rqstp)
{
	struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);
	struct dist_deferred *deferred;
	struct dist_server_conn *conn;

	if (!call || dist_xprt_forked(rqstp->rq_xprt))
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
		dist_pending_add_locked(conn, &deferred->pending);
		conn->n_deferred++;
		atomic_fetch_add(&conn->server->n_deferred, 1);
	} else {
		dist_server_stats_over(call->counts, DIST_OUTCOME_EXPIRED);
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

/* It is to be answered, with @length bytes, and nobody else does from now on. */
static enum dist_err
deferred_take_locked(struct dist_deferred *deferred, struct dist_server_conn *conn,
                     enum dist_outcome outcome, size_t length)
	DIST_REQUIRES(&conn->lock)
{
	if (dist_list_empty(&deferred->pending.link))
		return dist_error_set(DIST_ECONNRESET,
		                      "the caller is gone, or the node has stopped");
	dist_pending_remove_locked(conn, &deferred->pending);
	conn->n_deferred--;
	dist_server_stats_over(deferred->pending.counts, outcome);
	if (outcome == DIST_OUTCOME_OK)
		dist_count_add(&deferred->pending.counts->reply_bytes, length);
	return DIST_OK;
}

/* The handle's own end, after a locked section that may have kept its memory; what was
 * appended there leaves. */
static void
deferred_end(struct dist_deferred *deferred, bool kept, struct dist_server_conn *conn,
             bool flush)
{
	if (!kept)
		free(deferred);
	if (flush)
		dist_server_conn_flush(conn);
	dist_server_conn_unref(conn);
}

/*
 * Append the reply, if the call is still to be answered. In one go, so that a server
 * that drains sees either a call to be answered or a reply to be sent. The handle is
 * taken, as is @memory.
 */
static enum dist_err
deferred_append(struct dist_deferred *deferred, enum dist_outcome outcome,
                const void *data, size_t length, void *memory)
{
	struct dist_server_conn *conn = deferred->conn;
	enum dist_err err;
	bool kept;

	dist_lock(&conn->lock);
	err = deferred_take_locked(deferred, conn, outcome, length);
	if (err) {
		free(memory);
	} else {
		err = dist_server_conn_append_locked(conn, data, length, memory);
		atomic_fetch_sub(&conn->server->n_deferred, 1);
	}
	kept = deferred_keep_locked(deferred, conn);
	dist_unlock(&conn->lock);
	deferred_end(deferred, kept, conn, !err);
	return err;
}

/* The handle is taken, by each of these. */
static void
deferred_fail(struct dist_deferred *deferred)
{
	struct dist_reply_to to = deferred_reply_to(deferred);
	uint8_t record[DIST_REPLY_SHORT_MAX];
	size_t length = dist_reply_accepted_write(&to, SYSTEM_ERR, record);

	(void)!deferred_append(deferred, DIST_OUTCOME_SYSTEM_ERROR, record, length, NULL);
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
	return deferred_append(deferred, DIST_OUTCOME_OK, encoder.data, dist_encoder_length(&encoder),
	                       dist_reply_memory_take(&encoder));
}

/* In a fork's child locks may be held for ever, and the socket is the parent's. */
static bool
deferred_forked(const struct dist_deferred *deferred)
{
	return deferred->fork_generation != dist_fork_generation();
}

enum dist_err
dist_deferred_reply(struct dist_deferred *deferred, xdrproc_t xdr_result,
                    const void *result)
{
	if (!deferred)
		return dist_error_set_plain(DIST_EINVAL);
	if (deferred_forked(deferred))
		return dist_error_set_plain(DIST_EFORKED);
	return deferred_reply(deferred, xdr_result, result);
}

static enum dist_err
deferred_reply_shared(struct dist_deferred *deferred, struct dist_shared *results)
{
	struct dist_reply_to to = deferred_reply_to(deferred);
	struct dist_server_conn *conn = deferred->conn;
	uint8_t head[DIST_REPLY_SHORT_MAX];
	size_t length = dist_reply_accepted_write(&to, SUCCESS, head);
	enum dist_err err;
	bool kept;

	dist_record_mark(head, length - DIST_RECORD_MARK_SIZE + results->length);
	dist_lock(&conn->lock);
	err = deferred_take_locked(deferred, conn, DIST_OUTCOME_OK,
	                           length + results->length);
	if (!err) {
		err = dist_server_conn_append_shared_locked(conn, head, length, results);
		atomic_fetch_sub(&conn->server->n_deferred, 1);
	}
	kept = deferred_keep_locked(deferred, conn);
	dist_unlock(&conn->lock);
	deferred_end(deferred, kept, conn, !err);
	return err;
}

enum dist_err
dist_deferred_reply_shared(struct dist_deferred *deferred, struct dist_shared *results)
{
	if (results->length + DIST_REPLY_HEADER_MAX <= deferred->max_record)
		return deferred_reply_shared(deferred, results);
	deferred_fail(deferred);
	return dist_error_set(DIST_ETOOBIG, "a reply of %zu bytes is too long",
	                      results->length);
}

void
dist_deferred_fail(struct dist_deferred *deferred)
{
	if (deferred && !deferred_forked(deferred))
		deferred_fail(deferred);
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
		dist_pending_remove_locked(conn, pending);
		dist_server_stats_over(pending->counts, DIST_OUTCOME_SYSTEM_ERROR);
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
