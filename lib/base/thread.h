/* The library's own threads: all signals blocked, named so that top -H shows whose. */
#ifndef DIST_BASE_THREAD_H
#define DIST_BASE_THREAD_H

#include <dist/error.h>
#include <pthread.h>

/*
 * For the few pointers that each call looks at: found at a fixed distance from the thread,
 * not by a function call. There is little room of that kind, so larger things are plain
 * __thread.
 */
#define DIST_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* @name is cut to 15 bytes. DIST_ESYSTEM, and the text says that no thread was to be had. */
enum dist_err dist_thread_start(pthread_t *ret_thread, const char *name,
                                void *(*run)(void *), void *arg) DIST_MUST_CHECK;

/*
 * A thread is not cancelled (pthread_cancel(3)) between these two; they may be nested. Where
 * it could be, in a send() for others say, it would take what it holds with it.
 */
static inline int
dist_cancel_off(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void
dist_cancel_restore(int before)
{
	pthread_setcancelstate(before, NULL);
}

#endif
