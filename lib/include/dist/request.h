/*
 * What a procedure can ask of the call that it runs for.
 *
 * How long the caller still waits, whether it gave up; and that it answers later, from
 * another thread. @rqstp is what rpcgen's dispatcher hands to every procedure. On a
 * transport that is not ours (svc_run(), say) each gives a harmless default.
 */
#ifndef DIST_REQUEST_H
#define DIST_REQUEST_H

#include <dist/error.h>
#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_deferred;

/*
 * Milliseconds until the caller's deadline, never below 0; INT64_MAX when it has none, is
 * a stock client, or @rqstp is on a foreign transport.
 */
DIST_PUBLIC int64_t dist_request_time_left_ms(struct svc_req *rqstp);

/*
 * Whether nobody wants the answer any more: the caller cancelled, its deadline passed, or
 * its connection is gone. Cheap enough for an inner loop's every thousandth round.
 */
DIST_PUBLIC bool dist_request_cancelled(struct svc_req *rqstp);

/* Which attempt of the caller this is, from 1; 1 when not known. */
DIST_PUBLIC unsigned dist_request_attempt(struct svc_req *rqstp);

/*
 * Answer later: the procedure returns (TRUE or FALSE, its result is not sent) and any
 * thread replies through the handle, once. Arguments die when the procedure returns: copy
 * what is needed. A worker is free again at the return; a .serial service takes its next
 * call then.
 *
 * Given: exactly one of dist_deferred_reply() (or distgen's typed NAME_VERS_reply()) and
 * dist_deferred_fail() takes it. A handle not taken before its node stops is answered
 * SYSTEM_ERR. NULL: foreign transport, already deferred, or no memory; then answer now.
 * NULL, too, in a child that the procedure forked, which cannot answer at all.
 */
DIST_PUBLIC struct dist_deferred *dist_request_defer(struct svc_req *rqstp);

/*
 * Answer with @result, encoded by @xdr_result before this returns. @deferred is taken,
 * whatever is returned. DIST_EENCODE: the caller got SYSTEM_ERR; DIST_ECONNRESET: the
 * caller is gone; DIST_ENOMEM; DIST_EFORKED: in a child of fork(), where nothing is sent.
 */
DIST_PUBLIC enum dist_err dist_deferred_reply(struct dist_deferred *deferred,
                                              xdrproc_t xdr_result, const void *result);

/* Answer SYSTEM_ERR. Taken; NULL is nothing. */
DIST_PUBLIC void dist_deferred_fail(struct dist_deferred *deferred);

/* As the functions of the same name above, until the handle is taken. */
DIST_PUBLIC int64_t dist_deferred_time_left_ms(struct dist_deferred *deferred);
DIST_PUBLIC bool dist_deferred_cancelled(struct dist_deferred *deferred);

DIST_END_DECLS

#endif
