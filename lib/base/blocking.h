/*
 * A thread that does more than run one procedure, as a server's that holds the loop
 * role, is told before code that it runs goes to sleep, so that it can hand its other
 * work on.
 */
#ifndef DIST_BASE_BLOCKING_H
#define DIST_BASE_BLOCKING_H

#include "base/thread.h"

#include <stddef.h>

typedef void dist_block_fn(void);

/* Of this thread; NULL: there is nothing to hand on. */
extern DIST_THREAD_LOCAL dist_block_fn *dist_thread_block_hook;

/* To be called before this thread waits for another, under no lock. */
static inline void
dist_thread_will_block(void)
{
	if (dist_thread_block_hook)
		dist_thread_block_hook();
}

#endif
