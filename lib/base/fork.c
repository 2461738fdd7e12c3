#include "base/fork.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/log.h"

atomic_uint dist_fork_count;
static void (*_Atomic fork_in_child)(void);

static void
on_child(void)
{
	void (*in_child)(void) = atomic_load(&fork_in_child);

	atomic_fetch_add(&dist_fork_count, 1);
	dist_log_forked();
	if (in_child)
		in_child();
}

enum dist_err
dist_fork_watch(void (*in_child)(void))
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static atomic_bool watched;
	bool is_watched = atomic_load(&watched);

	if (in_child)
		atomic_store(&fork_in_child, in_child);
	if (is_watched)
		return DIST_OK;
	pthread_mutex_lock(&lock);
	is_watched = atomic_load(&watched) || pthread_atfork(NULL, NULL, on_child) == 0;
	atomic_store(&watched, is_watched);
	pthread_mutex_unlock(&lock);
	return is_watched ? DIST_OK : dist_error_set_plain(DIST_ENOMEM);
}
