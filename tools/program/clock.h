/* The clock that the programs measure and wait by, CLOCK_MONOTONIC, which nobody sets. */
#ifndef PROGRAM_CLOCK_H
#define PROGRAM_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline int64_t
program_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t
program_now_ms(void)
{
	return program_now_ns() / 1000000;
}

static inline double
program_ms_since(int64_t begin_ns)
{
	return (double)(program_now_ns() - begin_ns) / 1e6;
}

/* What the host's own clock says, to be told and not to be waited by. */
static inline int64_t
program_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The point in time @ms from now, for a wait for a condition of program_cond_init(). */
static inline struct timespec
program_in_ms(int64_t ms)
{
	int64_t at_ns = program_now_ns() + ms * 1000000;

	return (struct timespec){ at_ns / 1000000000, at_ns % 1000000000 };
}

/* One whose timed waits go by this clock. */
static inline void
program_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

#endif
