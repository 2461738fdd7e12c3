/*
 * A mutex and a condition that clang's thread-safety analysis knows, and the order of our
 * locks.
 *
 * A thread that holds one lock may take another only of a higher rank; builds without
 * NDEBUG assert it. No lock is held while doing I/O or calling user code, so they are held
 * for a moment only, and most are free when they are taken: that is one instruction, in
 * place. A call takes several, and a function call into a library for each of them was a
 * tenth of what it cost.
 */
#ifndef DIST_BASE_MUTEX_H
#define DIST_BASE_MUTEX_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define DIST_TSA(x) __attribute__((x))
#else
#define DIST_TSA(x)
#endif

#define DIST_REQUIRES(lock) DIST_TSA(exclusive_locks_required(lock))
#define DIST_GUARDED_BY(lock) DIST_TSA(guarded_by(lock))

/* From the outermost to the innermost. */
enum dist_rank {
	DIST_RANK_MASTER = 1, /* a master's table */
	DIST_RANK_AGENT,      /* a node's registrations */
	DIST_RANK_CLUSTER,    /* a cluster's view of the nodes */
	DIST_RANK_NODE,       /* one node's connections */
	DIST_RANK_SERVER,     /* a server's connections and job queue */
	DIST_RANK_SERVER_CONN,
	DIST_RANK_CONN,       /* a client connection: calls, output, roles */
	DIST_RANK_OBSERVERS,  /* who waits for which calls */
	DIST_RANK_QUEUE,      /* a dist_queue's finished waiters */
	DIST_RANK_LOOP,       /* a loop's posted tasks and timers */
	DIST_RANK_STATS,      /* what a master gathers, of which it makes totals */
	DIST_RANK_LEAF,       /* anything that takes no other lock */
};

/* The word of a mutex, which is a futex. */
#define DIST_MUTEX_FREE  0u
#define DIST_MUTEX_HELD  1u
#define DIST_MUTEX_SLEPT 2u /* held, and somebody may sleep until it is free */

struct DIST_TSA(capability("mutex")) dist_mutex {
	atomic_uint word;
#ifndef NDEBUG
	enum dist_rank rank;
#endif
};

#ifndef NDEBUG
/* Ranks this thread holds, a bit each. Two locks of one rank are never held at once. */
extern __thread unsigned dist_mutex_held;
#endif

/* For a lock that exists before any code of ours runs. */
#ifndef NDEBUG
#define DIST_MUTEX_INITIALIZER(its_rank) { .rank = (its_rank) }
#else
#define DIST_MUTEX_INITIALIZER(its_rank) { DIST_MUTEX_FREE }
#endif

static inline void
dist_mutex_init(struct dist_mutex *lock, enum dist_rank rank)
{
	(void)rank;
	atomic_init(&lock->word, DIST_MUTEX_FREE);
#ifndef NDEBUG
	lock->rank = rank;
#endif
}

/* Nobody holds it, nor will. */
static inline void
dist_mutex_fini(struct dist_mutex *lock)
{
	assert(atomic_load(&lock->word) == DIST_MUTEX_FREE);
	(void)lock;
}

/* It was not free: look again for a moment, then sleep. */
void dist_mutex_lock_held(struct dist_mutex *lock);
void dist_mutex_wake(struct dist_mutex *lock);

static inline void
dist_lock(struct dist_mutex *lock) DIST_TSA(acquire_capability(*lock))
	DIST_TSA(no_thread_safety_analysis)
{
	unsigned word = DIST_MUTEX_FREE;

#ifndef NDEBUG
	assert(!(dist_mutex_held >> lock->rank)); /* none as high or higher is held */
	dist_mutex_held |= 1u << lock->rank;
#endif
	if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, DIST_MUTEX_HELD,
	                                             memory_order_acquire,
	                                             memory_order_relaxed))
		dist_mutex_lock_held(lock);
}

static inline void
dist_unlock(struct dist_mutex *lock) DIST_TSA(release_capability(*lock))
	DIST_TSA(no_thread_safety_analysis)
{
	/* First: once it is unlocked, another thread may free what it is in. */
#ifndef NDEBUG
	dist_mutex_held &= ~(1u << lock->rank);
#endif
	if (atomic_exchange_explicit(&lock->word, DIST_MUTEX_FREE, memory_order_release) ==
	    DIST_MUTEX_SLEPT)
		dist_mutex_wake(lock);
}

/* Something that threads wait for, under a lock that guards it. */
struct dist_cond {
	atomic_uint word;      /* a futex; moves with each signal */
	atomic_uint n_waiting; /* threads */
};

static inline void
dist_cond_init(struct dist_cond *cond)
{
	atomic_init(&cond->word, 0);
	atomic_init(&cond->n_waiting, 0);
}

/*
 * Wait for a signal, at most until @deadline_ns (DIST_NEVER: for ever); the lock is dropped
 * meanwhile. May return for no reason. False: that time has passed.
 */
bool dist_cond_wait_until(struct dist_cond *cond, struct dist_mutex *lock,
                          int64_t deadline_ns) DIST_REQUIRES(lock);

static inline void
dist_cond_wait(struct dist_cond *cond, struct dist_mutex *lock) DIST_REQUIRES(lock)
{
	(void)dist_cond_wait_until(cond, lock, INT64_MAX);
}

/* Wake one that waits, or all. With the lock held, or after it was. */
void dist_cond_signal(struct dist_cond *cond);
void dist_cond_broadcast(struct dist_cond *cond);

#endif
