/*
 * A mutex that clang's thread-safety analysis knows, and the order of our locks.
 *
 * A thread that holds one lock may take another only of a higher rank; builds without
 * NDEBUG assert it. No lock is held while doing I/O or calling user code.
 */
#ifndef DIST_BASE_MUTEX_H
#define DIST_BASE_MUTEX_H

#include <assert.h>
#include <pthread.h>

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
	DIST_RANK_LEAF,       /* anything that takes no other lock */
};

struct DIST_TSA(capability("mutex")) dist_mutex {
	pthread_mutex_t mutex;
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
#define DIST_MUTEX_INITIALIZER(its_rank) \
	{ .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (its_rank) }
#else
#define DIST_MUTEX_INITIALIZER(its_rank) \
	{ .mutex = PTHREAD_MUTEX_INITIALIZER }
#endif

static inline void
dist_mutex_init(struct dist_mutex *lock, enum dist_rank rank)
{
	(void)rank;
	pthread_mutex_init(&lock->mutex, NULL);
#ifndef NDEBUG
	lock->rank = rank;
#endif
}

static inline void
dist_mutex_fini(struct dist_mutex *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static inline void
dist_lock(struct dist_mutex *lock) DIST_TSA(acquire_capability(*lock))
	DIST_TSA(no_thread_safety_analysis)
{
#ifndef NDEBUG
	assert(!(dist_mutex_held >> lock->rank)); /* none as high or higher is held */
	dist_mutex_held |= 1u << lock->rank;
#endif
	pthread_mutex_lock(&lock->mutex);
}

static inline void
dist_unlock(struct dist_mutex *lock) DIST_TSA(release_capability(*lock))
	DIST_TSA(no_thread_safety_analysis)
{
	/* First: once it is unlocked, another thread may free what it is in. */
#ifndef NDEBUG
	dist_mutex_held &= ~(1u << lock->rank);
#endif
	pthread_mutex_unlock(&lock->mutex);
}

#endif
