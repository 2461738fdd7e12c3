/*
 * Placing a call: pick a peer, give the call to a connection, and when that came to
 * nothing decide what becomes of it. No call is run twice unless it was declared
 * idempotent, and none is lost without a word:
 *
 *   it did not run (not sent, refused unrun, not served there)   another peer is tried
 *   not a byte of it was sent, as a connection that had been     the same, and when none is
 *   up has ended                                                 left that peer anew, once
 *   sent, then the connection was lost: it may have run          another peer, if the call
 *                                                                is idempotent; else over
 *   the server answered with another error                       over
 *   all peers are busy                                           again a little later, for
 *                                                                a caller that waits
 *
 * All functions take one reference of the call's, and are called under no lock.
 */
#ifndef DIST_CLIENT_DISPATCH_H
#define DIST_CLIENT_DISPATCH_H

#include "client/call.h"

struct dist_reply_header;

/* The same as dist_dispatch_place(), by the thread that made the call. */
void dist_dispatch_start(struct dist_call *call);

/* This thread is in dist_dispatch_start() of a synchronous call, and will wait for it. */
bool dist_dispatch_caller_waits(const struct dist_call *call);

/* The last try of @call came to nothing, and so did its second (hedge.h): go on. */
void dist_dispatch_resume(struct dist_call *call, const struct dist_call *second);

/* Find a peer for it, one that it has not tried. */
void dist_dispatch_place(struct dist_call *call);

/* The connection ended before its record was sent, or the peer refused it unrun. */
void dist_dispatch_not_run(struct dist_call *call, enum dist_err err, const char *why);

/* A connection that had been up ended, and the kernel had taken no byte of its record. */
void dist_dispatch_unsent(struct dist_call *call, enum dist_err err, const char *why);

/* The connection ended after its record was sent. */
void dist_dispatch_lost(struct dist_call *call, enum dist_err err, const char *why);

/* A reply that is no success came over @conn. */
void dist_dispatch_refused(struct dist_call *call, struct dist_conn *conn,
                           const struct dist_reply_header *header);

#endif
