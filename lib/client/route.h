/*
 * A route: where the calls of a CLIENT may go. A cluster is one, with all nodes that
 * serve a program; a peer called directly is one, with itself alone.
 */
#ifndef DIST_CLIENT_ROUTE_H
#define DIST_CLIENT_ROUTE_H

#include <dist/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/bound.h"

struct dist_call;
struct dist_harvest;
struct dist_peer;
struct dist_runtime;
struct dist_route;

struct dist_room {
	unsigned n_nodes;
	uint64_t n_workers; /* of all of them */
};

struct dist_route_ops {
	/*
	 * A peer for the next try of @call, none that it has tried, with a reference, and
	 * the call counted in its in_flight. DIST_ENONODE: none is left, and the thread's
	 * text says it; DIST_ECONNRESET: it was lost
	 * before, and must not go out again; DIST_ECLOSED; DIST_ENOMEM.
	 */
	enum dist_err (*pick)(struct dist_route *route, struct dist_call *call,
	                      struct dist_peer **ret_peer);
	/*
	 * Keep @call, whose reference is taken, until a node for it may have appeared, then
	 * dist_dispatch_place() it; dist_call.wait_nodes_until_ns says how long. False: this
	 * route does not wait, nothing was taken.
	 */
	bool (*park)(struct dist_route *route, struct dist_call *call);
	/* A call was lost, or its deadline passed. NULL: it is nothing to this route. */
	void (*failed)(struct dist_route *route);
	/*
	 * Add to @harvest connections on which there may be calls; those that are left out
	 * the loop sees to. NULL: it has no bound, so nobody asks.
	 */
	void (*list_conns)(struct dist_route *route, struct dist_harvest *harvest);
	/*
	 * How much the live nodes that serve a program can do at once. DIST_ECLOSED;
	 * DIST_ENOMEM. NULL: this route is no cluster.
	 */
	enum dist_err (*room)(struct dist_route *route, uint32_t prog, uint32_t vers,
	                      struct dist_room *ret_room);
	/* The last reference is gone. */
	void (*destroy)(struct dist_route *route);
};

struct dist_route {
	const struct dist_route_ops *ops;
	struct dist_runtime *runtime;
	size_t max_record_bytes;
	struct dist_bound bound; /* of calls in flight */
	atomic_uint refs;
};

static inline void
dist_route_failed(struct dist_route *route)
{
	if (route->ops->failed)
		route->ops->failed(route);
}

static inline struct dist_route *
dist_route_ref(struct dist_route *route)
{
	atomic_fetch_add_explicit(&route->refs, 1, memory_order_relaxed);
	return route;
}

static inline void
dist_route_unref(struct dist_route *route)
{
	if (atomic_fetch_sub_explicit(&route->refs, 1, memory_order_acq_rel) == 1)
		route->ops->destroy(route);
}

#endif
