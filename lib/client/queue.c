/*
 * A queue of waiters, in the order in which their calls end. A waiter is in @pending until
 * its call is over, then in @finished until it is taken; both are the queue's to free.
 */
#include <dist/waiter.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/futex.h"
#include "client/call.h"
#include "client/inside.h"
#include "client/observe.h"
#include "client/runtime_internal.h"
#include "client/wait.h"

struct dist_queue {
	unsigned fork_generation; /* read-only, like the descriptor */
	int fd; /* readable while something is finished; kept so once it was asked for */

	atomic_uint refs; /* the caller's, and one for each call that is to be pushed */

	struct dist_mutex lock; /* guards the rest */
	struct dist_list pending, finished; /* struct dist_call.queue_link */
	size_t n_pending, n_finished;
	bool fd_asked;
	unsigned n_sleepers;
	atomic_uint pushed; /* a futex; moves with each push that has sleepers */
};

enum dist_err
dist_queue_new(struct dist_queue **ret_queue)
{
	struct dist_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return dist_error_set_plain(DIST_ENOMEM);
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		free(queue);
		return dist_error_set_errno(DIST_ESYSTEM, errno, "cannot make an eventfd");
	}
	queue->fork_generation = dist_fork_generation();
	atomic_init(&queue->refs, 1);
	dist_mutex_init(&queue->lock, DIST_RANK_QUEUE);
	dist_list_init(&queue->pending);
	dist_list_init(&queue->finished);
	*ret_queue = queue;
	return DIST_OK;
}

/* In a fork's child its lock may be held by a thread that does not exist there. */
static bool
queue_forked(const struct dist_queue *queue)
{
	return queue->fork_generation != dist_fork_generation();
}

static void
queue_unref(struct dist_queue *queue)
{
	if (atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) != 1)
		return;
	close(queue->fd);
	dist_mutex_fini(&queue->lock);
	free(queue);
}

static void
queue_signal_fd_locked(struct dist_queue *queue) DIST_REQUIRES(&queue->lock)
{
	uint64_t count = 1;
	bool failed = false;

	if (!queue->fd_asked)
		return;
	if (queue->n_finished == 1)
		failed = write(queue->fd, &count, sizeof(count)) < 0;
	else if (queue->n_finished == 0)
		failed = read(queue->fd, &count, sizeof(count)) < 0;
	(void)failed; /* it was so already */
}

void
dist_queue_push(struct dist_queue *queue, struct dist_call *call)
{
	struct dist_inside before = dist_inside_enter(); /* write() can be cancelled */
	bool wake, last;

	dist_lock(&queue->lock);
	dist_list_remove(&call->queue_link);
	dist_list_append(&queue->finished, &call->queue_link);
	queue->n_pending--;
	queue->n_finished++;
	if (queue->n_finished == 1)
		queue_signal_fd_locked(queue);
	wake = queue->n_sleepers > 0;
	last = queue->n_pending == 0;
	if (wake)
		atomic_fetch_add(&queue->pushed, 1);
	dist_unlock(&queue->lock);
	/* After the last one, those who get nothing are to see that nothing is left. */
	if (wake)
		dist_futex_wake(&queue->pushed, last ? INT_MAX : 1);
	queue_unref(queue);
	dist_inside_leave(before);
}

enum dist_err
dist_queue_add(struct dist_queue *queue, struct dist_waiter *waiter, void *tag)
{
	struct dist_call *call = dist_call_of(waiter);
	bool over, given;

	if (!waiter)
		return dist_error_set(DIST_EINVAL, "no waiter: the call did not start");
	if (queue_forked(queue))
		return dist_error_set_plain(DIST_EFORKED);
	dist_lock(&call->lock);
	given = call->queued;
	call->queued = true;
	dist_unlock(&call->lock);
	if (given)
		return dist_error_set(DIST_EINVAL, "a waiter is given to one queue, once");

	call->tag = tag;
	atomic_fetch_add(&queue->refs, 1);
	dist_lock(&queue->lock);
	dist_list_append(&queue->pending, &call->queue_link);
	queue->n_pending++;
	dist_unlock(&queue->lock);

	dist_lock(&call->lock);
	over = !dist_observe_locked(call);
	if (!over)
		call->queue = queue;
	dist_unlock(&call->lock);
	if (over)
		dist_queue_push(queue, call);
	return DIST_OK;
}

/* Sleep until something was pushed; false: @deadline_ns passed. */
static bool
queue_sleep_locked(struct dist_queue *queue, int64_t deadline_ns)
	DIST_REQUIRES(&queue->lock)
{
	unsigned seen = atomic_load(&queue->pushed);
	bool in_time;

	queue->n_sleepers++;
	dist_unlock(&queue->lock);
	dist_thread_will_block();
	in_time = dist_futex_wait(&queue->pushed, seen, deadline_ns);
	dist_lock(&queue->lock);
	queue->n_sleepers--;
	return in_time;
}

struct dist_waiter *
dist_queue_take(struct dist_queue *queue, int64_t timeout_ms)
{
	int64_t deadline_ns = timeout_ms == 0 ? 0 : dist_deadline_in_ms(timeout_ms);
	struct dist_call *call = NULL;
	struct dist_inside before;
	struct dist_list *link;

	if (queue_forked(queue)) {
		dist_error_set_plain(DIST_EFORKED);
		return NULL;
	}
	before = dist_inside_enter();
	dist_lock(&queue->lock);
	while (!(link = dist_list_pop(&queue->finished)) && queue->n_pending) {
		if (timeout_ms == 0 || !queue_sleep_locked(queue, deadline_ns))
			break;
	}
	if (!link)
		link = dist_list_pop(&queue->finished);
	if (link) {
		queue->n_finished--;
		if (queue->n_finished == 0)
			queue_signal_fd_locked(queue);
	}
	dist_unlock(&queue->lock);
	if (link) {
		call = DIST_CONTAINER_OF(link, struct dist_call, queue_link);
		dist_call_settle_fully(call);
	}
	dist_inside_leave(before);
	return dist_waiter_of(call);
}

size_t
dist_queue_length(struct dist_queue *queue)
{
	size_t length;

	if (queue_forked(queue))
		return 0;
	dist_lock(&queue->lock);
	length = queue->n_pending + queue->n_finished;
	dist_unlock(&queue->lock);
	return length;
}

int
dist_queue_fd(struct dist_queue *queue)
{
	struct dist_inside before;
	uint64_t one = 1;

	if (queue_forked(queue))
		return queue->fd;
	before = dist_inside_enter();
	dist_lock(&queue->lock);
	if (!queue->fd_asked && queue->n_finished &&
	    write(queue->fd, &one, sizeof(one)) < 0)
		one = 0; /* an eventfd of ours takes a first write */
	queue->fd_asked = true;
	dist_unlock(&queue->lock);
	dist_inside_leave(before);
	return queue->fd;
}

void
dist_queue_free(struct dist_queue *queue)
{
	struct dist_list *link;
	struct dist_call *call;

	if (!queue || queue_forked(queue))
		return;
	/* End what is in flight; each is pushed by whoever ends it. */
	for (;;) {
		dist_lock(&queue->lock);
		link = dist_list_empty(&queue->pending) ? NULL : queue->pending.next;
		call = link ? DIST_CONTAINER_OF(link, struct dist_call, queue_link) : NULL;
		if (call)
			dist_call_ref(call);
		dist_unlock(&queue->lock);
		if (!call)
			break;
		dist_call_end(call, DIST_ECANCELED);
		/* Its pusher may be at it still: it is on the way to @finished. */
		dist_lock(&queue->lock);
		while (!dist_list_empty(&queue->pending) &&
		       queue->pending.next == &call->queue_link)
			queue_sleep_locked(queue, dist_deadline_in_ms(1));
		dist_unlock(&queue->lock);
		dist_call_unref(call);
	}
	while ((link = dist_list_pop(&queue->finished)))
		dist_waiter_free(dist_waiter_of(
			DIST_CONTAINER_OF(link, struct dist_call, queue_link)));
	queue_unref(queue);
}
