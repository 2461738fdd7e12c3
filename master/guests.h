/*
 * Connections over HTTP, in the order in which they last got on: when they came, when a
 * request was there, when its answer was over. For a newcomer beyond what there may be
 * the first one ends: it is idle, or sends its request or takes its answer so slowly that
 * it may as well never have come. So nobody keeps others out by holding connections.
 *
 * Pages that listen and calls that run have limits of their own, and are left alone.
 *
 * All by the HTTP thread.
 */
#ifndef MASTER_GUESTS_H
#define MASTER_GUESTS_H

#include <microhttpd.h>

struct guest;

struct guests {
	struct guest *first, **last;
	unsigned n; /* that were not told to end */
	unsigned max;
};

/* @max: so many are left in peace. */
void guests_init(struct guests *guests, unsigned max);

/* For MHD_OPTION_NOTIFY_CONNECTION, with a struct guests. */
void guests_notify(void *arg, struct MHD_Connection *connection, void **guest,
                   enum MHD_ConnectionNotificationCode code);

/* It is taking a large answer, of which there are not many at a time. */
void guest_take_large(struct MHD_Connection *connection);

/*
 * A large answer is wanted, and there are as many as there may be: the one that has been
 * taken for longest ends, if that is long enough for any that is really taken. MHD has it
 * back in its next round.
 */
void guests_end_large(struct guests *guests);

/* It has got on. */
void guest_touch(struct MHD_Connection *connection);

/* The same, and it is left alone until it gets on again. */
void guest_keep(struct MHD_Connection *connection);

#endif
