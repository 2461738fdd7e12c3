/*
 * Runs a call's procedure: one SVCXPRT per call, on the running thread's stack, under
 * the dispatcher that rpcgen made.
 */
#ifndef DIST_SERVER_XPRT_H
#define DIST_SERVER_XPRT_H

#include "server/call.h"

#include <rpc/rpc.h>

/* What a reply is encoded into first. */
#define DIST_XPRT_SCRATCH_SIZE (DIST_OUTBUF_COPY_MAX + (size_t)64)

/*
 * Run it, and see that it is answered: a dispatcher that returns without a reply, and
 * without having deferred one, has SYSTEM_ERR sent. @scratch has DIST_XPRT_SCRATCH_SIZE
 * bytes. Replies are appended, not flushed.
 */
void dist_xprt_run(struct dist_server_call *call, void *scratch);

/* The call that @xprt is of; NULL: a transport that is not ours. */
struct dist_server_call *dist_xprt_call(const SVCXPRT *xprt);

/* Its reply comes later: whatever the procedure returns is not sent. False: it has been
 * replied to, or deferred, already. */
bool dist_xprt_defer(SVCXPRT *xprt);

#endif
