/* Telling a node that a call's answer is not wanted any more (idl/node.x, CANCEL). */
#ifndef DIST_CLIENT_CANCEL_H
#define DIST_CLIENT_CANCEL_H

#include <stdint.h>

#include "client/conn.h"

/* Queue a CANCEL of @xid on the connection it was sent on; its reply is dropped. Where
 * memory is short the node is not told: it finishes for nothing, which harms nobody. */
void dist_cancel_queue_locked(struct dist_conn *conn, uint32_t xid)
	DIST_REQUIRES(&conn->lock);

#endif
