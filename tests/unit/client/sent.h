/*
 * Whether calls have left: whoever is killed then has them, and whoever is not has not.
 * No time tells that, on a busy machine; the connections do.
 */
#ifndef UNIT_CLIENT_SENT_H
#define UNIT_CLIENT_SENT_H

#include "client/cluster.h"
#include "client/conn.h"
#include "client/peer_internal.h"

#include <sched.h>

/* Calls of this connection; none, as long as bytes of one wait to be sent. */
static inline unsigned
sent_on(struct dist_conn *conn)
{
	unsigned n = 0;

	dist_lock(&conn->lock);
	if (conn->state == DIST_CONN_READY && dist_outbuf_pending(&conn->out) == 0)
		n = conn->calls.n_pending;
	dist_unlock(&conn->lock);
	return n;
}

/* Until all that it has in flight has left. Nobody starts or ends calls meanwhile. */
static inline void
until_all_is_sent_to(struct dist_peer *peer)
{
	unsigned n;

	do {
		sched_yield();
		n = 0;
		for (unsigned i = 0; i < DIST_N_LANES; i++) {
			struct dist_conn *conn = NULL;

			dist_lock(&peer->lock);
			if (peer->conns[i])
				conn = dist_conn_ref(peer->conns[i]);
			dist_unlock(&peer->lock);
			if (!conn)
				continue;
			n += sent_on(conn);
			dist_conn_unref(conn);
		}
	} while (n < atomic_load(&peer->in_flight));
}

/* ... in a cluster of fixed servers. */
static inline void
until_all_is_sent(struct dist_cluster *cluster)
{
	for (size_t i = 0; i < cluster->members.n; i++)
		until_all_is_sent_to(cluster->members.list[i]->peer);
}

#endif
