#include "base/mutex.h"

#include <limits.h>

#include "base/clock.h"
#include "base/futex.h"

/* Looks before a thread sleeps: a lock is mostly held for less time than they take. */
#define LOOKS_MAX 100

#ifndef NDEBUG
__thread unsigned dist_mutex_held;
#endif

static void
cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Whether it came free while looking, and is this thread's. */
static bool
mutex_look(struct dist_mutex *lock)
{
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		unsigned word = atomic_load_explicit(&lock->word, memory_order_relaxed);

		if (word == DIST_MUTEX_FREE &&
		    atomic_compare_exchange_weak_explicit(&lock->word, &word,
		                                          DIST_MUTEX_HELD,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
		cpu_relax();
	}
	return false;
}

/*
 * A thread that was asleep takes the lock as one on which somebody may sleep, since it
 * does not know whether it was the only one: at worst that costs a wake-up of nobody.
 */
void
dist_mutex_lock_held(struct dist_mutex *lock)
{
	if (mutex_look(lock))
		return;
	while (atomic_exchange_explicit(&lock->word, DIST_MUTEX_SLEPT,
	                                memory_order_acquire) != DIST_MUTEX_FREE)
		dist_futex_wait(&lock->word, DIST_MUTEX_SLEPT, DIST_NEVER);
}

/* It may be gone by now, with what it was in: then nobody sleeps there, and the kernel
 * finds nobody. */
void
dist_mutex_wake(struct dist_mutex *lock)
{
	dist_futex_wake(&lock->word, 1);
}

bool
dist_cond_wait_until(struct dist_cond *cond, struct dist_mutex *lock, int64_t deadline_ns)
{
	unsigned seen = atomic_load(&cond->word);
	bool in_time;

	atomic_fetch_add(&cond->n_waiting, 1);
	dist_unlock(lock);
	in_time = dist_futex_wait(&cond->word, seen, deadline_ns);
	dist_lock(lock);
	atomic_fetch_sub(&cond->n_waiting, 1);
	return in_time;
}

static void
cond_wake(struct dist_cond *cond, int n_threads)
{
	/* Whoever waits for what was changed under the lock was counted under it. */
	if (atomic_load(&cond->n_waiting) == 0)
		return;
	atomic_fetch_add(&cond->word, 1);
	dist_futex_wake(&cond->word, n_threads);
}

void
dist_cond_signal(struct dist_cond *cond)
{
	cond_wake(cond, 1);
}

void
dist_cond_broadcast(struct dist_cond *cond)
{
	cond_wake(cond, INT_MAX);
}
