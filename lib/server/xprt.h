/*
 * Runs a call's procedure: one SVCXPRT per call, on the running thread's stack, under
 * the dispatcher that rpcgen made.
 */
#ifndef DIST_SERVER_XPRT_H
#define DIST_SERVER_XPRT_H

#include "server/call.h"
#include "server/replies.h"

#include <rpc/rpc.h>

/*
 * Run it, and see that it is answered: a dispatcher that returns without a reply, and
 * without having deferred one, has SYSTEM_ERR sent. Nothing is flushed. In a child that
 * the procedure forked it does not return: the child ends.
 *
 * @replies  this thread's; what the procedure answers is encoded there.
 * @gather   it stays there, as one of many; else it is appended to the connection's
 *           output, as are errors and large results always.
 */
void dist_xprt_run(struct dist_server_call *call, struct dist_replies *replies,
                   bool gather);

/* The call that @xprt is of; NULL: a transport that is not ours. */
struct dist_server_call *dist_xprt_call(const SVCXPRT *xprt);

/* In a child that its procedure forked: it is the parent's to answer. */
bool dist_xprt_forked(const SVCXPRT *xprt);

/* Its reply comes later: whatever the procedure returns is not sent. False: it has been
 * replied to, or deferred, already. */
bool dist_xprt_defer(SVCXPRT *xprt);

#endif
