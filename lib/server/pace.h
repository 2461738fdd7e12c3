/*
 * How long a procedure takes, learned as it runs: a short one is run by the thread that
 * reads, and any other by the pool, where it delays nobody.
 */
#ifndef DIST_SERVER_PACE_H
#define DIST_SERVER_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Under this for long enough, a procedure is short. */
#define DIST_PACE_SHORT_NS INT64_C(50000)
/* Over this once, it is not; the loop is taken over after as long. */
#define DIST_PACE_LONG_NS INT64_C(1000000)

/* Any thread notes, any thread looks: a run that is lost between two does no harm. */
struct dist_pace {
	uint32_t proc; /* read-only */
	atomic_bool is_short;
	atomic_uint n_short; /* runs in a row that were short */
	atomic_uint n_needed; /* so many make it short; doubled when it disappoints */
};

void dist_pace_init(struct dist_pace *pace, uint32_t proc);
void dist_pace_note(struct dist_pace *pace, int64_t ran_ns);

static inline bool
dist_pace_is_short(const struct dist_pace *pace)
{
	return atomic_load_explicit(&pace->is_short, memory_order_relaxed);
}

#endif
