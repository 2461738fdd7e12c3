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
 * on it, one for observers, one for a queue, and a count that is moved to wake a sleeper
 * for another reason (dist_call_nudge: it was granted its connection's reader role).
 */
#ifndef DIST_CLIENT_CALL_H
#define DIST_CLIENT_CALL_H

#include <dist/waiter.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mutex.h"
#include "io/loop.h"

struct dist_conn;
struct dist_hedge;
struct dist_outbuf;
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

/* What a call has to do with hedging (hedge.h). */
enum dist_hedging {
	DIST_HEDGE_NONE,
	DIST_HEDGE_FIRST,
	DIST_HEDGE_SECOND,
};

#define DIST_CALL_STATE 3u     /* the state's bits of the word */
#define DIST_CALL_SLEEPERS 4u  /* somebody sleeps on the word */
#define DIST_CALL_OBSERVED 8u  /* there are gates or a callback to tell */
#define DIST_CALL_QUEUED 16u   /* it is to be pushed to its queue */
#define DIST_CALL_NUDGE 32u    /* counts up to wake sleepers */

/* Bytes of credential and arguments that need no memory of their own. */
#define DIST_CALL_INLINE 448

/* Tried peers, beside the current one, that need no memory of their own. */
#define DIST_CALL_TRIED_INLINE 2

struct dist_call {
	/*
	 * What every call uses, set anew for each. The first group is set before the call is
	 * started, then read-only.
	 */
	struct dist_runtime *runtime; /* the route's, which holds it */
	struct dist_route *route;
	uint32_t prog, vers, proc;
	uint32_t cred_flavor;
	uint32_t cred_length;
	bool synchronous; /* its caller is waiting: it may wait for a busy node */
	atomic_bool admitted; /* it has a place in its route's bound */
	bool idempotent;
	atomic_bool queued; /* it was given to a queue, once */
	uint8_t hedging;    /* enum dist_hedging */
	unsigned max_tries;
	uint64_t affinity;
	int64_t deadline_ns;
	int64_t wait_nodes_until_ns;
	xdrproc_t xdr_result;
	void *result;
	uint8_t *record;   /* the credential's body, padded, then the arguments */
	size_t args_start; /* where they start in @record */
	size_t args_length;

	atomic_uint refs;
	atomic_uint word; /* enum dist_call_state and the bits above */

	/*
	 * Where it is: written by the one thread that places it, which hands that on with
	 * the call, and reads it without the lock; under the lock, unless it is @alone.
	 */
	bool alone; /* no other thread can see it yet: it is being placed first */
	uint32_t xid;           /* on @conn */
	_Atomic(struct dist_conn *) conn; /* where it was last added; holds a reference */
	struct dist_peer *peer; /* that has it, answered it, or was tried last; so does it */
	unsigned n_sent;        /* how many times it went out */

	/* The connection's, under its lock. */
	uint64_t sent_at_offset; /* of the byte after its record in the output stream */
	int64_t sent_ns;         /* 0: it is not one of those that are timed */
	uint32_t sent_bytes;     /* its record's, with the mark */
	uint32_t sent_weight;    /* how many it stands for, where it is timed */

	/* Written by the one that claimed it, before it is DONE. */
	enum dist_err err;
	struct rpc_err rpc_err;

	/*
	 * What few calls use. It is clean whenever a call is given back, so that the next
	 * one need not touch it: whoever changes it says so with dist_call_touch().
	 */
	atomic_bool touched; /* is set anew, like what stands above */

	/* Of a call that is @queued, under the queue's lock; nothing to be cleaned. */
	struct dist_queue *queue; /* read-only */
	struct dist_list queue_link;
	void *tag;
	unsigned queue_source; /* which of the queue's connections it was counted for */

	struct dist_mutex lock; /* guards the next group, and where it is */
	struct dist_list gates; /* of dist_wait_any(): see observe.h */
	dist_waiter_fn *then_fn;
	void *then_arg;
	bool then_due;  /* the callback is to run: the runtime has it */
	bool freed;     /* its waiter was freed */

	/*
	 * Before @peer: those it was lost on, then, since all were busy, the others. As
	 * where it is: changed under the lock, by the one thread that places it.
	 */
	struct dist_peer **tried; /* each holds a reference */
	unsigned n_tried;
	/* Of the one thread that places it. */
	unsigned tried_capacity;
	struct dist_peer *tried_inline[DIST_CALL_TRIED_INLINE];
	unsigned n_lost; /* peers it was lost on, each another: it may have run */
	unsigned n_paid; /* of these, those after which the route let it go out again; of a
	                  * second one more, for itself */
	bool peer_lost;  /* @peer is the last of these */
	/*
	 * Of the tried ones the last whose connection ended with nothing of the call sent:
	 * it may be asked once more. NULL: none, or it was.
	 */
	struct dist_peer *unsent_to;
	bool asks_anew;  /* no other was left: that one counts as not tried */
	unsigned n_busy; /* rounds in which all nodes were busy */
	bool met_busy;   /* at least one was in this round */
	enum dist_err last_err; /* why the last try came to nothing */
	struct rpc_err last_rpc_err;
	char *last_text;

	/* Of hedging. */
	struct dist_hedge *hedge; /* of a first */
	struct dist_call *first;  /* of a second, whose record it has; holds a reference */

	char *text; /* of @err; NULL: the general one */

	/* A large reply, written before it is REPLIED. */
	void *reply_memory;
	const uint8_t *reply_results;
	size_t reply_length;

	struct dist_list link;       /* in the runtime's callbacks, or the store */
	struct dist_list place_link; /* of the one that places it: a route that waits */
	/* Of an asynchronous call its deadline, of a synchronous one the next try. */
	struct dist_timer timer;

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
struct dist_call *dist_call_new(struct dist_route *route);

struct dist_call *dist_call_ref(struct dist_call *call);

/* True: it was the last one, dist_call_free() it. */
static inline bool
dist_call_put(struct dist_call *call)
{
	/* Whoever has the last reference needs nothing atomic to know it. */
	return atomic_load_explicit(&call->refs, memory_order_acquire) == 1 ||
	       atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) == 1;
}
void dist_call_free(struct dist_call *call);

static inline void
dist_call_unref(struct dist_call *call)
{
	if (dist_call_put(call))
		dist_call_free(call);
}

/* For the store: memory for a call, as it is when it is given back. NULL: none. */
struct dist_call *dist_call_make(void);

/* One more while it is the caller's alone, at no cost. */
static inline struct dist_call *
dist_call_ref_alone(struct dist_call *call)
{
	atomic_store_explicit(&call->refs,
	                      atomic_load_explicit(&call->refs, memory_order_relaxed) + 1,
	                      memory_order_relaxed);
	return call;
}

/* What few calls use is about to be used by this one. */
static inline void
dist_call_touch(struct dist_call *call)
{
	atomic_store_explicit(&call->touched, true, memory_order_relaxed);
}

/* The peer that has it, with a reference; NULL: none yet. */
struct dist_peer *dist_call_current_peer(struct dist_call *call);

/*
 * The next to be tried is @peer, whose reference is taken on success. DIST_ENOMEM;
 * DIST_ECANCELED: somebody is ending the call, or has, so that its peer must not change.
 */
enum dist_err dist_call_go_to(struct dist_call *call, struct dist_peer *peer)
	DIST_MUST_CHECK;

/* It was lost on its peer. */
static inline void
dist_call_lose_peer(struct dist_call *call)
{
	dist_call_touch(call);
	call->n_lost++;
	call->peer_lost = true;
}

/* So it was, on a peer that it was never sent to by itself; the reference is taken. */
void dist_call_add_lost(struct dist_call *call, struct dist_peer *peer);

/* The peer it was lost on as the @i-th, from 0 on. */
static inline struct dist_peer *
dist_call_lost_on(const struct dist_call *call, unsigned i)
{
	return call->peer_lost && i == call->n_lost - 1 ? call->peer : call->tried[i];
}

/*
 * No other peer is left. True: one that nothing of the call was sent to may be picked
 * again, once in the call's life.
 */
bool dist_call_ask_anew(struct dist_call *call);

/* All may be tried again but those it was lost on, which it may have brought down. */
void dist_call_forget_tried(struct dist_call *call);

static inline bool
dist_call_has_tried(const struct dist_call *call, const struct dist_peer *peer)
{
	bool tried = call->peer == peer;

	for (unsigned i = 0; i < call->n_tried && !tried; i++)
		tried = call->tried[i] == peer;
	return tried && !(call->asks_anew && call->unsent_to == peer);
}

/*
 * call_record.c: encode the credential and the arguments. DIST_EENCODE, DIST_ETOOBIG,
 * DIST_ENOMEM.
 */
enum dist_err dist_call_encode(struct dist_call *call, const struct opaque_auth *cred,
                               xdrproc_t xdr_args, const void *args,
                               size_t max_record) DIST_MUST_CHECK;

/*
 * call_record.c, under the lock of @out: its record, which goes out as @xid.
 * @with_meta  the peer understands DIST_META.
 * DIST_ENOMEM: nothing was appended.
 */
enum dist_err dist_call_append(struct dist_call *call, struct dist_outbuf *out,
                               uint32_t xid, bool with_meta) DIST_MUST_CHECK;

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
 * The connection it was last added to, whose reference is taken; none again once it was
 * taken off to be placed anew, so that whoever waits for it there does not go on reading
 * in vain. Setting it ends its being alone.
 */
void dist_call_set_conn(struct dist_call *call, struct dist_conn *conn, uint32_t xid);
void dist_call_leave_conn(struct dist_call *call);
struct dist_conn *dist_call_conn(struct dist_call *call, uint32_t *ret_xid);

static inline bool
dist_call_is_on(struct dist_call *call, const struct dist_conn *conn)
{
	return atomic_load_explicit(&call->conn, memory_order_relaxed) == conn;
}

/* True: the caller of this, and nobody else, ends the call now. */
bool dist_call_claim(struct dist_call *call) DIST_MUST_CHECK;
/* The same unless its reply is here. */
bool dist_call_claim_pending(struct dist_call *call) DIST_MUST_CHECK;

/*
 * Claimed: say how it ended. The outcome's text is @text (copied), or NULL. Wakes and
 * tells all; the reference stays the caller's.
 */
void dist_call_finish(struct dist_call *call, enum dist_err err, const char *text);

/*
 * Claimed for its second (hedge.h), to which @peer gave these results: the same with them.
 */
void dist_call_take_answer(struct dist_call *call, const uint8_t *results, size_t length,
                           struct dist_peer *peer);

/* A success came: claim, decode the results, finish. A reference is taken. */
void dist_call_decode(struct dist_call *call, const uint8_t *results, size_t length);

/* The same left to its waiter; @memory is taken as well, and holds the results. */
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
