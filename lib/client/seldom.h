/* Log lines about what may happen often: one in a while. */
#ifndef DIST_CLIENT_SELDOM_H
#define DIST_CLIENT_SELDOM_H

#include <stdbool.h>

#include "base/clock.h"

#define DIST_SELDOM_NS (10000 * DIST_NS_PER_MS)

/* Whether it is due; @last_ns is when it was last, 0 at first, and the caller's to guard. */
static inline bool
dist_seldom(int64_t *last_ns)
{
	int64_t now_ns = dist_clock_ns();

	if (*last_ns && now_ns - *last_ns < DIST_SELDOM_NS)
		return false;
	*last_ns = now_ns;
	return true;
}

#endif
