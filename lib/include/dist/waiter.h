/*
 * Asynchronous calls: the same stub, started by dist_go(), gives a waiter.
 *
 *	struct dist_waiter *w = dist_go(arith, arith_sum_1, args, &sum);
 *	if (dist_waiter_wait(w, DIST_FOREVER) == DIST_OK)
 *		printf("%s: %ld\n", dist_waiter_node(w)->name, (long)sum);
 *	else
 *		printf("%s\n", dist_waiter_error(w));
 *	dist_waiter_free(w);
 *
 * A call ends once: with its result decoded, or with an error that says what is known
 * of it. The arguments are encoded before dist_go() returns. The result (zeroed before,
 * as rpcgen's decoding wants) must stay until the call has ended, and is written by the
 * time a wait returns DIST_OK; xdr_free() or clnt_freeres() what it points to.
 *
 * Every function here takes a NULL waiter, the answer of a dist_go() that could not
 * start, and treats it as a call that failed.
 */
#ifndef DIST_WAITER_H
#define DIST_WAITER_H

#include <dist/cluster.h>
#include <dist/error.h>
#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_waiter;
struct dist_queue;

#define DIST_FOREVER ((int64_t)-1)

/*
 * Start a call: dist_go(clnt, stub, arguments..., result).
 *
 * @stub  a client stub of rpcgen -M (or -N -M), which checks the types of all arguments.
 *        Each argument is evaluated once. A void result is passed as NULL.
 *
 * Given: dist_waiter_free() it. NULL when the call could not be started: no live node,
 * arguments that do not encode, no memory, the cluster's own bound reached (and with its
 * wait_for_room, still so at the call's deadline), or @clnt is none of ours;
 * dist_error_text() of this thread says which, in a sentence.
 */
#define dist_go(clnt, stub, ...) \
	dist_go_started((stub)(__VA_ARGS__, dist_go_client(clnt)))

/* The two halves of dist_go(): not for use by hand. */
DIST_PUBLIC CLIENT *dist_go_client(CLIENT *clnt);
DIST_PUBLIC struct dist_waiter *dist_go_started(enum clnt_stat stat);

/*
 * Wait until a call has its reply, has failed, or time is up.
 *
 * @waiter      borrowed; still yours, whatever is returned.
 * @timeout_ms  milliseconds from now; 0 only looks; DIST_FOREVER never gives up.
 *
 * DIST_OK: the result is filled in. DIST_ETIMEDOUT: this wait is over and the call goes
 * on. All else is how the call ended: DIST_EDEADLINE, its own deadline passed;
 * DIST_ECONNRESET, sent, then the connection was lost, so it may have run; DIST_ECONNECT,
 * DIST_EBUSY or DIST_ENONODE, it did not run; DIST_ERPC, the server answered no and
 * dist_waiter_status() says how (RFC 5531 section 9); DIST_EDECODE; DIST_ECANCELED;
 * DIST_ECLOSED; DIST_EDEADLK, called by the callback of this very waiter, which asks
 * dist_waiter_status() instead; DIST_EFORKED; DIST_EINVAL for NULL.
 *
 * Any number of threads at once. The caller's signals are left alone; pthread_cancel()
 * is held off inside, and longjmp() out of it is forbidden.
 */
DIST_PUBLIC enum dist_err dist_waiter_wait(struct dist_waiter *waiter,
                                           int64_t timeout_ms) DIST_MUST_CHECK;

/* Whether it has ended: a wait would not block. True for NULL. */
DIST_PUBLIC bool dist_waiter_done(struct dist_waiter *waiter);

/*
 * Wait until all @n_waiters have ended, or @timeout_ms are over (DIST_ETIMEDOUT). The
 * first error in the order of the array, a NULL counting as DIST_EINVAL, is returned
 * after all have ended; DIST_OK: all went well.
 */
DIST_PUBLIC enum dist_err dist_wait_all(struct dist_waiter *const *waiters,
                                        size_t n_waiters,
                                        int64_t timeout_ms) DIST_MUST_CHECK;

/*
 * Wait until one of @n_waiters has ended; @ret_index says which, the result is how that
 * call ended. NULLs are skipped; DIST_EINVAL: there is nothing else. DIST_ETIMEDOUT:
 * none ended in time; @ret_index is untouched.
 */
DIST_PUBLIC enum dist_err dist_wait_any(struct dist_waiter *const *waiters,
                                        size_t n_waiters, int64_t timeout_ms,
                                        size_t *ret_index) DIST_MUST_CHECK;

/*
 * The node that answered, or was tried last; NULL until the call has ended, and when no
 * node was picked. Borrowed until the waiter is freed.
 */
DIST_PUBLIC const struct dist_node_info *dist_waiter_node(struct dist_waiter *waiter);

/*
 * How it failed, in a sentence with node and address; "" while in flight and after
 * success. Borrowed until the waiter is freed.
 */
DIST_PUBLIC const char *dist_waiter_error(struct dist_waiter *waiter);

/* RPC_INPROGRESS until it has ended, then what the synchronous stub would return. */
DIST_PUBLIC enum clnt_stat dist_waiter_status(struct dist_waiter *waiter);

/* The full RPC error (versions of a mismatch, auth status); as clnt_geterr(). */
DIST_PUBLIC void dist_waiter_rpc_error(struct dist_waiter *waiter,
                                       struct rpc_err *ret_error);

/*
 * End the call now with DIST_ECANCELED, unless it has ended; the node is told. When this
 * returns nobody writes the result any more.
 */
DIST_PUBLIC void dist_waiter_cancel(struct dist_waiter *waiter);

/*
 * Have @fn called once, when the call has ended (at once if it has), on a callback
 * thread of the cluster that does no I/O. It may start, make and wait for other calls,
 * and may free its waiter; when the waiter was freed before, @waiter is NULL. One
 * callback a waiter: DIST_EINVAL for a second, or for NULL; DIST_ECLOSED when its cluster
 * was closed before (@fn is never called then).
 */
typedef void dist_waiter_fn(struct dist_waiter *waiter, void *arg);
DIST_PUBLIC enum dist_err dist_waiter_then(struct dist_waiter *waiter, dist_waiter_fn *fn,
                                           void *arg) DIST_MUST_CHECK;

/* Free a waiter; one in flight is cancelled first. Taken; NULL is nothing. */
DIST_PUBLIC void dist_waiter_free(struct dist_waiter *waiter);

/*
 * A queue harvests many calls in the order in which they end.
 *
 *	dist_queue_add(queue, dist_go(arith, arith_sum_1, args, &sums[i]), &sums[i]);
 *	while ((w = dist_queue_take(queue, DIST_FOREVER)))
 *		...
 */

/* Given: dist_queue_free() it. DIST_ENOMEM, DIST_ESYSTEM (no descriptor). */
DIST_PUBLIC enum dist_err dist_queue_new(struct dist_queue **ret_queue) DIST_MUST_CHECK;

/*
 * Give a waiter to the queue: it comes out of dist_queue_take() once its call has ended.
 * @waiter is taken until then. @tag is the caller's, see dist_waiter_tag(). A waiter is
 * given to one queue, once. DIST_EINVAL: NULL, or given before; not taken then.
 */
DIST_PUBLIC enum dist_err dist_queue_add(struct dist_queue *queue,
                                         struct dist_waiter *waiter,
                                         void *tag) DIST_MUST_CHECK;

/*
 * Take a waiter whose call has ended: it is yours again, dist_waiter_free() it. NULL:
 * none has within @timeout_ms, or none is left in the queue, finished or in flight.
 */
DIST_PUBLIC struct dist_waiter *dist_queue_take(struct dist_queue *queue,
                                                int64_t timeout_ms);

/*
 * The same until a point in time, in nanoseconds of CLOCK_MONOTONIC, for who has something
 * else to do then. One that has passed only looks.
 */
DIST_PUBLIC struct dist_waiter *dist_queue_take_until(struct dist_queue *queue,
                                                      int64_t until_ns);

/* Waiters in the queue, finished or in flight. */
DIST_PUBLIC size_t dist_queue_length(struct dist_queue *queue);

/*
 * A descriptor that is readable while dist_queue_take() would give a waiter at once, for
 * poll() and event loops; it is the queue's, and not to be read. Sends what is unsent.
 */
DIST_PUBLIC int dist_queue_fd(struct dist_queue *queue);

/* What dist_queue_add() was given; NULL before. */
DIST_PUBLIC void *dist_waiter_tag(struct dist_waiter *waiter);

/* Cancel and free all that is in the queue, then the queue. Taken; NULL is nothing. */
DIST_PUBLIC void dist_queue_free(struct dist_queue *queue);

DIST_END_DECLS

#endif
