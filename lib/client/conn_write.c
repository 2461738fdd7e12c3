/*
 * The writer role. Whoever finds it free sends all that has gathered; others only add to
 * it meanwhile, so that what came from many threads leaves in few system calls. A thread
 * that has sent for others long enough leaves the rest to the loop.
 */
#include <errno.h>

#include "base/thread.h"
#include "client/conn.h"

/* Batches that one thread sends on end. */
#define ROUNDS_MAX 16

bool
dist_conn_flush_locked(struct dist_conn *conn)
{
	enum dist_sent sent = DIST_SENT_ALL;
	unsigned rounds = 0;
	bool more = true;
	int failure = 0, cancel_state;

	if (conn->writing || conn->blocked || conn->state != DIST_CONN_READY ||
	    dist_outbuf_pending(&conn->out) == 0)
		return true;
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
	/* The loop goes on when there is room, which may be at once. */
	if (more && sent != DIST_SENT_BROKEN && conn->state == DIST_CONN_READY) {
		conn->blocked = true;
		dist_conn_arm_locked(conn);
	}
	dist_conn_try_dispose_locked(conn);
	errno = failure;
	return sent != DIST_SENT_BROKEN || conn->state == DIST_CONN_CLOSED;
}
