/*
 * While a thread of the user's is in the client it may hold a role for all the calls of a
 * connection and do their work: it must not be cancelled there, which would take the role
 * with it, and what goes wrong with other calls is no news for it.
 */
#ifndef DIST_CLIENT_INSIDE_H
#define DIST_CLIENT_INSIDE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

struct dist_inside {
	int cancel_state;
	bool aside;
};

/* What was so before; may be nested. */
static inline struct dist_inside
dist_inside_enter(void)
{
	struct dist_inside inside;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &inside.cancel_state);
	inside.aside = dist_error_aside(true);
	return inside;
}

static inline void
dist_inside_leave(struct dist_inside before)
{
	dist_error_aside(before.aside);
	pthread_setcancelstate(before.cancel_state, NULL);
}

#endif
