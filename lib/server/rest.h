/*
 * What a turn leaves unread in its connection: half a record, or whole ones for its
 * next turn. While a turn lasts it lies in the scratch of the thread that reads, and
 * between two turns in a block of the process's reserve. So whatever way the bytes were
 * cut on their way, small records take no memory, and lie in the scratch when they are
 * run.
 *
 * Large records have memory of the reader's own, as does what finds no block.
 */
#ifndef DIST_SERVER_REST_H
#define DIST_SERVER_REST_H

#include "server/conn.h"
#include "server/workers.h"

/* Both by the holder of the loop role. */

/* A turn begins, or goes on in another thread: into the scratch of @self. DIST_ENOMEM:
 * it stays in the scratch of the other thread, so the connection must end. */
enum dist_err dist_rest_take_up(struct dist_worker *self, struct dist_server_conn *conn)
	DIST_MUST_CHECK;

/* The turn is over, and the scratch for other uses. DIST_ENOMEM: the same. */
enum dist_err dist_rest_leave(struct dist_server_conn *conn) DIST_MUST_CHECK;

#endif
