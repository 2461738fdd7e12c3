/*
 * A caller: one thread that makes calls of one kind, and writes down each of them:
 *
 *	S TOKEN KIND PROC IDEMPOTENT TIMEOUT WAIT WORK_US SIZE NS   about to be started
 *	N TOKEN ERROR NS TEXT                                       could not be started
 *	E TOKEN ERROR STATUS NODE RAN_ON PID CRC FROM_NS TO_NS TEXT ended
 *	T TOKEN                                                     ended a second time
 *	L TOKEN WHERE                                               left, not ended
 *
 * IDEMPOTENT is 0, 1, or 2 with hedging. TIMEOUT and WAIT are in milliseconds, 0 for
 * none. NODE is who the library says answered or was tried last, RAN_ON and PID what
 * the answer itself says, CRC that of its token and payload.
 */
#ifndef CHAOS_CALLER_H
#define CHAOS_CALLER_H

#include <dist/dist.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum caller_kind {
	CALLER_SYNC,   /* the stub itself */
	CALLER_WAIT,   /* one waiter at a time, waited for in slices */
	CALLER_CANCEL, /* one at a time, some cancelled */
	CALLER_ANY,    /* several, and any of them is waited for */
	CALLER_QUEUE,  /* several through a queue */
	CALLER_THEN,   /* several, told by callback */
	CALLER_N_KINDS,
};

/* Deadlines, idempotent or not, with and without wait_for_nodes: one CLIENT for each.
 */
#define CALLER_N_MANNERS 24

/* A cluster from its opening to its end, as all its callers see it. */
struct era {
	struct dist_cluster *cluster;
	unsigned pace_us;    /* the mean rest between two calls of a caller */
	bool waits_for_room; /* beyond max_in_flight calls wait to be started */
	atomic_bool resting; /* start nothing more, and leave when all has ended */
	atomic_bool closed;  /* the cluster is: what has not ended now never will */
};

struct caller {
	struct era *era;
	enum caller_kind kind;
	uint64_t random;
	pthread_t thread;
	CLIENT *clients[CALLER_N_MANNERS];
	char *payload;
};

/* Tokens of this process count up from here. */
void caller_tokens_from(uint64_t first);

/* How many calls of this process were begun, and have come to an end. */
void caller_count(uint64_t *ret_begun, uint64_t *ret_ended);

/* The thread's function; @arg is a struct caller with era, kind and random set. */
void *caller_main(void *arg);

#endif
