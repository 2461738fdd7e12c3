#include "client/wait.h"

#include <stdio.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/conn.h"
#include "client/inside.h"
#include "client/peer_internal.h"
#include "client/route.h"

/* --- Ending early -------------------------------------------------------------------- */

static void
call_end_text(struct dist_call *call, enum dist_err err, char *text, size_t size)
{
	struct dist_peer *peer = dist_call_current_peer(call);

	snprintf(text, size, "%s: program %#x version %u procedure %u: %s",
	         peer ? dist_peer_label(peer) : "no node yet", call->prog, call->vers,
	         call->proc, dist_error_string(err));
	dist_peer_unref(peer);
}

void
dist_call_end_now(struct dist_call *call, enum dist_err err)
{
	char text[DIST_ERROR_TEXT_MAX];
	struct dist_conn *conn;
	uint32_t xid;

	if (!dist_call_claim(call))
		return;
	if (err == DIST_EDEADLINE)
		dist_route_failed(call->route);
	call_end_text(call, err, text, sizeof(text));
	dist_call_finish(call, err, text);
	conn = dist_call_conn(call, &xid);
	if (conn) {
		dist_conn_abandon(conn, xid, call);
		dist_conn_unref(conn);
	}
}

void
dist_call_end(struct dist_call *call, enum dist_err err)
{
	struct dist_inside before = dist_inside_enter();

	dist_call_end_now(call, err);
	/* Somebody else may be writing the outcome at this moment. */
	dist_call_settle_fully(call);
	dist_inside_leave(before);
}

/* --- Waiting ------------------------------------------------------------------------- */

/*
 * Once round: on its connection if it is on one, else until it is placed; while another
 * thread writes its outcome, until it has, which no connection would tell.
 */
static void
call_wait_round(struct dist_call *call, int64_t deadline_ns)
{
	unsigned seen = atomic_load(&call->word);
	uint32_t xid;
	struct dist_conn *conn = dist_call_conn(call, &xid);
	bool open = false;

	if (conn && (seen & DIST_CALL_STATE) == DIST_CALL_PENDING)
		open = dist_conn_wait(conn, call, deadline_ns);
	if (conn)
		dist_conn_unref(conn);
	if (!open && !dist_call_over(call)) {
		dist_thread_will_block();
		dist_call_sleep(call, seen, deadline_ns);
	}
}

bool
dist_call_wait(struct dist_call *call, int64_t deadline_ns)
{
	int64_t until_ns = DIST_MIN(deadline_ns, call->deadline_ns);
	struct dist_inside before;

	if (dist_call_state(call) == DIST_CALL_DONE)
		return true;
	before = dist_inside_enter();
	dist_call_settle(call);
	while (dist_call_state(call) != DIST_CALL_DONE && !dist_deadline_passed(until_ns)) {
		call_wait_round(call, until_ns);
		dist_call_settle(call);
	}
	if (dist_call_state(call) != DIST_CALL_DONE &&
	    dist_deadline_passed(call->deadline_ns))
		dist_call_end(call, DIST_EDEADLINE);
	dist_inside_leave(before);
	return dist_call_state(call) == DIST_CALL_DONE;
}

enum dist_err
dist_call_outcome(const struct dist_call *call)
{
	if (call->err)
		dist_error_set(call->err, "%s",
		               call->text ? call->text : dist_error_string(call->err));
	return call->err;
}
