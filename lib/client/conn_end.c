/* A connection's end: what becomes of the calls on it, and when its memory goes. */
#include <stdio.h>
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

/* Calls out of the table: those that were sent, and those that certainly were not. */
static void
conn_take_calls_locked(struct dist_conn *conn, struct dist_list *sent,
                       struct dist_list *unsent) DIST_REQUIRES(&conn->lock)
{
	/* All that a writer has in hand may have left: only the writer knows, later. */
	uint64_t left = conn->writing ? conn->in_hand : conn->out.accepted;
	struct dist_call *call;
	uint32_t position = 0;

	while ((call = dist_calltab_pop(&conn->calls, &position)))
		dist_list_append(call->sent_at_offset <= left ? sent : unsent,
		                 &call->place_link);
}

static void
conn_close(struct dist_conn *conn, enum dist_err err, const char *why, bool only_idle)
{
	struct dist_list sent, unsent, *link;
	struct dist_parked *parked, *next;
	struct dist_call *call;
	char text[DIST_ERROR_TEXT_MAX];
	bool was_connecting;

	snprintf(text, sizeof(text), "%s: %s", dist_peer_label(conn->peer), why);
	dist_list_init(&sent);
	dist_list_init(&unsent);
	dist_lock(&conn->lock);
	if (conn->state == DIST_CONN_CLOSED || (only_idle && conn->calls.n_pending)) {
		dist_unlock(&conn->lock);
		return;
	}
	was_connecting = conn->state == DIST_CONN_CONNECTING;
	conn->state = DIST_CONN_CLOSED;
	/* The runtime's threads are needed until the calls in hand here have ended. */
	dist_runtime_count_conn(conn->runtime, 1);
	conn_take_calls_locked(conn, &sent, &unsent);
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

	while ((link = dist_list_pop(&sent))) {
		call = DIST_CONTAINER_OF(link, struct dist_call, place_link);
		atomic_fetch_sub(&conn->peer->in_flight, 1);
		if (err == DIST_EBUSY) {
			dist_stats_over(conn->peer, call, DIST_OUTCOME_DRAINING);
			dist_dispatch_not_run(call, err, text);
			continue;
		}
		dist_stats_over(conn->peer, call, DIST_OUTCOME_LOST);
		dist_dispatch_lost(call, err == DIST_ECLOSED ? err : DIST_ECONNRESET, text);
	}
	while ((link = dist_list_pop(&unsent))) {
		call = DIST_CONTAINER_OF(link, struct dist_call, place_link);
		atomic_fetch_sub(&conn->peer->in_flight, 1);
		dist_stats_over(conn->peer, call, DIST_OUTCOME_NOT_SENT);
		dist_dispatch_not_run(call, err == DIST_ECLOSED ? err : DIST_ECONNECT, text);
	}
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
