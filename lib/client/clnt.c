/*
 * The CLIENT that rpcgen's stubs call. A stub does nothing but call cl_ops->cl_call, so a
 * CLIENT of ours is enough to send its call wherever the route picks.
 *
 * Inside each is its starting twin, which dist_go() hands to the stub instead: its cl_call
 * starts the call, leaves the waiter for the thread, and returns RPC_INPROGRESS, which the
 * stub passes on.
 */
#include "client/clnt.h"

#include <dist/waiter.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/dispatch.h"
#include "client/hedge.h"
#include "client/inside.h"
#include "client/last.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "client/wait.h"

static struct clnt_ops sync_ops, go_ops;

/* What dist_go() started, between the stub's return and dist_go_started(). */
static DIST_THREAD_LOCAL struct dist_waiter *started;

static struct dist_clnt *
clnt_of_go(CLIENT *clnt)
{
	return DIST_CONTAINER_OF(clnt, struct dist_clnt, go);
}

/* --- Starting a call ----------------------------------------------------------------- */

static void
call_on_deadline(struct dist_timer *timer)
{
	struct dist_call *call = DIST_CONTAINER_OF(timer, struct dist_call, timer);

	/*
	 * A loop that stops runs what was not due yet, too: its cluster is closed, and all
	 * calls have ended but those whose reply waits to be decoded, which keep it.
	 */
	if (dist_deadline_passed(call->deadline_ns))
		dist_call_end_now(call, DIST_EDEADLINE);
	else if (dist_call_pending(call))
		dist_call_end_now(call, DIST_ECLOSED);
	dist_call_unref(call);
}

/*
 * After it was placed, so that until then it is this thread's alone. Whoever has ended it
 * meanwhile found no timer to cancel.
 */
static void
call_arm_deadline(struct dist_call *call)
{
	struct dist_loop *loop = dist_runtime_loop(call->runtime);

	if (!dist_call_pending(call))
		return;
	dist_call_ref(call); /* the timer's */
	if (!dist_loop_timer_set(loop, &call->timer, call->deadline_ns) ||
	    (!dist_call_pending(call) && dist_loop_timer_cancel(loop, &call->timer)))
		dist_call_unref(call);
}

static void
call_set_options(struct dist_call *call, struct dist_clnt *self)
{
	int64_t timeout_ms = atomic_load_explicit(&self->timeout_ms, memory_order_relaxed);

	call->idempotent = self->options.idempotent;
	call->max_tries = self->options.max_tries ? self->options.max_tries : DIST_MAX_TRIES;
	call->affinity = self->options.affinity;
	if (timeout_ms > 0)
		call->deadline_ns = dist_deadline_in_ms(timeout_ms);
	if (self->options.wait_for_nodes_ms)
		call->wait_nodes_until_ns =
			dist_deadline_in_ms(self->options.wait_for_nodes_ms);
}

/* A call with its arguments encoded, counted; NULL, and the thread's text says why. */
static struct dist_call *
clnt_make_call(struct dist_clnt *self, rpcproc_t proc, xdrproc_t xdr_args, void *args,
               xdrproc_t xdr_result, void *result)
{
	struct dist_call *call;
	AUTH *auth = self->sync.cl_auth;

	if (dist_runtime_forked(self->route->runtime)) {
		dist_error_set_plain(DIST_EFORKED);
		return NULL;
	}
	call = dist_call_new(self->route);
	if (!call) {
		dist_error_set_plain(DIST_ENOMEM);
		return NULL;
	}
	call->prog = self->prog;
	call->vers = self->vers;
	call->proc = (uint32_t)proc;
	call->xdr_result = xdr_result;
	call->result = result;
	call_set_options(call, self);
	if (dist_call_encode(call, auth ? &auth->ah_cred : &_null_auth, xdr_args, args,
	                     self->route->max_record_bytes) ||
	    (self->options.hedge_after_ms &&
	     dist_hedge_prepare(call, self->options.hedge_after_ms)) ||
	    (self->route->bound.max && dist_bound_enter(call))) {
		dist_call_unref(call);
		return NULL;
	}
	if (self->may_be_hedged)
		call->hedging = DIST_HEDGE_FIRST;
	return call;
}

/* --- Synchronous --------------------------------------------------------------------- */

static enum clnt_stat
clnt_start_failed(struct dist_clnt *self)
{
	struct rpc_err rpc_err = { 0 };

	rpc_err.re_status = dist_error_to_clnt_stat(dist_error_last());
	if (dist_error_last() != DIST_EFORKED)
		dist_last_set(self->id, &rpc_err, NULL);
	return rpc_err.re_status;
}

/* The stub's own 25 s are not applied: a deadline is what the CLIENT's options say. */
static enum clnt_stat
clnt_sync_call(CLIENT *clnt, rpcproc_t proc, xdrproc_t xdr_args, void *args,
               xdrproc_t xdr_result, void *result, struct timeval timeout)
{
	struct dist_clnt *self = (struct dist_clnt *)clnt;
	struct dist_call *call = NULL;
	struct dist_inside before;
	enum clnt_stat stat;

	(void)timeout;
	if (dist_last_prepare())
		call = clnt_make_call(self, proc, xdr_args, args, xdr_result, result);
	if (!call)
		return clnt_start_failed(self);
	call->synchronous = true;
	before = dist_inside_enter();
	dist_dispatch_start(dist_call_ref_alone(call));
	if (call->hedging)
		dist_hedge_arm(call);
	if (!dist_call_wait(call, DIST_NEVER))
		dist_call_end(call, DIST_EDEADLINE);
	dist_inside_leave(before);
	dist_call_outcome(call);
	dist_last_set(self->id, &call->rpc_err, dist_call_last_peer(call));
	stat = call->rpc_err.re_status;
	dist_call_unref(call);
	return stat;
}

/* --- Asynchronous -------------------------------------------------------------------- */

/* It ended before it left: dist_go() itself says so. */
static bool
call_did_not_start(struct dist_call *call)
{
	if (dist_call_state(call) != DIST_CALL_DONE)
		return false;
	switch (call->err) {
	case DIST_ENONODE:
	case DIST_EBUSY:
	case DIST_ENOMEM:
	case DIST_ECLOSED:
		return true;
	default:
		return false;
	}
}

static enum clnt_stat
clnt_go_call(CLIENT *clnt, rpcproc_t proc, xdrproc_t xdr_args, void *args,
             xdrproc_t xdr_result, void *result, struct timeval timeout)
{
	struct dist_clnt *self = clnt_of_go(clnt);
	struct dist_call *call;
	bool aside;

	(void)timeout;
	call = clnt_make_call(self, proc, xdr_args, args, xdr_result, result);
	if (!call)
		return dist_error_to_clnt_stat(dist_error_last());
	aside = dist_error_aside(true); /* of cancellation inside.h speaks */
	dist_timer_init(&call->timer, call_on_deadline);
	dist_dispatch_start(dist_call_ref_alone(call));
	if (call->deadline_ns != DIST_NEVER)
		call_arm_deadline(call);
	if (call->hedging)
		dist_hedge_arm(call);
	dist_error_aside(aside);
	if (call_did_not_start(call)) {
		enum clnt_stat stat = call->rpc_err.re_status;

		dist_call_outcome(call);
		dist_call_unref(call);
		return stat;
	}
	started = dist_waiter_of(call);
	return RPC_INPROGRESS;
}

struct dist_waiter *
dist_go_started(enum clnt_stat stat)
{
	struct dist_waiter *waiter = stat == RPC_INPROGRESS ? started : NULL;

	started = NULL;
	return waiter;
}

/* --- For what is no CLIENT of ours ---------------------------------------------------- */

static enum clnt_stat
foreign_call(CLIENT *clnt, rpcproc_t proc, xdrproc_t xdr_args, void *args,
             xdrproc_t xdr_result, void *result, struct timeval timeout)
{
	(void)clnt, (void)proc, (void)xdr_args, (void)args;
	(void)xdr_result, (void)result, (void)timeout;
	dist_error_set(DIST_EINVAL, "dist_go() takes a CLIENT of dist_client_create(), and "
	                            "this is none, or NULL");
	return RPC_FAILED;
}

static struct clnt_ops foreign_ops = { .cl_call = foreign_call };
static CLIENT foreign_client = { .cl_ops = &foreign_ops };

CLIENT *
dist_go_client(CLIENT *clnt)
{
	struct dist_clnt *self = dist_clnt_of(clnt);

	return self ? &self->go : &foreign_client;
}

/* --- The rest of ONC RPC's conventions ------------------------------------------------ */

static void
clnt_abort_call(CLIENT *clnt)
{
	(void)clnt; /* nothing is half done between two calls */
}

static void
clnt_get_error(CLIENT *clnt, struct rpc_err *ret_error)
{
	struct dist_last *last = dist_last_find(((struct dist_clnt *)clnt)->id);

	*ret_error = last ? last->rpc_err : (struct rpc_err){ .re_status = RPC_SUCCESS };
}

static bool_t
clnt_free_result(CLIENT *clnt, xdrproc_t xdr_result, void *result)
{
	(void)clnt;
	xdr_free(xdr_result, result);
	return TRUE;
}

static bool_t
clnt_control_ours(CLIENT *clnt, u_int request, void *info)
{
	struct dist_clnt *self = (struct dist_clnt *)clnt;
	struct timeval *time = info;
	int64_t timeout_ms;

	switch (request) {
	case CLSET_TIMEOUT:
		if (time->tv_sec < 0 || time->tv_usec < 0 || time->tv_usec >= 1000000)
			return FALSE;
		/* What does not fit is never, as in dist_deadline_in_ms(). */
		timeout_ms = DIST_MIN((int64_t)time->tv_sec, INT64_MAX / 1000 - 1) * 1000 +
		             (time->tv_usec + 999) / 1000;
		atomic_store(&self->timeout_ms, timeout_ms);
		return TRUE;
	case CLGET_TIMEOUT:
		timeout_ms = atomic_load(&self->timeout_ms);
		time->tv_sec = timeout_ms / 1000;
		time->tv_usec = timeout_ms % 1000 * 1000;
		return TRUE;
	case CLGET_PROG:
		*(uint32_t *)info = self->prog;
		return TRUE;
	case CLGET_VERS:
		*(uint32_t *)info = self->vers;
		return TRUE;
	default:
		return FALSE;
	}
}

static void
clnt_destroy_ours(CLIENT *clnt)
{
	struct dist_clnt *self = (struct dist_clnt *)clnt;

	if (dist_runtime_forked(self->route->runtime))
		return;
	dist_last_forget(self->id);
	dist_route_unref(self->route);
	free(self);
}

const struct dist_node_info *
dist_last_node(CLIENT *clnt)
{
	struct dist_clnt *self = dist_clnt_of(clnt);
	struct dist_last *last = self ? dist_last_find(self->id) : NULL;

	return last && last->peer ? &last->peer->info : NULL;
}

static struct clnt_ops sync_ops = {
	.cl_call = clnt_sync_call,
	.cl_abort = clnt_abort_call,
	.cl_geterr = clnt_get_error,
	.cl_freeres = clnt_free_result,
	.cl_destroy = clnt_destroy_ours,
	.cl_control = clnt_control_ours,
};

static struct clnt_ops go_ops = {
	.cl_call = clnt_go_call,
	.cl_abort = clnt_abort_call,
};

/* libtirpc's one of a process, made once it has memory for it; NULL: it has none. */
static AUTH *
no_auth(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static _Atomic(AUTH *) auth;
	AUTH *made = atomic_load(&auth);

	if (made)
		return made;
	/* Two threads at once would make it twice. */
	pthread_mutex_lock(&lock);
	made = authnone_create();
	atomic_store(&auth, made);
	pthread_mutex_unlock(&lock);
	return made;
}

struct dist_clnt *
dist_clnt_of(CLIENT *clnt)
{
	return clnt && clnt->cl_ops == &sync_ops ? (struct dist_clnt *)clnt : NULL;
}

struct dist_clnt *
dist_clnt_copy(struct dist_clnt *of)
{
	CLIENT *clnt = dist_clnt_new(of->route, of->prog, of->vers, &of->options);
	struct dist_clnt *copy = (struct dist_clnt *)clnt;

	if (copy) {
		copy->sync.cl_auth = of->sync.cl_auth;
		atomic_init(&copy->timeout_ms, atomic_load(&of->timeout_ms));
	}
	return copy;
}

CLIENT *
dist_clnt_new(struct dist_route *route, rpcprog_t prog, rpcvers_t vers,
              const struct dist_call_options *options)
{
	static atomic_uint_fast64_t ids;
	struct dist_clnt *self = calloc(1, sizeof(*self));
	AUTH *auth = no_auth();

	if (!self || !auth) {
		free(self);
		dist_error_set_plain(DIST_ENOMEM);
		return NULL;
	}
	self->sync.cl_ops = &sync_ops;
	self->sync.cl_auth = auth;
	self->sync.cl_netid = "tcp";
	self->go.cl_ops = &go_ops;
	self->id = atomic_fetch_add(&ids, 1) + 1;
	self->prog = (uint32_t)prog;
	self->vers = (uint32_t)vers;
	if (options)
		self->options = *options;
	atomic_init(&self->timeout_ms, self->options.timeout_ms);
	self->route = dist_route_ref(route);
	return &self->sync;
}
