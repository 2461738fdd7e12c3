/* Threads that share a connection let each other run, so that much leaves at once. */
#ifndef DIST_CLIENT_CONN_GATHER_H
#define DIST_CLIENT_CONN_GATHER_H

#include "client/conn.h"

/* Whether other threads wait for calls here too, and letting them run paid lately. */
bool dist_conn_may_gather_locked(const struct dist_conn *conn) DIST_REQUIRES(&conn->lock);

/*
 * Let other threads run, and send and receive for all, until @call is over or nobody has
 * anything to do. The lock is dropped meanwhile and held again afterwards.
 */
void dist_conn_gather_locked(struct dist_conn *conn, struct dist_call *call)
	DIST_REQUIRES(&conn->lock);

#endif
