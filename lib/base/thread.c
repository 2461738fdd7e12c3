#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

#include "base/error.h"

#define THREAD_NAME_MAX 16 /* the kernel's, with its NUL */

enum dist_err
dist_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
	char short_name[THREAD_NAME_MAX];
	sigset_t all, before;
	int failed;

	/* A thread starts with its maker's mask: signals stay with the program's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(ret_thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return dist_error_set_errno(DIST_ESYSTEM, failed, "cannot start thread %s",
		                            name);
	snprintf(short_name, sizeof(short_name), "%s", name);
	pthread_setname_np(*ret_thread, short_name);
	return DIST_OK;
}
