#ifndef DIST_SERVER_DEFERRED_H
#define DIST_SERVER_DEFERRED_H

#include "server/conn.h"

struct dist_server;

/* The server stops: every deferred call of @conn is answered SYSTEM_ERR, and its handle
 * is good for nothing any more but to be freed. */
void dist_deferred_fail_all(struct dist_server *server, struct dist_server_conn *conn);

#endif
