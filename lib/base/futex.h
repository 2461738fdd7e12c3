/* Sleeping on a word until another thread changes it: futex(2), private to the process. */
#ifndef DIST_BASE_FUTEX_H
#define DIST_BASE_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Sleep while *@word is @seen, at most until @deadline_ns; false: that passed. It may
 * return true for no reason. */
static inline bool
dist_futex_wait(atomic_uint *word, unsigned seen, int64_t deadline_ns)
{
	struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
	long failed;

	/* FUTEX_WAIT_BITSET takes a point on CLOCK_MONOTONIC, FUTEX_WAIT a length. */
	failed = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen,
	                 deadline_ns == DIST_NEVER ? NULL : &until, NULL,
	                 FUTEX_BITSET_MATCH_ANY);
	return failed == 0 || (errno != ETIMEDOUT && errno != EINVAL);
}

static inline void
dist_futex_wake(atomic_uint *word, int n_threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n_threads, NULL, NULL, 0);
}

#endif
