/*
 * What a fork() leaves to its child: memory as it was, with locks that other threads held
 * and never give back, and descriptors that are the parent's too. So what was made before
 * is to touch neither, and sees by a number that it was.
 */
#ifndef DIST_BASE_FORK_H
#define DIST_BASE_FORK_H

#include <stdatomic.h>

#include "base/error.h"

/*
 * Before the first number is taken. DIST_ENOMEM: forks would not be noticed.
 * @in_child  called in each child before fork() returns there, from now on; one of the
 *            process, NULL: none, or the one before.
 */
enum dist_err dist_fork_watch(void (*in_child)(void)) DIST_MUST_CHECK;

/* For the next alone. */
extern atomic_uint dist_fork_count;

/* Counts the forks that led to this process; what keeps it sees a later one. */
static inline unsigned
dist_fork_generation(void)
{
	return atomic_load_explicit(&dist_fork_count, memory_order_relaxed);
}

#endif
