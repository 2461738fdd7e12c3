/* Waiters (dist/waiter.h): a caller's reference to a call. */
#include <dist/waiter.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/call.h"
#include "client/conn.h"
#include "client/harvest.h"
#include "client/hedge.h"
#include "client/inside.h"
#include "client/observe.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/wait.h"

/* Gates on the stack; for more waiters they come from the heap. */
#define GATES_INLINE 256

static enum dist_err
waiter_check(struct dist_waiter *waiter)
{
	if (!waiter)
		return dist_error_set(DIST_EINVAL, "no waiter: the call did not start");
	if (dist_runtime_forked(dist_call_of(waiter)->runtime))
		return dist_error_set_plain(DIST_EFORKED);
	return DIST_OK;
}

/* --- One ----------------------------------------------------------------------------- */

enum dist_err
dist_waiter_wait(struct dist_waiter *waiter, int64_t timeout_ms)
{
	struct dist_call *call = dist_call_of(waiter);
	enum dist_err err = waiter_check(waiter);

	if (err)
		return err;
	if (dist_runtime_callback_call() == call)
		return dist_error_set(DIST_EDEADLK, "this waiter's own callback runs: ask "
		                                    "dist_waiter_status() instead");
	/* The clock is not read for one that has ended, as most have in a window. */
	if (dist_call_state(call) != DIST_CALL_DONE &&
	    !dist_call_wait(call, dist_deadline_in_ms(timeout_ms)))
		return dist_error_set_plain(DIST_ETIMEDOUT);
	return dist_call_outcome(call);
}

bool
dist_waiter_done(struct dist_waiter *waiter)
{
	struct dist_call *call = dist_call_of(waiter);

	return !waiter || dist_runtime_forked(call->runtime) || dist_call_over(call);
}

const struct dist_node_info *
dist_waiter_node(struct dist_waiter *waiter)
{
	struct dist_call *call = dist_call_of(waiter);
	struct dist_peer *peer;

	/* While it is in flight it may go to another node, and let go of the one it had. */
	if (waiter_check(waiter) || dist_call_state(call) != DIST_CALL_DONE)
		return NULL;
	peer = dist_call_last_peer(call);
	return peer ? &peer->info : NULL;
}

const char *
dist_waiter_error(struct dist_waiter *waiter)
{
	struct dist_call *call = dist_call_of(waiter);

	if (waiter_check(waiter))
		return dist_error_text();
	dist_call_settle(call);
	if (dist_call_state(call) != DIST_CALL_DONE || !call->err)
		return "";
	return call->text ? call->text : dist_error_string(call->err);
}

enum clnt_stat
dist_waiter_status(struct dist_waiter *waiter)
{
	struct rpc_err rpc_err;

	dist_waiter_rpc_error(waiter, &rpc_err);
	return rpc_err.re_status;
}

void
dist_waiter_rpc_error(struct dist_waiter *waiter, struct rpc_err *ret_error)
{
	struct dist_call *call = dist_call_of(waiter);

	*ret_error = (struct rpc_err){ .re_status = RPC_FAILED };
	if (waiter_check(waiter))
		return;
	dist_call_settle(call);
	if (dist_call_state(call) == DIST_CALL_DONE)
		*ret_error = call->rpc_err;
	else
		ret_error->re_status = RPC_INPROGRESS;
}

void
dist_waiter_cancel(struct dist_waiter *waiter)
{
	if (waiter_check(waiter) == DIST_OK)
		dist_call_end(dist_call_of(waiter), DIST_ECANCELED);
}

void
dist_waiter_free(struct dist_waiter *waiter)
{
	struct dist_call *call = dist_call_of(waiter);

	/* In a fork's child its locks may be held by threads that do not exist there. */
	if (!waiter || dist_runtime_forked(call->runtime))
		return;
	/* Its callback, if it has one, is not to get it. */
	if (atomic_load_explicit(&call->touched, memory_order_relaxed)) {
		dist_lock(&call->lock);
		call->freed = true;
		dist_unlock(&call->lock);
	}
	if (dist_call_state(call) != DIST_CALL_DONE && dist_runtime_callback_call() != call)
		dist_call_end(call, DIST_ECANCELED);
	dist_call_unref(call);
}

void *
dist_waiter_tag(struct dist_waiter *waiter)
{
	return waiter && dist_call_of(waiter)->queued ? dist_call_of(waiter)->tag : NULL;
}

enum dist_err
dist_waiter_then(struct dist_waiter *waiter, dist_waiter_fn *fn, void *arg)
{
	struct dist_call *call = dist_call_of(waiter);
	enum dist_err err = waiter_check(waiter);
	bool over;

	if (err)
		return err;
	dist_lock(&call->lock);
	if (call->then_fn || !fn) {
		dist_unlock(&call->lock);
		return dist_error_set(DIST_EINVAL, "a waiter takes one callback");
	}
	call->then_fn = fn;
	call->then_arg = arg;
	over = !dist_observe_locked(call);
	call->then_due = over;
	dist_unlock(&call->lock);
	if (over && !dist_runtime_post_callback(call->runtime, call))
		return dist_error_set(DIST_ECLOSED, "the cluster was closed: no thread is "
		                                    "left to run a callback");
	return DIST_OK;
}

/* --- Several ------------------------------------------------------------------------- */

enum dist_err
dist_wait_all(struct dist_waiter *const *waiters, size_t n_waiters, int64_t timeout_ms)
{
	int64_t deadline_ns = dist_deadline_in_ms(timeout_ms);
	enum dist_err first = DIST_OK, err;

	for (size_t i = 0; i < n_waiters; i++) {
		err = waiter_check(waiters[i]);
		if (err)
			continue;
		if (!dist_call_wait(dist_call_of(waiters[i]), deadline_ns))
			return dist_error_set_plain(DIST_ETIMEDOUT);
	}
	for (size_t i = 0; i < n_waiters && !first; i++) {
		first = waiter_check(waiters[i]);
		if (!first)
			first = dist_call_outcome(dist_call_of(waiters[i]));
	}
	return first;
}

static bool
find_over(struct dist_waiter *const *waiters, size_t n_waiters, size_t *ret_index)
{
	for (size_t i = 0; i < n_waiters; i++) {
		if (waiters[i] && dist_call_over(dist_call_of(waiters[i]))) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

/* Where the call is, this thread is to read, or the loop. */
static void
harvest_add_call(struct dist_harvest *harvest, struct dist_call *call)
{
	struct dist_conn *conn;
	uint32_t xid;

	for (unsigned i = 0; i < harvest->n_conns; i++) {
		if (dist_call_is_on(call, harvest->conns[i]))
			return;
	}
	conn = dist_call_conn(call, &xid);
	if (!conn || dist_harvest_add(harvest, conn))
		return;
	dist_conn_serve(conn);
	dist_conn_unref(conn);
}

/* Read on all their connections until the first is over, or these have changed. */
static void
any_wait(struct dist_waiter *const *waiters, struct dist_gate *gates, size_t n_waiters,
         int64_t deadline_ns)
{
	struct dist_inside before = dist_inside_enter();
	struct dist_harvest harvest;

	dist_harvest_init(&harvest);
	for (size_t i = 0; i < n_waiters; i++) {
		if (!waiters[i])
			continue;
		dist_gate_enter(&gates[i], &harvest, dist_call_of(waiters[i]));
		harvest_add_call(&harvest, dist_call_of(waiters[i]));
	}
	if (deadline_ns)
		dist_harvest_wait(&harvest, deadline_ns);
	else
		dist_harvest_look(&harvest, false);
	for (size_t i = 0; i < n_waiters; i++) {
		if (waiters[i])
			dist_gate_leave(&gates[i], dist_call_of(waiters[i]));
	}
	dist_harvest_fini(&harvest);
	dist_inside_leave(before);
}

enum dist_err
dist_wait_any(struct dist_waiter *const *waiters, size_t n_waiters, int64_t timeout_ms,
              size_t *ret_index)
{
	struct dist_gate few[GATES_INLINE], *gates = few;
	int64_t deadline_ns = timeout_ms ? dist_deadline_in_ms(timeout_ms) : 0;
	size_t n_real = 0, index = 0;
	bool found;

	for (size_t i = 0; i < n_waiters; i++) {
		if (waiters[i] && waiter_check(waiters[i]) != DIST_OK)
			return dist_error_last();
		n_real += waiters[i] != NULL;
	}
	if (n_real == 0)
		return dist_error_set(DIST_EINVAL, "no call to wait for");
	found = find_over(waiters, n_waiters, &index);
	if (!found && n_waiters > GATES_INLINE) {
		gates = calloc(n_waiters, sizeof(*gates));
		if (!gates)
			return dist_error_set_plain(DIST_ENOMEM);
	}
	while (!found) {
		any_wait(waiters, gates, n_waiters, deadline_ns);
		found = find_over(waiters, n_waiters, &index);
		if (dist_deadline_passed(deadline_ns))
			break;
	}
	if (gates != few)
		free(gates);
	if (!found)
		return dist_error_set_plain(DIST_ETIMEDOUT);
	*ret_index = index;
	return dist_waiter_wait(waiters[index], DIST_FOREVER);
}
