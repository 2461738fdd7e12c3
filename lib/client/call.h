/*
 * A call: from encoded arguments to an outcome. A waiter is a caller's reference to one.
 *
 *   PENDING  --> REPLIED --> DECODING --> DONE
 *      |                        ^
 *      +------------------------+
 *
 *   PENDING  -> REPLIED   [dist_call_replied]  a large reply, for its waiter to decode
 *   PENDING  -> DECODING  [dist_call_claim]    a reply is here, or it failed, was
 *   REPLIED  -> DECODING                       cancelled, or its deadline passed
 *   DECODING -> DONE      [dist_call_finish]   by the one thread whose claim succeeded
 *
 * PENDING:  it is with a connection, on its way to one, or waits for a node.
 * DECODING: one thread writes the result and the outcome.
 * DONE:     result and outcome stay; whoever slept was woken, observers were told.
 *
 * The state word is a futex. Beside the state it has a bit that says that threads sleep
 * on it, one for observers, and a count that is moved to wake a sleeper for another
 * reason (dist_call_nudge: it was granted its connection's reader role).
 */
#ifndef DIST_CLIENT_CALL_H
#define DIST_CLIENT_CALL_H

#include <dist/waiter.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mutex.h"
#include "io/loop.h"

struct dist_conn;
struct dist_peer;
struct dist_reply_header;
struct dist_route;
struct dist_runtime;

enum dist_call_state {
	DIST_CALL_PENDING,
	DIST_CALL_REPLIED,
	DIST_CALL_DECODING,
	DIST_CALL_DONE,
};

#define DIST_CALL_STATE 3u     /* the state's bits of the word */
#define DIST_CALL_SLEEPERS 4u  /* somebody sleeps on the word */
#define DIST_CALL_OBSERVED 8u  /* there are gates, a queue or a callback to tell */
#define DIST_CALL_NUDGE 16u    /* counts up to wake sleepers */

/* Bytes of a record, header included, that need no memory of their own. */
#define DIST_CALL_INLINE 160

/* Tried peers that need no memory of their own. */
#define DIST_CALL_TRIED_INLINE 3

struct dist_call {
	/* Set before the call is started, then read-only. */
	struct dist_runtime *runtime;
	struct dist_route *route;
	uint32_t prog, vers, proc;
	uint32_t cred_flavor;
	uint32_t cred_length;
	bool synchronous; /* its caller is waiting: it may wait for a busy node */
	bool admitted;    /* counted against its route's max_in_flight */
	bool idempotent;
	unsigned max_tries;
	uint64_t affinity;
	int64_t deadline_ns;
	int64_t wait_nodes_until_ns;
	xdrproc_t xdr_result;
	void *result;
	uint8_t *record;   /* room for mark and header, then the arguments */
	size_t args_start; /* where they start in @record */
	size_t args_length;

	atomic_uint refs;
	atomic_uint word; /* enum dist_call_state and the bits above */

	struct dist_mutex lock; /* guards the next group */
	struct dist_conn *conn; /* where it was last added; holds a reference */
	uint32_t xid;           /* there */
	struct dist_list gates; /* of dist_wait_any(): see observe.h */
	struct dist_queue *queue;
	dist_waiter_fn *then_fn;
	void *then_arg;
	bool queued;    /* it was given to a queue, once */
	bool then_due;  /* the callback is to run: the runtime has it */
	bool freed;     /* its waiter was freed */

	/* Written under the lock by the one thread that places it, which reads it without. */
	struct dist_peer **tried; /* each holds a reference; the last is the current one */
	unsigned n_tried;         /* since all were busy: then it starts again */
	unsigned tried_capacity;
	struct dist_peer *tried_inline[DIST_CALL_TRIED_INLINE];

	/* Of the one thread that places it, which hands it on with the call. */
	unsigned n_sent; /* how many times it went out */
	unsigned n_lost; /* how many of these were lost: it may have run */
	unsigned n_busy; /* rounds in which all nodes were busy */
	enum dist_err last_err; /* why the last try came to nothing */
	struct rpc_err last_rpc_err;
	char *last_text;
	size_t cred_start; /* where in @record the credential's body is now */

	/* The connection's, under its lock. */
	uint64_t sent_at_offset; /* of the byte after its record in the output stream */

	/* Written by the one that claimed it, before it is DONE. */
	enum dist_err err;
	struct rpc_err rpc_err;
	char *text; /* NULL: the general text of @err */
	struct dist_peer *peer; /* that answered, or was tried last; holds a reference */

	/* A large reply, written before it is REPLIED. */
	void *reply_memory;
	const uint8_t *reply_results;
	size_t reply_length;

	void *tag;
	struct dist_list link;       /* in the runtime's store or callbacks */
	struct dist_list place_link; /* of the one that places it: a route that waits */
	struct dist_list queue_link; /* in a queue */
	struct dist_timer deadline_timer;
	struct dist_timer retry_timer;
	uint8_t inline_record[DIST_CALL_INLINE];
};

static inline struct dist_call *
dist_call_of(struct dist_waiter *waiter)
{
	return (struct dist_call *)waiter;
}

static inline struct dist_waiter *
dist_waiter_of(struct dist_call *call)
{
	return (struct dist_waiter *)call;
}

/* A call with one reference and everything zero. Given. NULL: no memory. */
struct dist_call *dist_call_new(struct dist_runtime *runtime, struct dist_route *route);

struct dist_call *dist_call_ref(struct dist_call *call);
void dist_call_unref(struct dist_call *call);

/* The peers tried so far. The current one comes with a reference; NULL: none yet. */
struct dist_peer *dist_call_current_peer(struct dist_call *call);
enum dist_err dist_call_add_tried(struct dist_call *call, struct dist_peer *peer)
	DIST_MUST_CHECK;
void dist_call_forget_tried(struct dist_call *call);
bool dist_call_has_tried(const struct dist_call *call, const struct dist_peer *peer);

/*
 * Encode the credential and the arguments. DIST_EENCODE, DIST_ETOOBIG, DIST_ENOMEM.
 */
enum dist_err dist_call_encode(struct dist_call *call, const struct opaque_auth *cred,
                               xdrproc_t xdr_args, const void *args,
                               size_t max_record) DIST_MUST_CHECK;

/*
 * Write mark and header for one sending, before the arguments.
 * @with_meta  the peer understands DIST_META.
 * Returns where the record starts; its length, mark included, in *ret_length.
 */
const uint8_t *dist_call_header(struct dist_call *call, uint32_t xid, bool with_meta,
                                size_t *ret_length);

static inline enum dist_call_state
dist_call_state(const struct dist_call *call)
{
	return (enum dist_call_state)(atomic_load_explicit(&call->word,
	                                                   memory_order_acquire) &
	                              DIST_CALL_STATE);
}

/* Nobody has ended it, nor is about to. */
static inline bool
dist_call_pending(const struct dist_call *call)
{
	return dist_call_state(call) == DIST_CALL_PENDING;
}

/* A wait would not block: it has ended, or its reply is here. */
static inline bool
dist_call_over(const struct dist_call *call)
{
	enum dist_call_state state = dist_call_state(call);

	return state == DIST_CALL_DONE || state == DIST_CALL_REPLIED;
}

/*
 * The connection it was last added to; none again once it was taken off to be placed
 * anew, so that whoever waits for it there does not go on reading in vain.
 */
void dist_call_set_conn(struct dist_call *call, struct dist_conn *conn, uint32_t xid);
void dist_call_leave_conn(struct dist_call *call);
struct dist_conn *dist_call_conn(struct dist_call *call, uint32_t *ret_xid);
bool dist_call_is_on(struct dist_call *call, const struct dist_conn *conn);

/* True: the caller of this, and nobody else, ends the call now. */
bool dist_call_claim(struct dist_call *call) DIST_MUST_CHECK;

/*
 * Claimed: say how it ended. The outcome's text is @text (copied), or NULL. Wakes and
 * tells all; the reference stays the caller's.
 */
void dist_call_finish(struct dist_call *call, enum dist_err err, const char *text);

/* A success came: claim, decode the results, finish. */
void dist_call_decode(struct dist_call *call, const uint8_t *results, size_t length);

/* The same left to its waiter; @memory is taken, and holds the results. */
void dist_call_replied(struct dist_call *call, void *memory, const uint8_t *results,
                       size_t length);

/* If its reply waits to be decoded, do so; another thread may be at it already. */
void dist_call_settle(struct dist_call *call);

/* Settle a call that is over, or about to be, and sleep until it is DONE. */
void dist_call_settle_fully(struct dist_call *call);

/*
 * Sleep until it is over, it was nudged since @seen (a value of its word), or
 * @deadline_ns; false: that passed.
 */
bool dist_call_sleep(struct dist_call *call, unsigned seen, int64_t deadline_ns);
void dist_call_nudge(struct dist_call *call);

#endif
