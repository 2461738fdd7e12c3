#include "client/hedge.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/conn.h"
#include "client/dispatch.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "client/wait.h"

struct dist_hedge {
	/* Set before the call is started, then read-only. */
	struct dist_call *first; /* which has it, and frees it */
	int64_t after_ns; /* 0: not by time */

	struct dist_timer timer; /* holds a reference of the first's while it is set */

	/* Under the first's lock. */
	struct dist_call *second;  /* on its way; holds a reference; NULL */
	struct dist_peer *lost_on; /* a second was; holds a reference; NULL */
	struct dist_call *failed;  /* a second with an error's answer; as well; NULL */
	bool waits; /* the first has no try of its own, and this has a reference of its */
	bool over;  /* the first has its outcome */

	struct dist_peer *winner; /* holds a reference; by whoever claimed the first */
};

static void hedge_on_due(struct dist_timer *timer);

enum dist_err
dist_hedge_prepare(struct dist_call *call, int64_t after_ms)
{
	struct dist_hedge *hedge = calloc(1, sizeof(*hedge));

	if (!hedge)
		return dist_error_set_plain(DIST_ENOMEM);
	hedge->first = call;
	hedge->after_ns = DIST_MIN(after_ms, INT32_MAX) * DIST_NS_PER_MS;
	dist_timer_init(&hedge->timer, hedge_on_due);
	dist_call_touch(call);
	call->hedge = hedge;
	call->hedging = DIST_HEDGE_FIRST;
	return DIST_OK;
}

void
dist_hedge_free(struct dist_call *call)
{
	if (call->hedge) {
		dist_peer_unref(call->hedge->lost_on);
		dist_peer_unref(call->hedge->winner);
		free(call->hedge);
	}
	if (call->first)
		dist_call_unref(call->first);
}

struct dist_peer *
dist_hedge_winner(const struct dist_call *call)
{
	return call->hedge ? call->hedge->winner : NULL;
}

/* --- Sending the second -------------------------------------------------------------- */

/* Whoever has ended the call meanwhile found no timer to cancel. */
static void
hedge_set_timer(struct dist_hedge *hedge)
{
	struct dist_loop *loop = dist_runtime_loop(hedge->first->runtime);

	dist_call_ref(hedge->first);
	if (!dist_loop_timer_set(loop, &hedge->timer, dist_clock_ns() + hedge->after_ns) ||
	    (!dist_call_pending(hedge->first) &&
	     dist_loop_timer_cancel(loop, &hedge->timer)))
		dist_call_unref(hedge->first);
}

void
dist_hedge_arm(struct dist_call *call)
{
	if (call->hedge && call->hedge->after_ns && dist_call_pending(call))
		hedge_set_timer(call->hedge);
}

/* It is not to go where the first is. NULL: no memory. */
static struct dist_call *
second_new(struct dist_hedge *hedge, struct dist_peer *where)
{
	struct dist_call *first = hedge->first;
	struct dist_call *second = dist_call_new(first->route);

	if (!second)
		return NULL;
	dist_call_touch(second);
	second->hedging = DIST_HEDGE_SECOND;
	second->first = dist_call_ref(first);
	second->prog = first->prog;
	second->vers = first->vers;
	second->proc = first->proc;
	second->idempotent = true;
	second->max_tries = 1;
	second->affinity = first->affinity;
	second->deadline_ns = first->deadline_ns;
	second->record = first->record;
	second->args_start = first->args_start;
	second->args_length = first->args_length;
	second->cred_flavor = first->cred_flavor;
	second->cred_length = first->cred_length;
	second->n_sent = 1; /* the first's: this is one more for the same call */
	if (dist_call_go_to(second, dist_peer_ref(where)) != DIST_OK) {
		dist_call_unref(second);
		return NULL;
	}
	second->alone = false;
	return second;
}

static void
hedge_send(struct dist_hedge *hedge, struct dist_call *second)
{
	struct dist_call *first = hedge->first;
	bool wanted;

	dist_lock(&first->lock);
	wanted = !hedge->over && !hedge->second && !hedge->failed;
	if (wanted)
		hedge->second = dist_call_ref(second);
	dist_unlock(&first->lock);
	if (wanted)
		dist_dispatch_place(second);
	else
		dist_call_unref(second);
}

/* False: the first is not with a node just now, as it waits for one. */
static bool
hedge_try(struct dist_hedge *hedge)
{
	struct dist_call *second;
	struct dist_conn *conn;
	uint32_t xid;

	conn = dist_call_conn(hedge->first, &xid);
	if (!conn)
		return false;
	second = second_new(hedge, conn->peer);
	if (second)
		hedge_send(hedge, second);
	else
		dist_log_debug("no-memory", "for=hedge");
	dist_conn_unref(conn);
	return true;
}

static void
hedge_on_due(struct dist_timer *timer)
{
	struct dist_hedge *hedge = DIST_CONTAINER_OF(timer, struct dist_hedge, timer);
	struct dist_call *first = hedge->first;

	if (dist_call_pending(first) && !hedge_try(hedge))
		hedge_set_timer(hedge); /* it is looked at again */
	dist_call_unref(first);         /* the timer's */
}

/* One that was only allowed has nothing yet. NULL: it has a second, or is over. */
static struct dist_hedge *
call_make_hedge(struct dist_call *call)
{
	struct dist_hedge *made = calloc(1, sizeof(*made)), *hedge = NULL;

	dist_lock(&call->lock);
	/* Whoever claims it looks for a hedge after that, under the lock. */
	if (made && dist_call_pending(call)) {
		if (!call->hedge) {
			made->first = call;
			dist_timer_init(&made->timer, hedge_on_due);
			dist_call_touch(call);
			call->hedge = made;
			made = NULL;
		}
		/* One that failed there is not better served elsewhere. */
		if (!call->hedge->second && !call->hedge->failed)
			hedge = call->hedge;
	}
	dist_unlock(&call->lock);
	free(made);
	return hedge;
}

bool
dist_hedge_now(struct dist_call *call)
{
	bool aside, sent = false;
	struct dist_hedge *hedge;

	if (call->hedging != DIST_HEDGE_FIRST)
		return false;
	hedge = call_make_hedge(call);
	if (hedge) {
		aside = dist_error_aside(true);
		sent = hedge_try(hedge);
		dist_error_aside(aside);
	}
	return sent;
}

/* --- The first ----------------------------------------------------------------------- */

bool
dist_hedge_wait(struct dist_call *call)
{
	struct dist_peer *lost_on = NULL;
	struct dist_hedge *hedge;
	bool waits;

	if (call->hedging != DIST_HEDGE_FIRST)
		return false;
	dist_lock(&call->lock);
	hedge = call->hedge;
	waits = hedge && hedge->second && !hedge->over;
	if (hedge)
		hedge->waits = waits;
	if (hedge && !waits) {
		lost_on = hedge->lost_on;
		hedge->lost_on = NULL;
	}
	dist_unlock(&call->lock);
	if (lost_on)
		dist_call_add_lost(call, lost_on);
	return waits;
}

struct dist_call *
dist_hedge_take_failed(struct dist_call *call)
{
	struct dist_call *failed = NULL;

	if (call->hedging != DIST_HEDGE_FIRST)
		return NULL;
	dist_lock(&call->lock);
	if (call->hedge)
		failed = DIST_TAKE(call->hedge->failed);
	dist_unlock(&call->lock);
	return failed;
}

static void
first_outcome(struct dist_call *first)
{
	struct dist_call *second, *failed;
	struct dist_hedge *hedge;
	bool waits;

	dist_lock(&first->lock);
	hedge = first->hedge;
	if (!hedge) {
		dist_unlock(&first->lock);
		return;
	}
	hedge->over = true;
	second = hedge->second;
	hedge->second = NULL;
	failed = DIST_TAKE(hedge->failed);
	waits = hedge->waits;
	hedge->waits = false;
	dist_unlock(&first->lock);

	/* They hold each other. */
	if (failed)
		dist_call_unref(failed);
	if (hedge->after_ns &&
	    dist_loop_timer_cancel(dist_runtime_loop(first->runtime), &hedge->timer))
		dist_call_unref(first);
	if (second) {
		dist_call_end_now(second, DIST_ECANCELED);
		dist_call_unref(second);
	}
	if (waits)
		dist_call_unref(first);
}

/* --- The second ---------------------------------------------------------------------- */

static void
second_outcome(struct dist_call *second)
{
	struct dist_call *first = second->first;
	struct dist_hedge *hedge = first->hedge;
	bool failed, resumes = false, kept = false;

	dist_lock(&first->lock);
	/* Else the first has ended, and knows. */
	failed = hedge->second == second;
	if (failed) {
		hedge->second = NULL;
		resumes = hedge->waits;
		hedge->waits = false;
		if (second->n_lost && !hedge->lost_on)
			hedge->lost_on = dist_peer_ref(second->peer);
		kept = !resumes && second->err == DIST_ERPC;
		if (kept)
			hedge->failed = second;
	}
	dist_unlock(&first->lock);
	if (resumes)
		dist_dispatch_resume(first, second);
	if (failed && !kept)
		dist_call_unref(second);
}

void
dist_hedge_outcome(struct dist_call *call)
{
	if (call->hedging == DIST_HEDGE_FIRST)
		first_outcome(call);
	else
		second_outcome(call);
}

/* Of a first that was claimed for its second, which is answered. */
static void
first_take_answer(struct dist_call *first, struct dist_call *second,
                  const uint8_t *results, size_t length)
{
	struct dist_conn *conn;
	uint32_t xid;

	first->hedge->winner = dist_peer_ref(second->peer);
	dist_stats_hedge_won(second->peer, second);
	dist_call_take_answer(first, results, length, second->peer);
	/* Its own try, and the thread that waits there. */
	conn = dist_call_conn(first, &xid);
	if (conn) {
		dist_conn_abandon(conn, xid, first);
		dist_conn_unref(conn);
	}
}

void
dist_hedge_answered(struct dist_call *second, const uint8_t *results, size_t length)
{
	struct dist_call *first = second->first;

	if (dist_call_claim(second)) {
		if (dist_call_claim_pending(first))
			first_take_answer(first, second, results, length);
		dist_call_finish(second, DIST_OK, NULL);
	}
	dist_call_unref(second);
}
