/*
 * Waking threads that are idle: whom, is decided under the workers' lock, where it is
 * known; the system calls are made without it.
 */
#ifndef DIST_SERVER_WAKE_H
#define DIST_SERVER_WAKE_H

#include "server/workers.h"

struct dist_wake {
	unsigned n_idle;
	bool watchdog;
};

/* So that @n_wanted threads come to look, as far as there are idle ones. The watchdog
 * is the last: its place would have to be taken by another. */
struct dist_wake dist_wake_choose_locked(struct dist_workers *workers, unsigned n_wanted)
	DIST_REQUIRES(&workers->lock);

/* The same for the queued calls that have slots to run in. */
struct dist_wake dist_wake_choose_for_calls_locked(struct dist_workers *workers)
	DIST_REQUIRES(&workers->lock);

void dist_wake_do(struct dist_workers *workers, struct dist_wake wake);

/* One more than are about to come, the watchdog not counted; false: there is none. */
bool dist_wake_one_idle_locked(struct dist_workers *workers)
	DIST_REQUIRES(&workers->lock);

#endif
