/* The one clock of all measuring: CLOCK_MONOTONIC in nanoseconds. */
#ifndef MEASURE_CLOCK_H
#define MEASURE_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

static inline int64_t
clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void
clock_sleep_until(int64_t ns)
{
	struct timespec until = { .tv_sec = ns / 1000000000,
		                  .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

#endif
