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

/* It has got on. */
void guests_touch(struct guests *guests, struct MHD_Connection *connection);

/* The same, and it is left alone until it gets on again. */
void guests_keep(struct guests *guests, struct MHD_Connection *connection);

#endif
