/*
 * What a turn's inline runs answered, gathered one behind the other in memory of the
 * thread that runs them, so that it leaves in one system call without having been
 * copied or locked for.
 *
 * The thread adds each reply as a procedure gives it. When another takes the loop role
 * away from one that is stuck, it takes what is there as well, to be sent at once, and
 * the one that comes late finds that it may not add any more. One word decides between
 * the two, so that each reply is sent once.
 */
#ifndef DIST_SERVER_REPLIES_H
#define DIST_SERVER_REPLIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIST_REPLIES_SIZE ((size_t)64 * 1024)
/* With so much in it, it is sent before the next run, which has the rest as room. */
#define DIST_REPLIES_FULL (DIST_REPLIES_SIZE / 2)

#define DIST_REPLIES_TAKEN SIZE_MAX

struct dist_replies {
	uint8_t *bytes;       /* the thread's own, of DIST_REPLIES_SIZE */
	atomic_size_t length; /* DIST_REPLIES_TAKEN: nothing is added any more */
	size_t had;           /* its thread's: @length when the run under way began */
};

/* By their thread, when they are sent, or taken and the run is over. */
static inline void
dist_replies_clear(struct dist_replies *replies)
{
	atomic_store_explicit(&replies->length, 0, memory_order_relaxed);
}

static inline size_t
dist_replies_length(const struct dist_replies *replies)
{
	return atomic_load_explicit(&replies->length, memory_order_relaxed);
}

/* What the run under way answered, @length bytes behind those that it had. False: those
 * were taken, so it is to be sent on its own. */
static inline bool
dist_replies_add(struct dist_replies *replies, size_t length)
{
	size_t had = replies->had;

	return atomic_compare_exchange_strong(&replies->length, &had, had + length);
}

/* By another thread: so many bytes are its to send. */
static inline size_t
dist_replies_take(struct dist_replies *replies)
{
	return atomic_exchange(&replies->length, DIST_REPLIES_TAKEN);
}

#endif
