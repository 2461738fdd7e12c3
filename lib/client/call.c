#include "client/call.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/futex.h"
#include "base/large.h"
#include "client/bound.h"
#include "client/conn.h"
#include "client/hedge.h"
#include "client/observe.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "client/store.h"
#include "wire/xdr.h"

/* --- Birth and death ----------------------------------------------------------------- */

/* What few calls use, as it is in a call that did not. */
static void
call_clean(struct dist_call *call)
{
	memset(&call->gates, 0,
	       offsetof(struct dist_call, inline_record) - offsetof(struct dist_call, gates));
	dist_list_init(&call->gates);
	dist_list_init(&call->link);
	dist_list_init(&call->place_link);
	call->tried = call->tried_inline;
}

struct dist_call *
dist_call_make(void)
{
	struct dist_call *call = calloc(1, sizeof(*call));

	if (call) {
		dist_mutex_init(&call->lock, DIST_RANK_OBSERVERS);
		call_clean(call);
	}
	return call;
}

struct dist_call *
dist_call_new(struct dist_route *route)
{
	struct dist_call *call = dist_store_take();

	if (!call)
		return NULL;
	memset(call, 0, offsetof(struct dist_call, queue));
	call->runtime = route->runtime;
	call->route = dist_route_ref(route);
	call->deadline_ns = DIST_NEVER;
	call->alone = true;
	atomic_init(&call->refs, 1);
	atomic_init(&call->word, DIST_CALL_PENDING);
	call->record = call->inline_record;
	return call;
}

struct dist_call *
dist_call_ref(struct dist_call *call)
{
	atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
	return call;
}

static void
call_clean_up(struct dist_call *call)
{
	while (call->n_tried)
		dist_peer_unref(call->tried[--call->n_tried]);
	if (call->tried != call->tried_inline)
		free(call->tried);
	if (call->hedge || call->first)
		dist_hedge_free(call);
	dist_large_free(call->reply_memory);
	free(call->text);
	free(call->last_text);
	call_clean(call);
}

void
dist_call_free(struct dist_call *call)
{
	if (call->peer)
		dist_peer_unref(call->peer);
	if (call->conn)
		dist_conn_unref(call->conn);
	/* A second's is its first's. */
	if (call->record != call->inline_record && !call->first)
		dist_large_free(call->record);
	if (atomic_load_explicit(&call->touched, memory_order_relaxed))
		call_clean_up(call);
	dist_route_unref(call->route);
	dist_store_give(call);
}

/* Where it is may be read by others from its first placing on. */
static void
call_lock_place(struct dist_call *call) DIST_TSA(no_thread_safety_analysis)
{
	if (!call->alone)
		dist_lock(&call->lock);
}

static void
call_unlock_place(struct dist_call *call) DIST_TSA(no_thread_safety_analysis)
{
	if (!call->alone)
		dist_unlock(&call->lock);
}

struct dist_peer *
dist_call_current_peer(struct dist_call *call)
{
	struct dist_peer *peer;

	dist_lock(&call->lock);
	peer = call->peer ? dist_peer_ref(call->peer) : NULL;
	dist_unlock(&call->lock);
	return peer;
}

/* Room for one more peer that was tried. */
static enum dist_err
call_grow_tried(struct dist_call *call)
{
	unsigned capacity = DIST_MAX(DIST_CALL_TRIED_INLINE, call->tried_capacity);
	struct dist_peer **grown, **before;

	if (call->n_tried < capacity)
		return DIST_OK;
	grown = malloc(2 * capacity * sizeof(struct dist_peer *));
	if (!grown)
		return dist_error_set_plain(DIST_ENOMEM);
	memcpy(grown, call->tried, capacity * sizeof(struct dist_peer *));
	call_lock_place(call);
	before = call->tried;
	call->tried = grown;
	call_unlock_place(call);
	if (before != call->tried_inline)
		free(before);
	call->tried_capacity = 2 * capacity;
	return DIST_OK;
}

/* How many of @tried it was lost on: they are the first. */
static unsigned
call_n_lost_before(const struct dist_call *call)
{
	return call->n_lost - (call->peer_lost ? 1 : 0);
}

/* There is room. */
static void
call_add_tried(struct dist_call *call, struct dist_peer *peer)
{
	unsigned at = call->peer_lost ? call_n_lost_before(call) : call->n_tried;

	call->tried[call->n_tried++] = call->tried[at];
	call->tried[at] = peer;
	call->peer_lost = false;
}

void
dist_call_add_lost(struct dist_call *call, struct dist_peer *peer)
{
	unsigned at = call_n_lost_before(call);

	dist_call_touch(call);
	if (call_grow_tried(call) != DIST_OK) {
		dist_peer_unref(peer);
		return; /* one name less in an error, and a node that may be tried again */
	}
	call_lock_place(call);
	call->tried[call->n_tried++] = call->tried[at];
	call->tried[at] = peer;
	call_unlock_place(call);
	call->n_lost++;
}

enum dist_err
dist_call_go_to(struct dist_call *call, struct dist_peer *peer)
{
	enum dist_err err = DIST_OK;

	if (call->peer) {
		dist_call_touch(call);
		err = call_grow_tried(call);
		if (err)
			return err;
		if (call->asks_anew && call->unsent_to == peer)
			call->unsent_to = NULL;
	}
	call_lock_place(call);
	/* Under the lock, which whoever ends it takes before its peer is looked at. */
	if (dist_call_pending(call)) {
		if (call->peer)
			call_add_tried(call, call->peer);
		call->peer = peer;
	} else {
		err = DIST_ECANCELED;
	}
	call_unlock_place(call);
	return err;
}

bool
dist_call_ask_anew(struct dist_call *call)
{
	if (!call->unsent_to || call->asks_anew)
		return false;
	call->asks_anew = true;
	return true;
}

void
dist_call_forget_tried(struct dist_call *call)
{
	struct dist_peer *peer = NULL;

	call->unsent_to = NULL;
	while (call->n_tried > call_n_lost_before(call))
		dist_peer_unref(call->tried[--call->n_tried]);
	call_lock_place(call);
	if (dist_call_pending(call) && !call->peer_lost) {
		peer = call->peer;
		call->peer = NULL;
	}
	call_unlock_place(call);
	dist_peer_unref(peer);
}

/* --- Where it is --------------------------------------------------------------------- */

void
dist_call_set_conn(struct dist_call *call, struct dist_conn *conn, uint32_t xid)
{
	struct dist_conn *before;

	call_lock_place(call);
	before = call->conn;
	call->conn = conn;
	call->xid = xid;
	call_unlock_place(call);
	call->alone = false;
	if (before)
		dist_conn_unref(before);
	/* Who waits for it may read here from now on. */
	if (call->n_sent > 1 || call->n_busy)
		dist_call_nudge(call);
}

void
dist_call_leave_conn(struct dist_call *call)
{
	struct dist_conn *conn;

	dist_lock(&call->lock);
	conn = call->conn;
	call->conn = NULL;
	dist_unlock(&call->lock);
	if (conn)
		dist_conn_unref(conn);
}

struct dist_conn *
dist_call_conn(struct dist_call *call, uint32_t *ret_xid)
{
	struct dist_conn *conn;

	dist_lock(&call->lock);
	conn = call->conn ? dist_conn_ref(call->conn) : NULL;
	*ret_xid = call->xid;
	dist_unlock(&call->lock);
	return conn;
}

/* --- The end, once ------------------------------------------------------------------- */

static bool
call_claim(struct dist_call *call, bool replied_too)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);

	do {
		unsigned state = word & DIST_CALL_STATE;

		if (state != DIST_CALL_PENDING &&
		    (state != DIST_CALL_REPLIED || !replied_too))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&call->word, &word, (word & ~DIST_CALL_STATE) | DIST_CALL_DECODING,
		memory_order_acq_rel, memory_order_relaxed));
	return true;
}

bool
dist_call_claim(struct dist_call *call)
{
	return call_claim(call, true);
}

bool
dist_call_claim_pending(struct dist_call *call)
{
	return call_claim(call, false);
}

/* To a state in which a wait would not block; false: *@word is another by now. */
static bool
call_move(struct dist_call *call, unsigned *word, enum dist_call_state next)
{
	return atomic_compare_exchange_weak_explicit(
		&call->word, word,
		((*word & ~(DIST_CALL_STATE | DIST_CALL_SLEEPERS | DIST_CALL_OBSERVED |
	                    DIST_CALL_QUEUED)) |
	         next) + DIST_CALL_NUDGE,
		memory_order_acq_rel, memory_order_relaxed);
}

/* After that: wake and tell. */
static void
call_announce(struct dist_call *call, unsigned word)
{
	if (word & DIST_CALL_SLEEPERS)
		dist_futex_wake(&call->word, INT_MAX);
	if (word & DIST_CALL_OBSERVED)
		dist_observers_tell(call, false);
	/* The last: whoever takes it from there may free it. */
	if (word & DIST_CALL_QUEUED)
		dist_queue_push(call);
}

/*
 * DONE, by a thread that gives up its reference, and does so first: whoever waits frees
 * the call the moment it is DONE, and as that is the last reference then, the memory goes
 * back to the thread that will want it again, never to the one that reads. The call stays
 * until it is DONE, since its caller keeps a reference until then. Where there are
 * observers to tell, this thread needs its own a little longer.
 */
static void
call_done_and_unref(struct dist_call *call)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);
	bool held = true;

	do {
		bool observed = word & DIST_CALL_OBSERVED;

		if (held && !observed) {
			bool last = dist_call_put(call);

			assert(!last);
			(void)last;
		} else if (!held && observed) {
			dist_call_ref(call);
		}
		held = observed;
	} while (!call_move(call, &word, DIST_CALL_DONE));
	/* It may be gone. Who sleeps there now is woken for no reason, and looks again. */
	if (word & DIST_CALL_SLEEPERS)
		dist_futex_wake(&call->word, INT_MAX);
	if (held)
		dist_observers_tell(call, true);
	/* A queue holds it until it is taken from there. */
	if (word & DIST_CALL_QUEUED)
		dist_queue_push(call);
}

/*
 * A timer that was set holds a reference. The one for the next try is left to run: the
 * thread that places the call may be setting it at this moment.
 */
static void
call_cancel_deadline(struct dist_call *call)
{
	/* A second (hedge.h) ends with its first. */
	if (call->synchronous || call->deadline_ns == DIST_NEVER ||
	    call->hedging == DIST_HEDGE_SECOND)
		return;
	if (dist_loop_timer_cancel(dist_runtime_loop(call->runtime), &call->timer))
		dist_call_unref(call);
}

/* Claimed, and nobody is placing it: how it ended. */
static void
call_set_outcome(struct dist_call *call, enum dist_err err, const char *text)
{
	call->err = err;
	if (err) {
		dist_call_touch(call);
		call->text = text ? strdup(text) : NULL;
		if (call->rpc_err.re_status == RPC_SUCCESS)
			call->rpc_err.re_status = dist_error_to_clnt_stat(err);
	}
	call_cancel_deadline(call);
	if (atomic_load_explicit(&call->admitted, memory_order_relaxed))
		dist_bound_leave(call);
	if (call->hedging)
		dist_hedge_outcome(call);
}

static void
call_done(struct dist_call *call)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);

	while (!call_move(call, &word, DIST_CALL_DONE))
		;
	call_announce(call, word);
}

void
dist_call_finish(struct dist_call *call, enum dist_err err, const char *text)
{
	/* Whoever places it and has not seen the claim is through; others see it. */
	dist_lock(&call->lock);
	dist_unlock(&call->lock);
	call_set_outcome(call, err, text);
	call_done(call);
}

/*
 * Claimed: the results, which @peer gave, into the caller's memory, and how it ended.
 * @memory: what holds the results, if it may be taken.
 */
static void
call_decode_claimed(struct dist_call *call, const uint8_t *results, size_t length,
                    struct dist_peer *peer, void **memory)
{
	struct dist_bytes bytes = { results, length };
	struct dist_decoder decoder;
	char text[DIST_ERROR_TEXT_MAX];
	enum dist_err err;

	dist_decoder_init(&decoder, bytes, dist_decoder_default_budget(length));
	dist_decoder_give(&decoder, memory);
	err = dist_decoder_get(&decoder, call->xdr_result, call->result);
	/* The waiter may be kept for long. */
	dist_large_free(*memory);
	*memory = NULL;
	if (!err) {
		call_set_outcome(call, DIST_OK, NULL);
		return;
	}
	dist_stats_undecodable(peer, call);
	snprintf(text, sizeof(text), "%s: the reply to %#x.%u procedure %u: %s",
	         dist_peer_label(peer), call->prog, call->vers, call->proc,
	         dist_error_text());
	call_set_outcome(call, err, text);
}

void
dist_call_decode(struct dist_call *call, const uint8_t *results, size_t length)
{
	if (!dist_call_claim(call)) {
		dist_call_unref(call);
		return;
	}
	call_decode_claimed(call, results, length, call->peer, &call->reply_memory);
	call_done_and_unref(call);
}

void
dist_call_take_answer(struct dist_call *call, const uint8_t *results, size_t length,
                      struct dist_peer *peer)
{
	/* Its own reply may be on its way to @reply_memory still. */
	void *no_memory = NULL;

	call_decode_claimed(call, results, length, peer, &no_memory);
	call_done(call);
}

void
dist_call_replied(struct dist_call *call, void *memory, const uint8_t *results,
                  size_t length)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);

	/* Nobody else writes these: a call is taken out of its table once. */
	dist_call_touch(call);
	call->reply_memory = memory;
	call->reply_results = results;
	call->reply_length = length;
	while ((word & DIST_CALL_STATE) == DIST_CALL_PENDING) {
		if (!call_move(call, &word, DIST_CALL_REPLIED))
			continue;
		call_announce(call, word);
		break;
	}
	dist_bound_leave(call);
	dist_call_unref(call);
}

void
dist_call_settle(struct dist_call *call)
{
	if (dist_call_state(call) != DIST_CALL_REPLIED || !dist_call_claim(call))
		return;
	call_decode_claimed(call, call->reply_results, call->reply_length, call->peer,
	                    &call->reply_memory);
	call_done(call);
}

void
dist_call_settle_fully(struct dist_call *call)
{
	unsigned seen;

	dist_call_settle(call);
	while (((seen = atomic_load(&call->word)) & DIST_CALL_STATE) != DIST_CALL_DONE)
		dist_call_sleep(call, seen, DIST_NEVER);
}

/* --- Sleeping on it ------------------------------------------------------------------ */

bool
dist_call_sleep(struct dist_call *call, unsigned seen, int64_t deadline_ns)
{
	unsigned word = atomic_load(&call->word);

	if (!(word & DIST_CALL_SLEEPERS)) {
		if (word != seen)
			return true;
		if (!atomic_compare_exchange_strong(&call->word, &word,
		                                    word | DIST_CALL_SLEEPERS))
			return true;
	} else if ((word & ~DIST_CALL_SLEEPERS) != (seen & ~DIST_CALL_SLEEPERS)) {
		return true;
	}
	return dist_futex_wait(&call->word, seen | DIST_CALL_SLEEPERS, deadline_ns);
}

void
dist_call_nudge(struct dist_call *call)
{
	unsigned word = atomic_fetch_add(&call->word, DIST_CALL_NUDGE);

	if (word & DIST_CALL_SLEEPERS)
		dist_futex_wake(&call->word, INT_MAX);
}
