#ifndef DIST_SERVER_DEFERRED_H
#define DIST_SERVER_DEFERRED_H

#include "base/shared.h"
#include "server/conn.h"

#include <dist/request.h>

struct dist_server;

/*
 * Answer with @results, which are encoded already and may answer other calls as well.
 * @deferred is taken; of @results a reference is kept for as long as need be. The errors
 * of dist_deferred_reply().
 */
enum dist_err dist_deferred_reply_shared(struct dist_deferred *deferred,
                                         struct dist_shared *results) DIST_MUST_CHECK;

/* What @conn keeps for later handles; under its lock, or by the last that has it. */
void dist_deferred_free_spares(struct dist_server_conn *conn);

/* The server stops: every deferred call of @conn is answered SYSTEM_ERR, and its handle
 * is good for nothing any more but to be freed. */
void dist_deferred_fail_all(struct dist_server *server, struct dist_server_conn *conn);

#endif
