/*
 * The bound of a cluster's calls in flight (max_in_flight), which refuses a call beyond
 * it, or has it wait. What it costs without a bound is one look.
 *
 * A call has its place from before it is started until it ended, or its reply is here: a
 * reply that waits to be decoded by its caller must not keep that caller from starting
 * another call.
 *
 * A thread that waits for a place may be the one that would send and read for those in
 * flight. So it does that meanwhile, on the connections that its route names, as one that
 * waits for any of several calls does (harvest.h). A place that becomes free is given to
 * the thread that waits longest.
 */
#ifndef DIST_CLIENT_BOUND_H
#define DIST_CLIENT_BOUND_H

#include <dist/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mutex.h"

struct dist_call;

struct dist_bound {
	/* Set by dist_bound_init(), then read-only. */
	size_t max; /* 0: none, and nothing is counted */
	bool waits;

	atomic_size_t n; /* calls in flight */
	atomic_uint n_waiting;
	struct dist_mutex lock;
	struct dist_list waiting; /* struct bound_waiter.link; under the lock */
};

void dist_bound_init(struct dist_bound *bound, size_t max, bool waits);
void dist_bound_fini(struct dist_bound *bound);

/*
 * Where there is a bound: a place for @call, which is not started yet. DIST_EBUSY: there is none, and it is not to
 * wait; DIST_EDEADLINE: none became free before its deadline.
 */
enum dist_err dist_bound_enter(struct dist_call *call) DIST_MUST_CHECK;

/* It gives its place back, if it has one. */
void dist_bound_leave(struct dist_call *call);

#endif
