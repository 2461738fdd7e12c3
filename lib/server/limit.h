/* Not more than so many log lines of a kind a second, however hard somebody tries. */
#ifndef DIST_SERVER_LIMIT_H
#define DIST_SERVER_LIMIT_H

#include "base/clock.h"

#include <stdbool.h>

#define DIST_LIMIT_LINES 10

struct dist_limit {
	int64_t since_ns;
	unsigned n_lines;
	unsigned n_dropped; /* since the last line that was written */
};

/* Whether a line may be written now; *ret_dropped were not, before it. */
static inline bool
dist_limit_allows(struct dist_limit *limit, int64_t now_ns, unsigned *ret_dropped)
{
	if (now_ns - limit->since_ns >= 1000 * DIST_NS_PER_MS) {
		limit->since_ns = now_ns;
		limit->n_lines = 0;
	}
	if (limit->n_lines >= DIST_LIMIT_LINES) {
		limit->n_dropped++;
		return false;
	}
	limit->n_lines++;
	*ret_dropped = limit->n_dropped;
	limit->n_dropped = 0;
	return true;
}

#endif
