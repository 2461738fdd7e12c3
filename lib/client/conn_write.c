/*
 * The writer role. Whoever finds it free sends all that has gathered, and goes on until
 * nothing is left; others only add to it meanwhile, so that what came from many threads
 * leaves in few system calls.
 */
#include <errno.h>

#include "client/conn.h"

bool
dist_conn_flush_locked(struct dist_conn *conn)
{
	enum dist_sent sent = DIST_SENT_ALL;
	bool more = true;
	int failure = 0;

	if (conn->writing || conn->blocked || conn->state != DIST_CONN_READY ||
	    dist_outbuf_pending(&conn->out) == 0)
		return true;
	conn->writing = true;
	while (more && sent == DIST_SENT_ALL && conn->state == DIST_CONN_READY) {
		conn->in_hand = conn->out.appended;
		dist_outbuf_begin(&conn->out);
		dist_unlock(&conn->lock);
		sent = dist_outbuf_send(&conn->out, conn->source.fd);
		failure = errno;
		dist_lock(&conn->lock);
		more = dist_outbuf_end(&conn->out);
	}
	conn->writing = false;
	if (sent == DIST_SENT_BLOCKED && conn->state == DIST_CONN_READY) {
		conn->blocked = true;
		dist_conn_arm_locked(conn);
	}
	dist_conn_try_dispose_locked(conn);
	errno = failure;
	return sent != DIST_SENT_BROKEN || conn->state == DIST_CONN_CLOSED;
}
