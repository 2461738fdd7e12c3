#include "client/call.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/futex.h"
#include "client/conn.h"
#include "client/observe.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "idl/node.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

/* --- Birth and death ----------------------------------------------------------------- */

struct dist_call *
dist_call_new(struct dist_runtime *runtime, struct dist_route *route)
{
	struct dist_call *call = dist_runtime_take_call(runtime);

	if (!call)
		return NULL;
	/* All but the room for the record, which is written before it is read. */
	memset(call, 0, offsetof(struct dist_call, inline_record));
	call->runtime = runtime;
	call->route = dist_route_ref(route);
	call->deadline_ns = DIST_NEVER;
	atomic_init(&call->refs, 1);
	atomic_init(&call->word, DIST_CALL_PENDING);
	dist_mutex_init(&call->lock, DIST_RANK_OBSERVERS);
	dist_list_init(&call->gates);
	dist_list_init(&call->link);
	dist_list_init(&call->place_link);
	dist_list_init(&call->queue_link);
	call->tried = call->tried_inline;
	call->record = call->inline_record;
	return call;
}

struct dist_call *
dist_call_ref(struct dist_call *call)
{
	atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
	return call;
}

void
dist_call_unref(struct dist_call *call)
{
	if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
		return;
	dist_call_forget_tried(call);
	if (call->tried != call->tried_inline)
		free(call->tried);
	if (call->peer)
		dist_peer_unref(call->peer);
	if (call->conn)
		dist_conn_unref(call->conn);
	if (call->record != call->inline_record)
		free(call->record);
	free(call->reply_memory);
	free(call->text);
	free(call->last_text);
	dist_mutex_fini(&call->lock);
	dist_route_unref(call->route);
	dist_runtime_give_call(call->runtime, call);
}

struct dist_peer *
dist_call_current_peer(struct dist_call *call)
{
	struct dist_peer *peer = NULL;

	dist_lock(&call->lock);
	if (call->n_tried)
		peer = dist_peer_ref(call->tried[call->n_tried - 1]);
	dist_unlock(&call->lock);
	return peer;
}

enum dist_err
dist_call_add_tried(struct dist_call *call, struct dist_peer *peer)
{
	unsigned capacity = DIST_MAX(DIST_CALL_TRIED_INLINE, call->tried_capacity);
	struct dist_peer **grown = NULL;

	if (call->n_tried == capacity) {
		grown = malloc(2 * capacity * sizeof(struct dist_peer *));
		if (!grown)
			return dist_error_set_plain(DIST_ENOMEM);
		memcpy(grown, call->tried, capacity * sizeof(struct dist_peer *));
	}
	dist_lock(&call->lock);
	if (grown) {
		if (call->tried != call->tried_inline)
			free(call->tried);
		call->tried = grown;
		call->tried_capacity = 2 * capacity;
	}
	call->tried[call->n_tried++] = dist_peer_ref(peer);
	dist_unlock(&call->lock);
	return DIST_OK;
}

void
dist_call_forget_tried(struct dist_call *call)
{
	dist_lock(&call->lock);
	while (call->n_tried)
		dist_peer_unref(call->tried[--call->n_tried]);
	dist_unlock(&call->lock);
}

bool
dist_call_has_tried(const struct dist_call *call, const struct dist_peer *peer)
{
	for (unsigned i = 0; i < call->n_tried; i++) {
		if (call->tried[i] == peer)
			return true;
	}
	return false;
}

/* --- The record ---------------------------------------------------------------------- */

enum dist_err
dist_call_encode(struct dist_call *call, const struct opaque_auth *cred, xdrproc_t xdr_args,
                 const void *args, size_t max_record)
{
	struct dist_bytes body = { (const uint8_t *)cred->oa_base, cred->oa_length };
	struct dist_encoder encoder;
	enum dist_err err;

	if (cred->oa_length > MAX_AUTH_BYTES)
		return dist_error_set(DIST_EENCODE,
		                      "the credential has %u bytes, over the %u of RFC 5531",
		                      cred->oa_length, MAX_AUTH_BYTES);
	call->args_start = DIST_RECORD_MARK_SIZE + dist_call_header_size(body, true);
	dist_encoder_init(&encoder, call->inline_record, sizeof(call->inline_record),
	                  max_record);
	if (!dist_encoder_reserve(&encoder, call->args_start)) {
		dist_encoder_fini(&encoder);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	err = dist_encoder_put(&encoder, xdr_args, args);
	if (err) {
		dist_encoder_fini(&encoder);
		return err;
	}
	call->record = encoder.data;
	call->args_length = encoder.length - call->args_start;
	call->cred_flavor = (uint32_t)cred->oa_flavor;
	call->cred_length = cred->oa_length;
	call->cred_start = DIST_RECORD_MARK_SIZE + DIST_CALL_WORDS_SIZE + 8;
	if (body.length)
		memcpy(call->record + call->cred_start, body.data, body.length);
	return DIST_OK;
}

/*
 * What the verifier says of the time that is left; never 0, which means none. Rounded up:
 * a node that gave up before the caller would answer "did not run" to one that waits.
 */
static uint32_t
call_left_ms(const struct dist_call *call)
{
	int64_t left_ms;

	if (call->deadline_ns == DIST_NEVER)
		return DIST_META_NO_DEADLINE;
	left_ms = (call->deadline_ns - dist_clock_ns()) / DIST_NS_PER_MS + 1;
	return (uint32_t)DIST_MAX(1, DIST_MIN(left_ms, INT32_MAX));
}

const uint8_t *
dist_call_header(struct dist_call *call, uint32_t xid, bool with_meta, size_t *ret_length)
{
	uint8_t body[MAX_AUTH_BYTES];
	struct dist_auth cred = { call->cred_flavor, { body, call->cred_length } };
	struct dist_call_meta meta = { 0, call->n_sent };
	size_t size = dist_call_header_size(cred.body, with_meta);
	uint8_t *start = call->record + call->args_start - size;

	/* The header ends where the arguments start: a shorter one starts later. */
	if (call->cred_length)
		memcpy(body, call->record + call->cred_start, call->cred_length);
	call->cred_start = (size_t)(start - call->record) + DIST_CALL_WORDS_SIZE + 8;
	if (with_meta)
		meta.left_ms = call_left_ms(call);
	dist_call_header_write(start, xid, call->prog, call->vers, call->proc, cred,
	                       with_meta ? &meta : NULL);
	dist_record_mark(start - DIST_RECORD_MARK_SIZE, size + call->args_length);
	*ret_length = DIST_RECORD_MARK_SIZE + size + call->args_length;
	return start - DIST_RECORD_MARK_SIZE;
}

/* --- Where it is --------------------------------------------------------------------- */

void
dist_call_set_conn(struct dist_call *call, struct dist_conn *conn, uint32_t xid)
{
	struct dist_conn *before;

	dist_conn_ref(conn);
	dist_lock(&call->lock);
	before = call->conn;
	call->conn = conn;
	call->xid = xid;
	dist_unlock(&call->lock);
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

bool
dist_call_is_on(struct dist_call *call, const struct dist_conn *conn)
{
	bool is_on;

	dist_lock(&call->lock);
	is_on = call->conn == conn;
	dist_unlock(&call->lock);
	return is_on;
}

/* --- The end, once ------------------------------------------------------------------- */

bool
dist_call_claim(struct dist_call *call)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);

	do {
		unsigned state = word & DIST_CALL_STATE;

		if (state != DIST_CALL_PENDING && state != DIST_CALL_REPLIED)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&call->word, &word, (word & ~DIST_CALL_STATE) | DIST_CALL_DECODING,
		memory_order_acq_rel, memory_order_relaxed));
	return true;
}

/* Move to a state in which a wait would not block; wake and tell. */
static void
call_announce(struct dist_call *call, unsigned word, enum dist_call_state next)
{
	while (!atomic_compare_exchange_weak_explicit(
		&call->word, &word,
		((word & ~(DIST_CALL_STATE | DIST_CALL_SLEEPERS | DIST_CALL_OBSERVED)) |
	         next) + DIST_CALL_NUDGE,
		memory_order_acq_rel, memory_order_relaxed))
		if (next == DIST_CALL_REPLIED &&
		    (word & DIST_CALL_STATE) != DIST_CALL_PENDING)
			return;
	if (word & DIST_CALL_SLEEPERS)
		dist_futex_wake(&call->word, INT_MAX);
	if (word & DIST_CALL_OBSERVED)
		dist_observers_tell(call);
}

/*
 * A timer that was set holds a reference. The one for the next try is left to run: the
 * thread that places the call may be setting it at this moment.
 */
static void
call_cancel_deadline(struct dist_call *call)
{
	if (call->deadline_timer.run &&
	    dist_loop_timer_cancel(dist_runtime_loop(call->runtime), &call->deadline_timer))
		dist_call_unref(call);
}

void
dist_call_finish(struct dist_call *call, enum dist_err err, const char *text)
{
	call->err = err;
	if (err) {
		call->text = text ? strdup(text) : NULL;
		if (call->rpc_err.re_status == RPC_SUCCESS)
			call->rpc_err.re_status = dist_error_to_clnt_stat(err);
	}
	call->peer = dist_call_current_peer(call);
	call_cancel_deadline(call);
	if (call->admitted)
		atomic_fetch_sub(&call->route->in_flight, 1);
	call_announce(call, atomic_load_explicit(&call->word, memory_order_relaxed),
	              DIST_CALL_DONE);
}

/* Claimed: the results into the caller's memory. */
static void
call_decode_claimed(struct dist_call *call, const uint8_t *results, size_t length)
{
	struct dist_bytes bytes = { results, length };
	struct dist_decoder decoder;
	struct dist_peer *peer;
	char text[DIST_ERROR_TEXT_MAX];
	enum dist_err err;

	dist_decoder_init(&decoder, bytes, dist_decoder_default_budget(length));
	err = dist_decoder_get(&decoder, call->xdr_result, call->result);
	if (!err) {
		dist_call_finish(call, DIST_OK, NULL);
		return;
	}
	peer = dist_call_current_peer(call);
	snprintf(text, sizeof(text), "%s: the reply to %#x.%u procedure %u: %s",
	         dist_peer_label(peer), call->prog, call->vers, call->proc,
	         dist_error_text());
	dist_peer_unref(peer);
	dist_call_finish(call, err, text);
}

void
dist_call_decode(struct dist_call *call, const uint8_t *results, size_t length)
{
	if (dist_call_claim(call))
		call_decode_claimed(call, results, length);
}

void
dist_call_replied(struct dist_call *call, void *memory, const uint8_t *results,
                  size_t length)
{
	unsigned word = atomic_load_explicit(&call->word, memory_order_relaxed);

	/* Nobody else writes these: a call is taken out of its table once. */
	call->reply_memory = memory;
	call->reply_results = results;
	call->reply_length = length;
	if ((word & DIST_CALL_STATE) == DIST_CALL_PENDING)
		call_announce(call, word, DIST_CALL_REPLIED);
}

void
dist_call_settle(struct dist_call *call)
{
	if (dist_call_state(call) != DIST_CALL_REPLIED || !dist_call_claim(call))
		return;
	call_decode_claimed(call, call->reply_results, call->reply_length);
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
