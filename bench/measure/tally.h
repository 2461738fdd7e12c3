/* What came of the calls of one thread, or of all together. */
#ifndef MEASURE_TALLY_H
#define MEASURE_TALLY_H

#include "measure/latency.h"

#include <stddef.h>
#include <stdint.h>

struct tally {
	/* Calls that were to start from this time on and before that one count. */
	int64_t begin_ns, end_ns;

	uint64_t n_calls;    /* that ended well */
	uint64_t n_failures; /* that did not, or whose result was wrong */
	uint64_t n_unsent;   /* that --rate asked for and that never started */
	uint64_t sent_bytes, received_bytes;
	struct latency latency; /* of those that ended well, and of the unsent so far */
	char reason[512];       /* of the first failure; "" without one */
};

void tally_init(struct tally *tally, int64_t begin_ns, int64_t end_ns);

/* A call that was to start at @due_ns ended well at @now_ns. */
void tally_add(struct tally *tally, int64_t due_ns, int64_t now_ns, size_t sent,
               size_t received);

/* A call failed, in the warm-up or later: no run with failures is a good one. */
void tally_fail(struct tally *tally, const char *reason);

/* A call that was due at @due_ns was never started: it waited until the end at least.
 */
void tally_unsent(struct tally *tally, int64_t due_ns);

/* Add @other to @sum. */
void tally_merge(struct tally *sum, const struct tally *other);

#endif
