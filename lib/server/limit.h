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

/* Whether one of @n_lines in @period_ns may be written now; *ret_dropped were not,
 * before it. */
static inline bool
dist_limit_allows_of(struct dist_limit *limit, unsigned n_lines, int64_t period_ns,
                     int64_t now_ns, unsigned *ret_dropped)
{
	if (limit->since_ns == 0 || now_ns - limit->since_ns >= period_ns) {
		limit->since_ns = now_ns;
		limit->n_lines = 0;
	}
	if (limit->n_lines >= n_lines) {
		limit->n_dropped++;
		return false;
	}
	limit->n_lines++;
	*ret_dropped = limit->n_dropped;
	limit->n_dropped = 0;
	return true;
}

/* For what has an end by itself: a connection, a registration. */
static inline bool
dist_limit_allows(struct dist_limit *limit, int64_t now_ns, unsigned *ret_dropped)
{
	return dist_limit_allows_of(limit, DIST_LIMIT_LINES, 1000 * DIST_NS_PER_MS,
	                            now_ns, ret_dropped);
}

/* For what may go on for hours, a hundred thousand times a second. */
static inline bool
dist_limit_allows_rarely(struct dist_limit *limit, int64_t now_ns, unsigned *ret_dropped)
{
	return dist_limit_allows_of(limit, 1, 10000 * DIST_NS_PER_MS, now_ns,
	                            ret_dropped);
}

#endif
