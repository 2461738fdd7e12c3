/*
 * The writer role. Whoever finds it free sends all that has gathered; others only add to
 * it meanwhile, so that what came from many threads leaves in few system calls. A thread
 * that has sent for others long enough leaves the rest to the loop.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "client/conn.h"

/* Batches that one thread sends on end. */
#define ROUNDS_MAX 16

/* A reader finds what has come, and then the end, however the send failed. */
static void
conn_break_locked(struct dist_conn *conn, int failure) DIST_REQUIRES(&conn->lock)
{
	atomic_store(&conn->send_errno, failure);
	shutdown(conn->source.fd, SHUT_RDWR);
	if (conn->reader_role == DIST_READER_NONE) {
		conn->reader_role = DIST_READER_ARMED;
		dist_conn_arm_locked(conn);
	}
}

void
dist_conn_flush_locked(struct dist_conn *conn)
{
	enum dist_sent sent = DIST_SENT_ALL;
	unsigned rounds = 0;
	bool more = true;
	int failure = 0, cancel_state;

	if (conn->writing || conn->blocked || conn->state != DIST_CONN_READY ||
	    atomic_load(&conn->send_errno) || dist_outbuf_pending(&conn->out) == 0)
		return;
	conn->writing = true;
	cancel_state = dist_cancel_off();
	while (more && sent == DIST_SENT_ALL && conn->state == DIST_CONN_READY &&
	       rounds++ < ROUNDS_MAX) {
		conn->in_hand = conn->out.appended;
		conn->last_batch = conn->n_added - conn->n_taken;
		conn->n_taken = conn->n_added;
		dist_outbuf_begin(&conn->out);
		dist_unlock(&conn->lock);
		sent = dist_outbuf_send(&conn->out, conn->source.fd);
		failure = errno;
		dist_lock(&conn->lock);
		more = dist_outbuf_end(&conn->out);
	}
	conn->writing = false;
	dist_cancel_restore(cancel_state);
	if (sent == DIST_SENT_BROKEN && conn->state == DIST_CONN_READY) {
		conn_break_locked(conn, failure);
	} else if (more && conn->state == DIST_CONN_READY) {
		/* The loop goes on when there is room, which may be at once. */
		conn->blocked = true;
		dist_conn_arm_locked(conn);
	}
	dist_conn_try_dispose_locked(conn);
}
