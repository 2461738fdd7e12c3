/*
 * What callers and servers count of a procedure's calls, under the names of
 * dist/stats.h. Relaxed all: the counts order nothing.
 */
#ifndef DIST_BASE_OUTCOME_H
#define DIST_BASE_OUTCOME_H

#include <stdatomic.h>
#include <stdint.h>

/* How a call can end at a node. */
#define DIST_OUTCOMES(X) \
	X(OK, "ok") \
	X(BUSY, "busy") \
	X(DRAINING, "draining") \
	X(EXPIRED, "expired") \
	X(CANCELLED, "cancelled") \
	X(GARBAGE_ARGS, "garbage_args") \
	X(NO_PROCEDURE, "no_procedure") \
	X(SYSTEM_ERROR, "system_error") \
	X(AUTH_ERROR, "auth_error") \
	X(NO_PROGRAM, "no_program") \
	X(OTHER_ERROR, "other_error") \
	X(LOST, "lost") \
	X(NOT_SENT, "not_sent")

enum dist_outcome {
#define DIST_OUTCOME_ENUM(name, text) DIST_OUTCOME_##name,
	DIST_OUTCOMES(DIST_OUTCOME_ENUM)
#undef DIST_OUTCOME_ENUM
	DIST_N_OUTCOMES,
};

/* How a server's own calls can end: the first of them. */
#define DIST_N_SERVER_OUTCOMES DIST_OUTCOME_LOST

typedef atomic_uint_least64_t dist_count;

static inline void
dist_count_add(dist_count *count, uint64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static inline uint64_t
dist_count_get(const dist_count *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

#endif
