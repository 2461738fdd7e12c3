/* When a thread's calls are due. */
#ifndef DISTBENCH_PACE_H
#define DISTBENCH_PACE_H

#include "distbench/load.h"

struct pace {
	const struct load *load;
	double interval_ns; /* 0: a call is due as soon as there is room for it */
	double phase_ns;    /* so that threads take turns */
	int64_t origin_ns;
	uint64_t n_started; /* in the warm-up, or since */
	uint64_t n_max;     /* of the thread, once calls count */
	bool counts;        /* the warm-up is over */
};

void pace_init(struct pace *pace, const struct caller *caller);

/*
 * When the next call is due; @now_ns is the time now. What the warm-up left behind is
 * forgotten: a thread begins to count on time.
 */
int64_t pace_due_ns(struct pace *pace, int64_t now_ns);

/* Whether no more calls are to start: the time is over, or there were enough. */
static inline bool
pace_over(const struct pace *pace, int64_t now_ns)
{
	return now_ns >= pace->load->end_ns ||
	       (pace->counts && pace->n_started >= pace->n_max);
}

/* That call has started. */
static inline void
pace_next(struct pace *pace)
{
	pace->n_started++;
}

/* At the end: calls that were due and were never started. */
void pace_finish(struct pace *pace, struct tally *tally);

#endif
