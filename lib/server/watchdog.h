/*
 * The watchdog: the first idle thread. It looks every millisecond whether an inline run
 * has got stuck, and takes the loop over then. When nothing has run inline for a while it
 * sleeps like the others, until an inline run begins.
 *
 * A run begins without the lock, so each does its first step before its second, and at
 * least one of them sees the other:
 *
 *	the watchdog                      the holder of the loop role
 *	  watch_asleep = true               role: HELD -> INLINE
 *	  role INLINE? do not sleep         watch_asleep? wake it
 */
#ifndef DIST_SERVER_WATCHDOG_H
#define DIST_SERVER_WATCHDOG_H

#include "server/workers.h"

/* Be the watchdog for a moment; self->holds_role says whether the loop was taken over. */
void dist_watchdog_watch_locked(struct dist_workers *workers, struct dist_worker *self)
	DIST_REQUIRES(&workers->lock);

#endif
