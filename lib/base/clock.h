/* Time is CLOCK_MONOTONIC in nanoseconds; a deadline is a point on it. */
#ifndef DIST_BASE_CLOCK_H
#define DIST_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define DIST_NS_PER_MS INT64_C(1000000)
#define DIST_NS_PER_US INT64_C(1000)

/* A deadline that never comes. */
#define DIST_NEVER INT64_MAX

static inline int64_t
dist_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* @timeout_ms from now; negative (DIST_FOREVER) and what overflows: DIST_NEVER. */
static inline int64_t
dist_deadline_in_ms(int64_t timeout_ms)
{
	int64_t now;

	if (timeout_ms < 0)
		return DIST_NEVER;
	now = dist_clock_ns();
	if (timeout_ms > (DIST_NEVER - now) / DIST_NS_PER_MS)
		return DIST_NEVER;
	return now + timeout_ms * DIST_NS_PER_MS;
}

/* Whether a deadline is over; the clock is read only where there is one. */
static inline bool
dist_deadline_passed(int64_t deadline_ns)
{
	return deadline_ns != DIST_NEVER && deadline_ns <= dist_clock_ns();
}

/* Milliseconds until @deadline_ns, rounded up, as poll() takes them: -1 for never. */
static inline int
dist_deadline_poll_ms(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns == DIST_NEVER)
		return -1;
	left = deadline_ns - dist_clock_ns();
	if (left <= 0)
		return 0;
	left = (left + DIST_NS_PER_MS - 1) / DIST_NS_PER_MS;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

#endif
