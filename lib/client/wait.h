/* Waiting for one call, and ending one early: shared by CLIENTs and waiters. */
#ifndef DIST_CLIENT_WAIT_H
#define DIST_CLIENT_WAIT_H

#include "client/call.h"

/*
 * Wait until @call is done and decoded, or @deadline_ns; false: that passed. When the
 * call's own deadline comes first it is ended here.
 */
bool dist_call_wait(struct dist_call *call, int64_t deadline_ns);

/*
 * End a call with @err, wherever it is, unless it has ended. When this returns it is
 * DONE, and nobody writes its result any more.
 */
void dist_call_end(struct dist_call *call, enum dist_err err);

/* The same without waiting for another thread that is ending it: for the loop. */
void dist_call_end_now(struct dist_call *call, enum dist_err err);

/* Of a call that is DONE: leave its error and text for the thread; returns the error. */
enum dist_err dist_call_outcome(const struct dist_call *call);

#endif
