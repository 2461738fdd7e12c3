/*
 * Memory for queued calls with small records. The loop takes it, and the thread that
 * ran a call gives it back, for the next one: under the workers' lock, which both hold
 * at that time anyway.
 *
 * There is as much as calls were queued and running at once, and up to as much again,
 * so that a load that goes on takes no more. What a burst needed is given up over a
 * minute.
 */
#ifndef DIST_SERVER_CALL_MEMORY_H
#define DIST_SERVER_CALL_MEMORY_H

#include "base/list.h"
#include "base/mutex.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct dist_server_call;

/* Bytes of a record that is small: longer ones have memory of their own. */
#define DIST_SERVER_CALL_RECORD ((size_t)448)

struct dist_call_memory {
	struct dist_mutex *lock; /* the workers' */

	/* The loop holder's: calls by their @link. */
	struct dist_list free;
	unsigned n_free;
	unsigned n_made;
	unsigned most;        /* ever in use at once since the last trim() */
	unsigned most_lately; /* and before, fading */

	struct dist_list back; /* given back; guarded by the lock, like the next */
	atomic_uint n_back;    /* also looked at without */
};

/* @lock is borrowed. */
void dist_call_memory_init(struct dist_call_memory *memory, struct dist_mutex *lock);
/* All of it was given back. */
void dist_call_memory_fini(struct dist_call_memory *memory);

/* Under the lock: what @call lies in. */
void dist_call_memory_give_locked(struct dist_call_memory *memory,
                                  struct dist_server_call *call);

/* --- For the holder of the loop role -------------------------------------------- */

/* Room for a call and DIST_SERVER_CALL_RECORD bytes behind it. NULL: no memory. */
struct dist_server_call *dist_call_memory_take(struct dist_call_memory *memory);

/* Under the lock: have what was given back at hand. */
void dist_call_memory_collect_locked(struct dist_call_memory *memory);

/* About once a second: free what was not needed lately. */
void dist_call_memory_trim(struct dist_call_memory *memory);

#endif
