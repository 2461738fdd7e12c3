/* One node asked for its statistics: STATS, over a connection of its own. */
#ifndef DIST_MASTER_ASK_H
#define DIST_MASTER_ASK_H

#include "client/peer.h"
#include "client/runtime.h"
#include "idl/node.h"

#include <dist/waiter.h>

struct dist_ask {
	void (*done)(void *arg);
	void *arg;
	struct dist_peer *peer;
	CLIENT *clnt;
	struct dist_waiter *waiter;
	dist_stats_result answer;
	enum dist_err err;
	char why[256]; /* for people, unless @err is DIST_OK */
};

/*
 * @done is called once, under no lock: on the runtime's callback thread, or before this
 * returns when it could not be asked; then dist_ask_finish().
 */
void dist_ask_start(struct dist_ask *ask, struct dist_runtime *runtime,
                    const char *name, const struct dist_sockaddr *address,
                    int64_t timeout_ms, void (*done)(void *arg), void *arg);

/* End it early: it is done soon. Not after dist_ask_finish(). */
void dist_ask_cancel(struct dist_ask *ask);

/*
 * Close its connection. DIST_OK: ask->answer is the caller's to xdr_free(); any other:
 * ask->why says what there was. Never on the callback thread.
 */
enum dist_err dist_ask_finish(struct dist_ask *ask) DIST_MUST_CHECK;

#endif
