#include "server/call.h"

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/large.h"
#include "idl/node.h"
#include "server/core.h"

#include <stdlib.h>

static int64_t
call_deadline(const struct dist_call_header *header, int64_t now_ns)
{
	if (!header->has_meta || header->meta.left_ms == DIST_META_NO_DEADLINE)
		return DIST_NEVER;
	return now_ns + header->meta.left_ms * DIST_NS_PER_MS;
}

void
dist_server_call_init(struct dist_server_call *call, struct dist_server_conn *conn,
                      struct dist_served *served, int64_t now_ns)
{
	const struct dist_call_header *header = &call->header;

	call->conn = conn;
	call->served = served;
	call->pace = dist_served_pace(served, header->proc);
	call->counts = dist_served_counts(served, call->pace);
	call->deadline_ns = call_deadline(header, now_ns);
	call->received_ns = now_ns;
	/* What is sent for a dispatcher that says nothing. */
	call->outcome = DIST_OUTCOME_SYSTEM_ERROR;
	call->reply_bytes = 0;
	call->adopted = false;
	call->record_bytes = 0;
	call->memory = NULL;
	call->pending.xid = header->xid;
	call->pending.deferred = false;
	call->pending.has_meta = header->has_meta;
	atomic_init(&call->pending.cancelled, false);
	dist_list_init(&call->pending.link);
	dist_list_init(&call->link);
}

/* The header's pieces, when what lay at @from lies at @to. */
static void
call_move_header(struct dist_server_call *call, const uint8_t *from, const uint8_t *to)
{
	struct dist_call_header *header = &call->header;

	header->cred.body.data = to + (header->cred.body.data - from);
	header->verf.body.data = to + (header->verf.body.data - from);
	header->args.data = to + (header->args.data - from);
}

enum dist_err
dist_server_call_own_record(struct dist_server_call *call, struct dist_bytes record)
{
	struct dist_bytes taken;
	enum dist_err err;

	err = dist_record_reader_take(&call->conn->reader, record, &call->memory,
	                              &taken);
	if (err)
		return err;
	call_move_header(call, record.data, taken.data);
	return DIST_OK;
}

void
dist_server_call_args_gone(struct dist_server_call *call, const uint8_t *before)
{
	call_move_header(call, before, call->memory);
	call->header.args.length = 0;
}

enum dist_err
dist_server_call_new(struct dist_server_call **ret_call,
                     const struct dist_server_call *from, struct dist_bytes record)
{
	struct dist_call_memory *memory = &from->conn->server->workers.memory;
	size_t size = from->memory ? 0 : record.length;
	bool reusable = size <= DIST_SERVER_CALL_RECORD;
	struct dist_server_call *call;

	call = reusable ? dist_call_memory_take(memory) : malloc(sizeof(*call) + size);
	if (!call)
		return dist_error_set_plain(DIST_ENOMEM);
	*call = *from;
	call->reusable = reusable;
	call->record_bytes = record.length;
	dist_list_init(&call->pending.link);
	dist_list_init(&call->link);
	if (size > 0) {
		dist_copy(call + 1, record.data, size);
		call_move_header(call, record.data, (const uint8_t *)(call + 1));
	}
	dist_server_call_adopt(call);
	*ret_call = call;
	return DIST_OK;
}

void
dist_server_call_end(struct dist_server_call *call)
{
	dist_server_call_disown(call);
	dist_large_free(call->memory);
	call->memory = NULL;
}

void
dist_server_call_adopt(struct dist_server_call *call)
{
	struct dist_server_conn *conn = dist_server_conn_ref(call->conn);

	dist_lock(&conn->lock);
	dist_pending_add_locked(conn, &call->pending);
	dist_unlock(&conn->lock);
	call->adopted = true;
}

void
dist_server_call_disown(struct dist_server_call *call)
{
	struct dist_server_conn *conn = call->conn;

	if (!call->adopted)
		return;
	call->adopted = false;
	dist_lock(&conn->lock);
	dist_pending_remove_locked(conn, &call->pending);
	dist_unlock(&conn->lock);
	dist_server_conn_unref(conn);
}

bool
dist_pending_unwanted(const struct dist_pending *pending,
                      const struct dist_server_conn *conn, int64_t deadline_ns)
{
	return atomic_load_explicit(&pending->cancelled, memory_order_relaxed) ||
	       dist_server_conn_gone(conn) ||
	       (deadline_ns != DIST_NEVER && dist_clock_ns() >= deadline_ns);
}

/*
 * Callers round what they have left to milliseconds: one later the time is over by the
 * caller's clock as well, so that it has nothing to do with what it is told.
 */
static bool
call_is_late(const struct dist_server_call *call)
{
	return call->deadline_ns != DIST_NEVER &&
	       dist_clock_ns() >= call->deadline_ns + DIST_NS_PER_MS;
}

/*
 * A caller that does not read is not read either, but what it had queued until then may
 * have replies of any size. Two of the largest are kept for it.
 */
static bool
call_has_no_room(const struct dist_server_call *call)
{
	const struct dist_server_conn *conn = call->conn;
	size_t max_record = conn->server->options.max_record_bytes;

	return atomic_load_explicit(&conn->unsent, memory_order_relaxed) >
	       2 * max_record + DIST_SERVER_OUTPUT_MAX;
}

enum dist_call_fate
dist_server_call_fate(const struct dist_server_call *call)
{
	if (dist_server_conn_gone(call->conn))
		return DIST_CALL_UNWANTED;
	if (atomic_load_explicit(&call->pending.cancelled, memory_order_relaxed))
		return DIST_CALL_CANCELLED;
	if (call_is_late(call))
		return DIST_CALL_UNWANTED;
	if (atomic_load(&call->conn->server->stopping))
		return DIST_CALL_STOPPED;
	return call_has_no_room(call) ? DIST_CALL_BUSY : DIST_CALL_RUNS;
}
