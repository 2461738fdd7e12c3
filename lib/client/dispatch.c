#include "client/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "client/conn.h"
#include "client/hedge.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "client/wait.h"
#include "idl/node.h"
#include "wire/callmsg.h"

/* After all nodes were busy: the first pause, and the longest. */
#define BUSY_FIRST_NS (1 * DIST_NS_PER_MS)
#define BUSY_MAX_NS (100 * DIST_NS_PER_MS)
/* Of an error's text what names the nodes that a call was lost on. */
#define LOST_LIST_MAX 384
/* " and 4294967295 more" */
#define LOST_MORE_MAX 22

/* --- The last word ------------------------------------------------------------------- */

/* Keep why a try came to nothing, for when it was the last. */
static void
call_keep_failure(struct dist_call *call, enum dist_err err, const struct rpc_err *rpc_err,
                  const char *text)
{
	dist_call_touch(call);
	call->last_err = err;
	call->met_busy = call->met_busy || err == DIST_EBUSY;
	call->last_rpc_err = rpc_err ? *rpc_err : (struct rpc_err){ 0 };
	free(call->last_text);
	call->last_text = strdup(text);
}

/* "A, B and C", and as many as there is room for: "A, B and 7 more". */
static const char *
call_list_lost(const struct dist_call *call, char list[LOST_LIST_MAX])
{
	size_t at = 0;

	list[0] = '\0';
	for (unsigned i = 0; i < call->n_lost; i++) {
		const char *name = dist_call_lost_on(call, i)->info.name;
		unsigned n_left = call->n_lost - i;
		const char *before = i == 0 ? "" : n_left == 1 ? " and " : ", ";

		if (at + strlen(before) + strlen(name) + LOST_MORE_MAX > LOST_LIST_MAX) {
			snprintf(list + at, LOST_LIST_MAX - at, "%s%u more",
			         i ? " and " : "", n_left);
			break;
		}
		at += (size_t)snprintf(list + at, LOST_LIST_MAX - at, "%s%s", before, name);
	}
	return list;
}

/*
 * It may have run, which is what must be said, where, and what has become of it since; and
 * with @reason why it goes nowhere else.
 */
static void
call_finish_lost(struct dist_call *call, enum dist_err err, const char *then,
                 const char *reason)
{
	bool lost_last = err == DIST_ECONNRESET && call->last_err == DIST_ECONNRESET;
	char text[DIST_ERROR_TEXT_MAX], list[LOST_LIST_MAX];
	const char *between = reason ? "; " : "";

	reason = reason ? reason : "";
	if (!then)
		then = lost_last ? "the connection was lost" : "no other node was left";
	if (lost_last && call->n_lost == 1)
		snprintf(text, sizeof(text), "%s; the call may have run%s%s", then, between,
		         reason);
	else
		snprintf(text, sizeof(text),
		         "lost on %s; the call may have run%s%s; %s: %s",
		         call_list_lost(call, list), between, reason,
		         lost_last ? "the last" : "then", then);
	dist_call_finish(call, err, text);
}

/* Answers that promise that the procedure was not begun (docs/reliability.md). */
static bool
stat_is_not_run(enum clnt_stat stat)
{
	return stat == RPC_PROGUNAVAIL || stat == RPC_PROGVERSMISMATCH ||
	       stat == RPC_PROCUNAVAIL || stat == RPC_CANTDECODEARGS;
}

/*
 * Whether how the last try ended is how the call did: a node's answer, unless it is that
 * it did not run, which that node can say for itself alone.
 */
static bool
call_was_answered(const struct dist_call *call)
{
	return call->last_err == DIST_ERPC &&
	       !stat_is_not_run(call->last_rpc_err.re_status);
}

/* End it with what was kept, or with @err and @text when it was never tried. */
static void
call_give_up(struct dist_call *call, enum dist_err err, const char *text)
{
	if (dist_call_claim(call)) {
		if (err == DIST_ECLOSED || err == DIST_EDEADLINE) {
			if (call->n_lost)
				call_finish_lost(call, err, text, NULL);
			else
				dist_call_finish(call, err, text);
		} else if (call->n_lost && !call_was_answered(call)) {
			call_finish_lost(call, DIST_ECONNRESET, call->last_text,
			                 err == DIST_ECONNRESET ? text : NULL);
		} else if (call->last_err) {
			call->rpc_err = call->last_rpc_err;
			dist_call_finish(call, call->last_err, call->last_text);
		} else {
			dist_call_finish(call, err, text);
		}
	}
	dist_call_unref(call);
}

/* --- Waiting for a better moment ----------------------------------------------------- */

static void
call_on_retry(struct dist_timer *timer)
{
	dist_dispatch_place(DIST_CONTAINER_OF(timer, struct dist_call, timer));
}

/* Each round twice as long, and never in step with others. */
static int64_t
call_busy_pause_ns(struct dist_call *call)
{
	unsigned doublings = DIST_MIN(call->n_busy, 7);
	int64_t longest = DIST_MIN(BUSY_FIRST_NS << doublings, BUSY_MAX_NS);
	uint64_t mix = (uint64_t)(uintptr_t)call ^ (uint64_t)dist_clock_ns();

	mix *= UINT64_C(0x9e3779b97f4a7c15);
	return longest / 2 + (int64_t)((mix >> 33) % (uint64_t)(longest / 2 + 1));
}

static void
call_retry_later(struct dist_call *call)
{
	int64_t pause_ns = call_busy_pause_ns(call);

	call->n_busy++;
	/* A new round with its own last word: by then there may be nobody to be busy. */
	dist_call_forget_tried(call);
	call->last_err = DIST_OK;
	call->met_busy = false;
	free(call->last_text);
	call->last_text = NULL;
	dist_timer_init(&call->timer, call_on_retry);
	call->alone = false;
	/* A loop that has stopped means that its peers are closed: then this ends it. */
	if (!dist_loop_timer_set(dist_runtime_loop(call->runtime), &call->timer,
	                         dist_clock_ns() + pause_ns))
		dist_dispatch_place(call);
}

/* No peer is left to try. */
static void
call_no_peer_left(struct dist_call *call, enum dist_err err)
{
	char text[DIST_ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", dist_error_text());
	if (err == DIST_ENONODE && call->met_busy && call->synchronous) {
		call_retry_later(call);
		return;
	}
	if (err == DIST_ENONODE && call->wait_nodes_until_ns > dist_clock_ns()) {
		call->alone = false;
		if (call->route->ops->park(call->route, call))
			return;
	}
	call_give_up(call, err, text);
}

/* --- Placing ------------------------------------------------------------------------- */

/* One peer, whose reference is taken: DIST_OK, and the call is on its way. */
static enum dist_err
call_try(struct dist_call *call, struct dist_peer *peer)
{
	enum dist_err err = dist_call_go_to(call, peer);

	if (err) {
		atomic_fetch_sub(&peer->in_flight, 1);
		dist_peer_unref(peer);
		return err;
	}
	call->n_sent++;
	err = dist_peer_send(peer, call);
	/* It is the call's until another takes its place, which is up to this thread. */
	if (err) {
		atomic_fetch_sub(&peer->in_flight, 1);
		dist_stats_over(peer, call, DIST_OUTCOME_NOT_SENT);
	}
	return err;
}

void
dist_dispatch_place(struct dist_call *call)
{
	struct dist_peer *peer;
	enum dist_err err;

	while (dist_call_state(call) == DIST_CALL_PENDING) {
		if (dist_deadline_passed(call->deadline_ns)) {
			call_give_up(call, DIST_EDEADLINE,
			             "the call's deadline passed before it could be sent");
			return;
		}
		err = call->route->ops->pick(call->route, call, &peer);
		if (err == DIST_ENONODE && dist_call_ask_anew(call))
			continue;
		if (err) {
			call_no_peer_left(call, err);
			return;
		}
		err = call_try(call, peer);
		if (!err)
			return;
		call_keep_failure(call, err, NULL, dist_error_text());
		if (err == DIST_ENOMEM) {
			call_give_up(call, err, call->last_text);
			return;
		}
	}
	dist_call_unref(call); /* it was cancelled, or its deadline passed */
}

static DIST_THREAD_LOCAL const struct dist_call *started_here;

void
dist_dispatch_start(struct dist_call *call)
{
	started_here = call->synchronous ? call : NULL;
	dist_dispatch_place(call);
	started_here = NULL;
}

bool
dist_dispatch_caller_waits(const struct dist_call *call)
{
	return started_here == call;
}

/*
 * The last try came to nothing. Whether that is taken care of: there is one beside it still,
 * or there was, and its node's answer is the call's.
 */
static bool
call_has_second(struct dist_call *call)
{
	struct dist_call *failed;

	if (dist_hedge_wait(call))
		return true;
	failed = dist_hedge_take_failed(call);
	if (!failed)
		return false;
	dist_dispatch_resume(call, failed);
	dist_call_unref(failed);
	return true;
}

/* The last try came to nothing: another. */
static void
call_place_again(struct dist_call *call)
{
	dist_call_leave_conn(call);
	if (!call_has_second(call))
		dist_dispatch_place(call);
}

void
dist_dispatch_not_run(struct dist_call *call, enum dist_err err, const char *why)
{
	if (err == DIST_ECLOSED) {
		call_give_up(call, err, "the cluster was closed");
		return;
	}
	call_keep_failure(call, err, NULL, why);
	call_place_again(call);
}

void
dist_dispatch_unsent(struct dist_call *call, enum dist_err err, const char *why)
{
	dist_call_touch(call);
	if (!call->asks_anew)
		call->unsent_to = call->peer;
	dist_dispatch_not_run(call, err, why);
}

/* It was lost, and now either goes on or is over. */
static void
call_place_lost(struct dist_call *call)
{
	if (call->idempotent && call->n_lost < call->max_tries)
		dist_dispatch_place(call);
	else
		call_give_up(call, DIST_ENONODE, NULL);
}

void
dist_dispatch_lost(struct dist_call *call, enum dist_err err, const char *why)
{
	if (err == DIST_ECLOSED) {
		call_give_up(call, err, "the cluster was closed");
		return;
	}
	dist_route_failed(call->route);
	dist_call_lose_peer(call);
	call_keep_failure(call, err, NULL, why);
	if (call->idempotent)
		dist_call_leave_conn(call);
	if (!call_has_second(call))
		call_place_lost(call);
}

void
dist_dispatch_resume(struct dist_call *call, const struct dist_call *second)
{
	enum dist_err err;

	(void)dist_hedge_wait(call); /* it takes over what the second was lost on */
	if (second->err == DIST_ERPC && call_was_answered(second)) {
		err = dist_call_go_to(call, dist_peer_ref(second->peer));
		if (err)
			dist_peer_unref(second->peer);
		call_keep_failure(call, DIST_ERPC, &second->rpc_err,
		                  second->text ? second->text : "");
		call_give_up(call, DIST_ERPC, call->last_text);
		return;
	}
	if (call->n_lost)
		call_place_lost(call);
	else
		dist_dispatch_place(call);
}

/* --- Replies that are no success ----------------------------------------------------- */

static const char *
not_run_text(uint32_t reason)
{
	switch (reason) {
	case DIST_NOT_RUN_BUSY:
		return "busy: its queue is full, or its memory is used up";
	case DIST_NOT_RUN_DRAINING:
		return "draining: it takes no new calls";
	default:
		return "it did not run the call";
	}
}

void
dist_dispatch_refused(struct dist_call *call, struct dist_conn *conn,
                      const struct dist_reply_header *header)
{
	struct dist_peer *peer = conn->peer;
	char text[DIST_ERROR_TEXT_MAX];
	struct rpc_err rpc_err = { 0 };

	dist_reply_header_to_rpc_err(header, &rpc_err);
	if (header->has_meta && header->meta.not_run != DIST_RAN) {
		if (header->meta.not_run == DIST_NOT_RUN_DRAINING)
			dist_peer_set_leaving(peer, conn);
		snprintf(text, sizeof(text), "%s: %s", dist_peer_label(peer),
		         not_run_text(header->meta.not_run));
		dist_dispatch_not_run(call, DIST_EBUSY, text);
		return;
	}
	snprintf(text, sizeof(text), "%s: program %#x version %u procedure %u: %s",
	         dist_peer_label(peer), call->prog, call->vers, call->proc,
	         clnt_sperrno(rpc_err.re_status));
	call_keep_failure(call, DIST_ERPC, &rpc_err, text);
	if (rpc_err.re_status == RPC_PROGUNAVAIL ||
	    rpc_err.re_status == RPC_PROGVERSMISMATCH) {
		dist_peer_set_lacking(peer, conn, call->prog, call->vers);
		call_place_again(call);
		return;
	}
	if (stat_is_not_run(rpc_err.re_status)) {
		/* Not here; but its second may be running it, was lost, or has failed. */
		dist_call_leave_conn(call);
		if (call_has_second(call))
			return;
	} else if (call->hedging != DIST_HEDGE_SECOND &&
	           dist_deadline_passed(call->deadline_ns)) {
		/* A procedure that sees that time is up gives no result: that is its end. */
		dist_call_end_now(call, DIST_EDEADLINE);
	}
	call_give_up(call, DIST_ERPC, text);
}
