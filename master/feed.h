/*
 * Server-sent events (the HTML standard, section 9.2): every listener gets the whole
 * state once, then what changed, a frame for each moment.
 *
 * Frames are made once for all listeners. One that is slow misses frames and then gets
 * the whole again, so that nothing piles up for it.
 */
#ifndef MASTER_FEED_H
#define MASTER_FEED_H

#include "text.h"

#include <microhttpd.h>
#include <stdbool.h>

#define FEED_LISTENERS_MAX 64

struct feed;

/* Given: feed_free() it, once no connection is left. NULL: no memory. */
struct feed *feed_new(void);
void feed_free(struct feed *feed);

/*
 * A new moment, from the one thread that publishes. Both are taken: @whole is all there
 * is, @change what is new since the last moment.
 */
void feed_publish(struct feed *feed, struct text *whole, struct text *change);

/* Answer @connection with the feed. */
enum MHD_Result feed_reply(struct feed *feed, struct MHD_Connection *connection,
                           struct MHD_Response *(*finish)(struct MHD_Response *));

/*
 * Whether there is room for one more listener, on @connection. Where there is none, one of
 * the host that has most of them ends for a host that has fewer: no host keeps all others
 * out. The HTTP thread's, as feed_reply() is.
 */
bool feed_make_room(struct feed *feed, struct MHD_Connection *connection);

/* End all listeners, and every later one at once: MHD can be stopped. */
void feed_stop(struct feed *feed);

#endif
