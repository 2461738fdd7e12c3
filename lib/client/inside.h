/*
 * While a thread of the user's is in the client it may hold a role for all the calls of a
 * connection and do their work: it must not be cancelled there, which would take the role
 * with it, and what goes wrong with other calls is no news for it.
 *
 * dist_go() mostly makes no system call at all, and does not pay for two looks at the
 * cancellation state: whatever makes one on its way turns cancellation off itself, which
 * is a flush, a look at a connection at rest, opening one, waking a loop, and a log sink.
 */
#ifndef DIST_CLIENT_INSIDE_H
#define DIST_CLIENT_INSIDE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/thread.h"

struct dist_inside {
	int cancel_state;
	bool aside;
};

/* What was so before; may be nested. */
static inline struct dist_inside
dist_inside_enter(void)
{
	struct dist_inside inside = { .cancel_state = dist_cancel_off() };

	inside.aside = dist_error_aside(true);
	return inside;
}

static inline void
dist_inside_leave(struct dist_inside before)
{
	dist_error_aside(before.aside);
	dist_cancel_restore(before.cancel_state);
}

#endif
