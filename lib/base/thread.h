/* The library's own threads: all signals blocked, named so that top -H shows whose. */
#ifndef DIST_BASE_THREAD_H
#define DIST_BASE_THREAD_H

#include <dist/error.h>
#include <pthread.h>

/* @name is cut to 15 bytes. DIST_ESYSTEM, and the text says that no thread was to be had. */
enum dist_err dist_thread_start(pthread_t *ret_thread, const char *name,
                                void *(*run)(void *), void *arg) DIST_MUST_CHECK;

#endif
