/*
 * A stage on which many callers do at random what callers do: synchronous calls, waiters
 * that are waited for, cancelled, freed at once, waited for by two threads, given to queues
 * of one thread and of all, and to callbacks, with deadlines of a millisecond and with none.
 * Whatever is wrong ends the program at once, with a sentence.
 *
 * DIST_STRESS_SECONDS makes each play longer; DIST_STRESS_SEED repeats a run's choices.
 */
#ifndef CLIENT_STRESS_H
#define CLIENT_STRESS_H

#include <dist/waiter.h>
#include <rpc/rpc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum stress_flavor {
	STRESS_PLAIN,
	STRESS_HASTY,      /* a deadline of one millisecond */
	STRESS_IDEMPOTENT,
	STRESS_HEDGED,     /* after one millisecond */
	STRESS_N_FLAVORS,
};

/* For the CLIENT of each flavor. */
extern const struct dist_call_options stress_flavors[STRESS_N_FLAVORS];

struct stress {
	CLIENT *clients[STRESS_N_FLAVORS]; /* the test's to make; stress_fini() ends them */
	bool loses; /* the servers lose calls and refuse them */

	atomic_bool over;
	_Atomic uint32_t next_id;
	atomic_uint n_callbacks_due, n_callbacks_run;
	struct dist_queue *queue;   /* of all callers */
	atomic_uint n_shared;       /* jobs that are in it */
	atomic_uchar *said_not_run; /* by id, below HOSTILE_IDS */
	atomic_uchar *idempotent;
};

void stress_init(struct stress *stage);
void stress_fini(struct stress *stage);

/* Until the time is up and all callers are done, with nothing left behind. */
void stress_play(struct stress *stage, uint64_t seed);

/* This run's, which it tells. */
uint64_t stress_seed(void);
void stress_pause_ms(int64_t ms);

#endif
