#include "client/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fork.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "client/store.h"

/* Descriptors to wake threads with that are kept for the next. */
#define KICKS_MAX 8

struct dist_runtime {
	/* Set by dist_runtime_start(), then read-only. */
	struct dist_loop *loop;
	int kick_fd;
	unsigned fork_generation;
	pthread_t callback_thread;

	atomic_uint refs;
	struct dist_client_counts counts;

	struct dist_mutex lock; /* guards the next group */
	struct dist_cond changed;
	struct dist_list callbacks; /* struct dist_call.link */
	unsigned n_conns;
	unsigned n_kicks;
	int kicks[KICKS_MAX];
	bool stopping;
	bool callbacks_over; /* the callback thread has ended */
};

static DIST_THREAD_LOCAL struct dist_call *callback_call;

static void *callbacks_main(void *arg);

enum dist_err
dist_runtime_start(struct dist_runtime **ret_runtime, const char *name)
{
	struct dist_runtime *runtime;
	char thread_name[32];
	enum dist_err err;

	err = dist_fork_watch(dist_store_forked);
	if (err)
		return err;
	runtime = calloc(1, sizeof(*runtime));
	if (!runtime)
		return dist_error_set_plain(DIST_ENOMEM);
	runtime->fork_generation = dist_fork_generation();
	atomic_init(&runtime->refs, 1);
	dist_mutex_init(&runtime->lock, DIST_RANK_LEAF);
	dist_cond_init(&runtime->changed);
	dist_list_init(&runtime->callbacks);
	dist_client_counts_init(&runtime->counts);

	runtime->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	if (runtime->kick_fd < 0) {
		err = dist_error_set_errno(DIST_ESYSTEM, errno, "cannot make an eventfd");
		goto no_fd;
	}
	snprintf(thread_name, sizeof(thread_name), "dist-io-%s", name);
	err = dist_loop_start(&runtime->loop, thread_name);
	if (err)
		goto no_loop;
	snprintf(thread_name, sizeof(thread_name), "dist-cb-%s", name);
	err = dist_thread_start(&runtime->callback_thread, thread_name, callbacks_main,
	                        runtime);
	if (err)
		goto no_thread;
	*ret_runtime = runtime;
	return DIST_OK;

no_thread:
	dist_loop_stop(runtime->loop);
	dist_loop_free(runtime->loop);
no_loop:
	close(runtime->kick_fd);
no_fd:
	dist_client_counts_fini(&runtime->counts);
	dist_mutex_fini(&runtime->lock);
	free(runtime);
	return err;
}

void
dist_runtime_stop(struct dist_runtime *runtime)
{
	unsigned n_kicks;

	if (!runtime || dist_runtime_forked(runtime))
		return;
	dist_lock(&runtime->lock);
	while (runtime->n_conns)
		dist_cond_wait(&runtime->changed, &runtime->lock);
	dist_unlock(&runtime->lock);
	/* The loop first: a timer that it still runs may end a call that has a callback. */
	dist_loop_stop(runtime->loop);

	dist_lock(&runtime->lock);
	runtime->stopping = true;
	n_kicks = runtime->n_kicks;
	runtime->n_kicks = 0; /* and it stays so */
	dist_cond_broadcast(&runtime->changed);
	dist_unlock(&runtime->lock);
	pthread_join(runtime->callback_thread, NULL);
	close(runtime->kick_fd); /* only connections use it, and there are none */
	while (n_kicks)
		close(runtime->kicks[--n_kicks]);
	dist_runtime_unref(runtime);
}

struct dist_runtime *
dist_runtime_ref(struct dist_runtime *runtime)
{
	atomic_fetch_add_explicit(&runtime->refs, 1, memory_order_relaxed);
	return runtime;
}

void
dist_runtime_unref(struct dist_runtime *runtime)
{
	if (atomic_fetch_sub_explicit(&runtime->refs, 1, memory_order_acq_rel) != 1)
		return;
	dist_loop_free(runtime->loop);
	dist_client_counts_fini(&runtime->counts);
	dist_mutex_fini(&runtime->lock);
	free(runtime);
}

struct dist_loop *
dist_runtime_loop(struct dist_runtime *runtime)
{
	return runtime->loop;
}

struct dist_client_counts *
dist_runtime_counts(struct dist_runtime *runtime)
{
	return &runtime->counts;
}

int
dist_runtime_kick_fd(const struct dist_runtime *runtime)
{
	return runtime->kick_fd;
}

int
dist_runtime_lend_kick(struct dist_runtime *runtime)
{
	int fd = -1;

	dist_lock(&runtime->lock);
	if (runtime->n_kicks)
		fd = runtime->kicks[--runtime->n_kicks];
	dist_unlock(&runtime->lock);
	return fd >= 0 ? fd : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void
dist_runtime_return_kick(struct dist_runtime *runtime, int fd)
{
	bool kept;

	dist_lock(&runtime->lock);
	kept = runtime->n_kicks < KICKS_MAX && !runtime->stopping;
	if (kept)
		runtime->kicks[runtime->n_kicks++] = fd;
	dist_unlock(&runtime->lock);
	if (!kept)
		close(fd);
}

bool
dist_runtime_forked(const struct dist_runtime *runtime)
{
	return runtime->fork_generation != dist_fork_generation();
}

void
dist_runtime_count_conn(struct dist_runtime *runtime, int change)
{
	dist_lock(&runtime->lock);
	runtime->n_conns += (unsigned)change;
	if (runtime->n_conns == 0)
		dist_cond_broadcast(&runtime->changed);
	dist_unlock(&runtime->lock);
}

/* --- Callbacks ----------------------------------------------------------------------- */

bool
dist_runtime_post_callback(struct dist_runtime *runtime, struct dist_call *call)
{
	bool open;

	dist_lock(&runtime->lock);
	open = !runtime->callbacks_over;
	if (open) {
		dist_call_ref(call);
		dist_list_append(&runtime->callbacks, &call->link);
		dist_cond_broadcast(&runtime->changed);
	}
	dist_unlock(&runtime->lock);
	return open;
}

struct dist_call *
dist_runtime_callback_call(void)
{
	return callback_call;
}

void
dist_runtime_run_callback(struct dist_call *call)
{
	struct dist_call *outer = callback_call;
	dist_waiter_fn *fn;
	bool freed;

	dist_call_settle_fully(call);
	dist_lock(&call->lock);
	fn = call->then_fn;
	freed = call->freed;
	dist_unlock(&call->lock);
	callback_call = call;
	fn(freed ? NULL : dist_waiter_of(call), call->then_arg);
	callback_call = outer;
}

static void *
callbacks_main(void *arg)
{
	struct dist_runtime *runtime = arg;
	struct dist_list *link;
	struct dist_call *call;

	for (;;) {
		dist_lock(&runtime->lock);
		while (!(link = dist_list_pop(&runtime->callbacks)) && !runtime->stopping)
			dist_cond_wait(&runtime->changed, &runtime->lock);
		runtime->callbacks_over = !link;
		dist_unlock(&runtime->lock);
		if (!link)
			return NULL;
		call = DIST_CONTAINER_OF(link, struct dist_call, link);
		dist_runtime_run_callback(call);
		dist_call_unref(call);
	}
}
