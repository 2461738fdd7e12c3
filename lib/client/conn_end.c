/* A connection's end: what becomes of the calls on it, and when its memory goes. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "client/call.h"
#include "client/conn.h"
#include "client/dispatch.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/stats.h"

/*
 * The calls on a connection that ends, by what of their records may have left. What the
 * kernel did not take cannot leave any more, and a send that fails has taken nothing.
 */
struct conn_ended {
	struct dist_list sent;   /* all of it: it may have run */
	struct dist_list cut;    /* a part, which no server runs, but may have ended for */
	struct dist_list unsent; /* nothing: the server knows of no such call */
};

static void
conn_take_calls_locked(struct dist_conn *conn, struct conn_ended *ended)
	DIST_REQUIRES(&conn->lock)
{
	/* All that a writer has in hand may have left: only the writer knows, later. */
	uint64_t left = conn->writing ? conn->in_hand : conn->out.accepted;
	struct dist_call *call;
	struct dist_list *list;
	uint32_t position = 0;

	while ((call = dist_calltab_pop(&conn->calls, &position))) {
		if (call->sent_at_offset <= left)
			list = &ended->sent;
		else if (call->sent_at_offset - call->sent_bytes < left)
			list = &ended->cut;
		else
			list = &ended->unsent;
		dist_list_append(list, &call->place_link);
	}
}

typedef void conn_then_fn(struct dist_call *call, enum dist_err err, const char *why);

static void
conn_end_calls(struct dist_conn *conn, struct dist_list *calls, enum dist_outcome outcome,
               conn_then_fn *then, enum dist_err err, const char *why)
{
	struct dist_list *link;
	struct dist_call *call;

	while ((link = dist_list_pop(calls))) {
		call = DIST_CONTAINER_OF(link, struct dist_call, place_link);
		atomic_fetch_sub(&conn->peer->in_flight, 1);
		dist_stats_over(conn->peer, call, outcome);
		then(call, err, why);
	}
}

static void
conn_close(struct dist_conn *conn, enum dist_err err, const char *why, bool only_idle)
{
	enum dist_err lost_err = err == DIST_ECLOSED ? err : DIST_ECONNRESET;
	enum dist_err not_run_err = err == DIST_ECLOSED ? err : DIST_ECONNECT;
	struct dist_parked *parked, *next;
	struct conn_ended ended;
	char text[DIST_ERROR_TEXT_MAX];
	bool was_connecting;

	snprintf(text, sizeof(text), "%s: %s", dist_peer_label(conn->peer), why);
	dist_list_init(&ended.sent);
	dist_list_init(&ended.cut);
	dist_list_init(&ended.unsent);
	dist_lock(&conn->lock);
	if (conn->state == DIST_CONN_CLOSED || (only_idle && conn->calls.n_pending)) {
		dist_unlock(&conn->lock);
		return;
	}
	was_connecting = conn->state == DIST_CONN_CONNECTING;
	if (was_connecting)
		conn->unreached = strdup(why); /* NULL: a poorer text */
	conn->state = DIST_CONN_CLOSED;
	/* The runtime's threads are needed until the calls in hand here have ended. */
	dist_runtime_count_conn(conn->runtime, 1);
	conn_take_calls_locked(conn, &ended);
	DIST_LIST_EACH (parked, next, &conn->parked, link)
		dist_conn_wake_parked(parked);
	/* Whoever polls sees the end; the descriptor itself is closed when nobody has it. */
	shutdown(conn->source.fd, SHUT_RDWR);
	if (conn->reader_role == DIST_READER_ARMED)
		conn->reader_role = DIST_READER_NONE;
	conn->blocked = false;
	dist_conn_try_dispose_locked(conn);
	dist_unlock(&conn->lock);

	if (err != DIST_ECLOSED && !only_idle)
		dist_log_info("connection-lost", "peer=%s why=\"%s\"",
		              conn->peer->info.address, why);
	if (dist_loop_timer_cancel(conn->loop, &conn->connect_timer))
		dist_conn_unref(conn);
	if (dist_loop_timer_cancel(conn->loop, &conn->idle_timer))
		dist_conn_unref(conn);
	dist_peer_conn_gone(conn->peer, conn, was_connecting && err != DIST_ECLOSED);

	if (err == DIST_EBUSY)
		conn_end_calls(conn, &ended.sent, DIST_OUTCOME_DRAINING,
		               dist_dispatch_not_run, err, text);
	else
		conn_end_calls(conn, &ended.sent, DIST_OUTCOME_LOST, dist_dispatch_lost,
		               lost_err, text);
	conn_end_calls(conn, &ended.cut, DIST_OUTCOME_NOT_SENT, dist_dispatch_not_run,
	               not_run_err, text);
	conn_end_calls(conn, &ended.unsent, DIST_OUTCOME_NOT_SENT,
	               was_connecting ? dist_dispatch_not_run : dist_dispatch_unsent,
	               not_run_err, text);
	dist_runtime_count_conn(conn->runtime, -1);
}

void
dist_conn_close(struct dist_conn *conn, enum dist_err err, const char *why)
{
	conn_close(conn, err, why, false);
}

void
dist_conn_close_if_idle(struct dist_conn *conn)
{
	conn_close(conn, DIST_ECONNRESET, "not needed any more", true);
}

void
dist_conn_try_dispose_locked(struct dist_conn *conn)
{
	if (conn->state != DIST_CONN_CLOSED || conn->disposing || conn->writing ||
	    conn->n_adding || conn->reader_role != DIST_READER_NONE)
		return;
	conn->disposing = true;
	dist_loop_post(conn->loop, &conn->dispose_task);
}

/* On the loop's thread, between rounds: no event of this descriptor is on its way. */
void
dist_conn_dispose(struct dist_task *task)
{
	struct dist_conn *conn = DIST_CONTAINER_OF(task, struct dist_conn, dispose_task);
	struct dist_runtime *runtime = conn->runtime;

	/* Whoever posted this still held the lock, and maybe nothing else. */
	dist_lock(&conn->lock);
	dist_unlock(&conn->lock);
	dist_loop_remove(conn->loop, &conn->source);
	close(conn->source.fd);
	/*
	 * Nobody adds or sends any more. A large record that was not sent whole keeps its
	 * call, which remembers the connection: each would keep the other for good.
	 */
	dist_outbuf_fini(&conn->out);
	dist_conn_unref(conn);
	dist_runtime_count_conn(runtime, -1);
}
