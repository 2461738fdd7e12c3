#include "client/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "idl/node.h"
#include "wire/callmsg.h"

/* After all nodes were busy: the first pause, and the longest. */
#define BUSY_FIRST_NS (1 * DIST_NS_PER_MS)
#define BUSY_MAX_NS (100 * DIST_NS_PER_MS)

/* --- The last word ------------------------------------------------------------------- */

/* Keep why a try came to nothing, for when it was the last. */
static void
call_keep_failure(struct dist_call *call, enum dist_err err, const struct rpc_err *rpc_err,
                  const char *text)
{
	call->last_err = err;
	call->last_rpc_err = rpc_err ? *rpc_err : (struct rpc_err){ 0 };
	free(call->last_text);
	call->last_text = strdup(text);
}

/* The last try did not run, but an earlier one may have: that is what must be said. */
static void
call_finish_lost(struct dist_call *call)
{
	char text[DIST_ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "lost on %u node(s) before, the call may have run; then %s",
	         call->n_lost, call->last_text ? call->last_text : "no other was left");
	dist_call_finish(call, DIST_ECONNRESET, text);
}

/* End it with what was kept, or with @err and @text when it was never tried. */
static void
call_give_up(struct dist_call *call, enum dist_err err, const char *text)
{
	if (dist_call_claim(call)) {
		if (err == DIST_ECLOSED || err == DIST_EDEADLINE) {
			dist_call_finish(call, err, text);
		} else if (call->n_lost && call->last_err != DIST_ECONNRESET &&
		           call->last_err != DIST_ERPC) {
			call_finish_lost(call);
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
	dist_dispatch_place(DIST_CONTAINER_OF(timer, struct dist_call, retry_timer));
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
	free(call->last_text);
	call->last_text = NULL;
	dist_timer_init(&call->retry_timer, call_on_retry);
	/* A loop that has stopped means that its peers are closed: then this ends it. */
	if (!dist_loop_timer_set(dist_runtime_loop(call->runtime), &call->retry_timer,
	                         dist_clock_ns() + pause_ns))
		dist_dispatch_place(call);
}

/* No peer is left to try. */
static void
call_no_peer_left(struct dist_call *call, enum dist_err err)
{
	char text[DIST_ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", dist_error_text());
	if (err == DIST_ENONODE && call->last_err == DIST_EBUSY && call->synchronous) {
		call_retry_later(call);
		return;
	}
	if (err == DIST_ENONODE && call->wait_nodes_until_ns > dist_clock_ns() &&
	    call->route->ops->park(call->route, call))
		return;
	call_give_up(call, err, text);
}

/* --- Placing ------------------------------------------------------------------------- */

/* One peer: DIST_OK, and the call is on its way. */
static enum dist_err
call_try(struct dist_call *call, struct dist_peer *peer)
{
	enum dist_err err = dist_call_add_tried(call, peer);

	if (!err) {
		call->n_sent++;
		err = dist_peer_send(peer, call);
	}
	if (err)
		atomic_fetch_sub(&peer->in_flight, 1);
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
		if (err) {
			call_no_peer_left(call, err);
			return;
		}
		err = call_try(call, peer);
		if (!err) {
			dist_peer_unref(peer);
			return;
		}
		call_keep_failure(call, err, NULL, dist_error_text());
		dist_peer_unref(peer);
		if (err == DIST_ENOMEM) {
			call_give_up(call, err, call->last_text);
			return;
		}
	}
	dist_call_unref(call); /* it was cancelled, or its deadline passed */
}

static __thread const struct dist_call *started_here;

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

void
dist_dispatch_not_run(struct dist_call *call, enum dist_err err, const char *why)
{
	if (err == DIST_ECLOSED) {
		call_give_up(call, err, "the cluster was closed");
		return;
	}
	dist_call_leave_conn(call);
	call_keep_failure(call, err, NULL, why);
	dist_dispatch_place(call);
}

void
dist_dispatch_lost(struct dist_call *call, enum dist_err err, const char *why)
{
	char text[DIST_ERROR_TEXT_MAX];

	if (err == DIST_ECLOSED) {
		call_give_up(call, err, "the cluster was closed");
		return;
	}
	call->n_lost++;
	if (call->n_lost > 1)
		snprintf(text, sizeof(text), "%s; lost on %u nodes, the call may have run",
		         why, call->n_lost);
	else
		snprintf(text, sizeof(text), "%s; the call may have run", why);
	call_keep_failure(call, err, NULL, text);
	if (call->idempotent && call->n_lost < call->max_tries) {
		dist_call_leave_conn(call);
		dist_dispatch_place(call);
	} else {
		call_give_up(call, err, text);
	}
}

/* --- Replies that are no success ----------------------------------------------------- */

static const char *
not_run_text(uint32_t reason)
{
	switch (reason) {
	case DIST_NOT_RUN_BUSY:
		return "busy: its queue is full";
	case DIST_NOT_RUN_DRAINING:
		return "draining: it takes no new calls";
	default:
		return "it did not run the call";
	}
}

void
dist_dispatch_refused(struct dist_call *call, struct dist_peer *peer,
                      const struct dist_reply_header *header)
{
	char text[DIST_ERROR_TEXT_MAX];
	struct rpc_err rpc_err = { 0 };

	dist_reply_header_to_rpc_err(header, &rpc_err);
	if (header->has_meta && header->meta.not_run != DIST_RAN) {
		if (header->meta.not_run == DIST_NOT_RUN_DRAINING)
			atomic_store(&peer->leaving, true);
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
		dist_peer_set_lacking(peer, call->prog, call->vers);
		dist_call_leave_conn(call);
		dist_dispatch_place(call);
		return;
	}
	call_give_up(call, DIST_ERPC, text);
}
