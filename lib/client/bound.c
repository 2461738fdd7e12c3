#include "client/bound.h"

#include "base/clock.h"
#include "base/error.h"
#include "client/call.h"
#include "client/harvest.h"
#include "client/inside.h"
#include "client/route.h"

/* A thread that waits for a place; on its stack. */
struct bound_waiter {
	struct dist_list link;
	struct dist_harvest *harvest; /* that it sleeps in; NULL: it looks by itself */
	bool granted;
};

void
dist_bound_init(struct dist_bound *bound, size_t max, bool waits)
{
	bound->max = max;
	bound->waits = waits;
	atomic_init(&bound->n, 0);
	atomic_init(&bound->n_waiting, 0);
	dist_mutex_init(&bound->lock, DIST_RANK_LEAF);
	dist_list_init(&bound->waiting);
}

void
dist_bound_fini(struct dist_bound *bound)
{
	dist_mutex_fini(&bound->lock);
}

static bool
bound_take(struct dist_bound *bound)
{
	size_t n = atomic_load(&bound->n);

	do {
		if (n >= bound->max)
			return false;
	} while (!atomic_compare_exchange_weak(&bound->n, &n, n + 1));
	return true;
}

/*
 * What is free goes to those that wait. Whoever frees a place looks for a waiter after
 * that, and a waiter looks for a place once it can be seen, so one of them finds the other.
 */
static void
bound_grant_locked(struct dist_bound *bound) DIST_REQUIRES(&bound->lock)
{
	while (!dist_list_empty(&bound->waiting) && bound_take(bound)) {
		struct bound_waiter *waiter = DIST_CONTAINER_OF(
			dist_list_pop(&bound->waiting), struct bound_waiter, link);

		atomic_fetch_sub(&bound->n_waiting, 1);
		waiter->granted = true;
		if (waiter->harvest)
			dist_harvest_tell(waiter->harvest);
	}
}

/* Send, and read, until a call of anybody's has ended. The lock is dropped meanwhile. */
static void
bound_harvest_locked(struct dist_bound *bound, struct bound_waiter *self,
                     struct dist_route *route, int64_t deadline_ns)
	DIST_REQUIRES(&bound->lock)
{
	struct dist_harvest harvest;

	dist_harvest_init(&harvest);
	self->harvest = &harvest;
	dist_unlock(&bound->lock);
	route->ops->list_conns(route, &harvest);
	dist_harvest_wait(&harvest, deadline_ns);
	dist_lock(&bound->lock);
	self->harvest = NULL;
	dist_unlock(&bound->lock);
	dist_harvest_fini(&harvest);
	dist_lock(&bound->lock);
}

static enum dist_err
bound_wait(struct dist_bound *bound, struct dist_call *call)
{
	struct bound_waiter self = { .granted = false };
	struct dist_inside before = dist_inside_enter();

	dist_lock(&bound->lock);
	dist_list_append(&bound->waiting, &self.link);
	atomic_fetch_add(&bound->n_waiting, 1);
	bound_grant_locked(bound);
	while (!self.granted && !dist_deadline_passed(call->deadline_ns))
		bound_harvest_locked(bound, &self, call->route, call->deadline_ns);
	if (!self.granted) {
		dist_list_remove(&self.link);
		atomic_fetch_sub(&bound->n_waiting, 1);
	}
	dist_unlock(&bound->lock);
	dist_inside_leave(before);
	if (!self.granted)
		return dist_error_set(DIST_EDEADLINE,
		                      "%zu calls are in flight, the cluster's max_in_flight, "
		                      "and none ended before the deadline of this one, which "
		                      "did not run", bound->max);
	return DIST_OK;
}

enum dist_err
dist_bound_enter(struct dist_call *call)
{
	struct dist_bound *bound = &call->route->bound;
	enum dist_err err = DIST_OK;

	/* Nobody is to get past those that wait. */
	if (atomic_load(&bound->n_waiting) || !bound_take(bound)) {
		if (!bound->waits)
			return dist_error_set(DIST_EBUSY,
			                      "%zu calls are in flight, the cluster's "
			                      "max_in_flight", bound->max);
		err = bound_wait(bound, call);
	}
	if (!err)
		atomic_store_explicit(&call->admitted, true, memory_order_relaxed);
	return err;
}

void
dist_bound_leave(struct dist_call *call)
{
	struct dist_bound *bound = &call->route->bound;

	if (!atomic_load_explicit(&call->admitted, memory_order_relaxed) ||
	    !atomic_exchange(&call->admitted, false))
		return;
	atomic_fetch_sub(&bound->n, 1);
	if (!atomic_load(&bound->n_waiting))
		return;
	dist_lock(&bound->lock);
	bound_grant_locked(bound);
	dist_unlock(&bound->lock);
}
