/*
 * A queue of waiters, in the order in which their calls end. A waiter is in @pending until
 * its call is over, then in @finished until it is taken; both are the queue's to free.
 *
 * Who takes and finds nothing finished reads by itself (harvest.h), on the connections
 * that the queue's calls are on. These are counted: a call for the connection that it was
 * on when it was added, until it is pushed. Calls that go elsewhere meanwhile are few: the
 * oldest is looked at again, and what nobody waits for here the loop reads.
 *
 * Takers that wait are in @takers. A push takes as many of them out as there are waiters
 * for them, and tells them; one that finds that another was faster goes back. When nothing
 * is pending any more all are told, as those that get nothing are to say so.
 */
#include <dist/waiter.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/conn.h"
#include "client/harvest.h"
#include "client/inside.h"
#include "client/observe.h"
#include "client/runtime_internal.h"
#include "client/wait.h"

/* Of a call that was not on a connection, or on one too many. */
#define NO_SOURCE DIST_HARVEST_CONNS
/* After there was one too many, so few are a reason to read again. */
#define FEW_SOURCES (DIST_HARVEST_CONNS / 2)

/* A connection on which calls of the queue are. */
struct source {
	struct dist_conn *conn; /* holds a reference while there are any; NULL */
	unsigned n_calls;
};

struct dist_queue {
	unsigned fork_generation; /* read-only, like the descriptor */
	int fd; /* readable while something is finished; kept so once it was asked for */

	struct dist_mutex lock; /* guards the rest */
	struct dist_list pending, finished; /* struct dist_call.queue_link */
	size_t n_pending, n_finished;
	bool fd_asked;
	bool interrupted; /* whoever waits for something to finish is to give up */
	bool drained; /* a waiter was taken, and none added since: nothing new is to be sent */
	struct dist_list takers; /* struct dist_harvest.link */

	struct source sources[DIST_HARVEST_CONNS];
	unsigned n_sources;   /* those beyond are not in use */
	unsigned last_source; /* the one that was found last */
	bool crowded;         /* there was one too many: the loop reads */
};

enum dist_err
dist_queue_new(struct dist_queue **ret_queue)
{
	struct dist_queue *queue;
	enum dist_err err = dist_fork_watch(NULL);

	if (err)
		return err;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return dist_error_set_plain(DIST_ENOMEM);
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		free(queue);
		return dist_error_set_errno(DIST_ESYSTEM, errno, "cannot make an eventfd");
	}
	queue->fork_generation = dist_fork_generation();
	dist_mutex_init(&queue->lock, DIST_RANK_QUEUE);
	dist_list_init(&queue->pending);
	dist_list_init(&queue->finished);
	dist_list_init(&queue->takers);
	*ret_queue = queue;
	return DIST_OK;
}

/* In a fork's child its lock may be held by a thread that does not exist there. */
static bool
queue_forked(const struct dist_queue *queue)
{
	return queue->fork_generation != dist_fork_generation();
}

/* --- Where its calls are ------------------------------------------------------------- */

static unsigned
queue_find_source_locked(struct dist_queue *queue, const struct dist_conn *conn)
	DIST_REQUIRES(&queue->lock)
{
	if (!conn)
		return NO_SOURCE;
	if (queue->sources[queue->last_source].conn == conn)
		return queue->last_source;
	for (unsigned i = 0; i < queue->n_sources; i++) {
		if (queue->sources[i].conn == conn) {
			queue->last_source = i;
			return i;
		}
	}
	return NO_SOURCE;
}

/* The same, or a new one: then the reference in *@conn is taken, and NULL left there. */
static unsigned
queue_make_source_locked(struct dist_queue *queue, struct dist_conn **conn)
	DIST_REQUIRES(&queue->lock)
{
	unsigned i = queue_find_source_locked(queue, *conn);

	if (i != NO_SOURCE || !*conn)
		return i;
	for (i = 0; i < DIST_HARVEST_CONNS && queue->sources[i].conn; i++)
		;
	if (i == DIST_HARVEST_CONNS) {
		queue->crowded = true;
		return NO_SOURCE;
	}
	queue->sources[i] = (struct source){ .conn = *conn };
	queue->n_sources = DIST_MAX(queue->n_sources, i + 1);
	queue->last_source = i;
	*conn = NULL;
	/* One that waits does not read there yet. */
	if (!dist_list_empty(&queue->takers))
		dist_harvest_tell(DIST_CONTAINER_OF(queue->takers.next, struct dist_harvest,
		                                    link));
	return i;
}

/* Give the connection back whose last call this was; NULL: it was not. */
static struct dist_conn *
queue_leave_source_locked(struct dist_queue *queue, const struct dist_call *call)
	DIST_REQUIRES(&queue->lock)
{
	struct source *source = &queue->sources[call->queue_source];
	struct dist_conn *conn;

	if (call->queue_source == NO_SOURCE || --source->n_calls)
		return NULL;
	conn = source->conn;
	source->conn = NULL;
	return conn;
}

static void
queue_list_sources_locked(struct dist_queue *queue, struct dist_harvest *harvest)
	DIST_REQUIRES(&queue->lock)
{
	for (unsigned i = 0; i < queue->n_sources; i++) {
		if (queue->sources[i].conn)
			dist_harvest_add(harvest, dist_conn_ref(queue->sources[i].conn));
	}
}

static bool
queue_is_crowded_locked(struct dist_queue *queue) DIST_REQUIRES(&queue->lock)
{
	unsigned n = 0;

	for (unsigned i = 0; queue->crowded && i < queue->n_sources; i++)
		n += queue->sources[i].conn != NULL;
	queue->crowded = n > FEW_SOURCES;
	return queue->crowded;
}

/*
 * The connections that a thread is to read, with something pending. The oldest call may
 * have gone to another one than it was counted for. In a crowd the loop reads by itself;
 * it is only to send at once what waits beside the newest call, as its dist_go() gave
 * others time to gather. The lock is dropped meanwhile.
 */
static void
queue_list_conns_locked(struct dist_queue *queue, struct dist_harvest *harvest)
	DIST_REQUIRES(&queue->lock)
{
	bool crowded = queue_is_crowded_locked(queue);
	struct dist_list *link = crowded ? queue->pending.prev : queue->pending.next;
	struct dist_call *call = DIST_CONTAINER_OF(link, struct dist_call, queue_link);
	struct dist_conn *conn = atomic_load(&call->conn);
	uint32_t xid;

	if (!crowded)
		queue_list_sources_locked(queue, harvest);
	if (!conn || dist_harvest_has(harvest, conn))
		return;
	dist_call_ref(call);
	dist_unlock(&queue->lock);
	conn = dist_call_conn(call, &xid);
	if (conn && crowded)
		dist_conn_serve(conn);
	if (conn && (crowded || dist_harvest_has(harvest, conn) ||
	             !dist_harvest_add(harvest, conn)))
		dist_conn_unref(conn);
	dist_call_unref(call);
	dist_lock(&queue->lock);
}

/* --- In and out ---------------------------------------------------------------------- */

static void
queue_signal_fd_locked(struct dist_queue *queue) DIST_REQUIRES(&queue->lock)
{
	uint64_t count = 1;
	bool failed;

	if (!queue->fd_asked)
		return;
	failed = queue->n_finished ? write(queue->fd, &count, sizeof(count)) < 0
	                           : read(queue->fd, &count, sizeof(count)) < 0;
	(void)failed; /* it was so already */
}

/* So many waiters were pushed: tell takers, this thread's own first. */
static void
queue_tell_takers_locked(struct dist_queue *queue, unsigned n) DIST_REQUIRES(&queue->lock)
{
	struct dist_harvest *own = dist_harvest_here();
	struct dist_list *link;
	unsigned n_told = 0;

	if (own && own->teller == queue && !dist_list_empty(&own->link)) {
		dist_list_remove(&own->link);
		dist_harvest_tell(own);
		n_told++;
	}
	while ((n_told < n || queue->n_pending == 0) &&
	       (link = dist_list_pop(&queue->takers))) {
		dist_harvest_tell(DIST_CONTAINER_OF(link, struct dist_harvest, link));
		n_told++;
	}
}

static void
queue_push_all(struct dist_queue *queue, struct dist_call *const *calls, unsigned n)
{
	struct dist_inside before = dist_inside_enter(); /* write() can be cancelled */
	struct dist_conn *left[DIST_HARVEST_CONNS];
	unsigned n_left = 0;

	dist_lock(&queue->lock);
	for (unsigned i = 0; i < n; i++) {
		struct dist_conn *conn = queue_leave_source_locked(queue, calls[i]);

		if (conn)
			left[n_left++] = conn;
		dist_list_remove(&calls[i]->queue_link);
		dist_list_append(&queue->finished, &calls[i]->queue_link);
	}
	queue->n_pending -= n;
	queue->n_finished += n;
	if (queue->n_finished == n)
		queue_signal_fd_locked(queue);
	if (!dist_list_empty(&queue->takers))
		queue_tell_takers_locked(queue, n);
	dist_unlock(&queue->lock);
	/* From here on the queue may be gone. */
	while (n_left)
		dist_conn_unref(left[--n_left]);
	dist_inside_leave(before);
}

/* Of this thread, while it reads. */
static DIST_THREAD_LOCAL struct dist_pushes *gathered;

void
dist_pushes_begin(struct dist_pushes *pushes)
{
	pushes->outer = gathered;
	pushes->queue = NULL;
	pushes->n_calls = 0;
	gathered = pushes;
}

void
dist_pushes_flush(struct dist_pushes *pushes)
{
	if (pushes->n_calls)
		queue_push_all(pushes->queue, pushes->calls, pushes->n_calls);
	pushes->n_calls = 0;
}

void
dist_pushes_end(struct dist_pushes *pushes)
{
	dist_pushes_flush(pushes);
	gathered = pushes->outer;
}

void
dist_queue_push(struct dist_call *call)
{
	struct dist_pushes *pushes = gathered;

	if (!pushes) {
		queue_push_all(call->queue, &call, 1);
		return;
	}
	if (pushes->n_calls == DIST_PUSHES_MAX || pushes->queue != call->queue)
		dist_pushes_flush(pushes);
	pushes->queue = call->queue;
	pushes->calls[pushes->n_calls++] = call;
}

enum dist_err
dist_queue_add(struct dist_queue *queue, struct dist_waiter *waiter, void *tag)
{
	struct dist_call *call = dist_call_of(waiter);
	struct dist_conn *conn = NULL;
	unsigned source;
	uint32_t xid;

	if (!waiter)
		return dist_error_set(DIST_EINVAL, "no waiter: the call did not start");
	if (queue_forked(queue))
		return dist_error_set_plain(DIST_EFORKED);
	/* Whoever gives it has it alone: two at once would be a bug of the caller's. */
	if (atomic_load_explicit(&call->queued, memory_order_relaxed))
		return dist_error_set(DIST_EINVAL, "a waiter is given to one queue, once");
	atomic_store_explicit(&call->queued, true, memory_order_relaxed);

	call->tag = tag;
	call->queue = queue;
	dist_lock(&queue->lock);
	source = queue_find_source_locked(
		queue, atomic_load_explicit(&call->conn, memory_order_relaxed));
	if (source == NO_SOURCE) {
		dist_unlock(&queue->lock);
		conn = dist_call_conn(call, &xid);
		dist_lock(&queue->lock);
		source = queue_make_source_locked(queue, &conn);
	}
	call->queue_source = source;
	if (source != NO_SOURCE)
		queue->sources[source].n_calls++;
	dist_list_append(&queue->pending, &call->queue_link);
	queue->n_pending++;
	queue->drained = false;
	dist_unlock(&queue->lock);
	if (conn)
		dist_conn_unref(conn);
	if (!dist_observe_queued(call))
		queue_push_all(queue, &call, 1);
	return DIST_OK;
}

/* The next that is finished; NULL: none is. */
static struct dist_call *
queue_pop_locked(struct dist_queue *queue) DIST_REQUIRES(&queue->lock)
{
	struct dist_list *link = dist_list_pop(&queue->finished);

	if (!link)
		return NULL;
	queue->drained = true;
	if (--queue->n_finished == 0)
		queue_signal_fd_locked(queue);
	return DIST_CONTAINER_OF(link, struct dist_call, queue_link);
}

/* --- Taking -------------------------------------------------------------------------- */

/* Once round: read, or sleep where others read, until a taker was told or @deadline_ns. */
static void
queue_harvest_locked(struct dist_queue *queue, int64_t deadline_ns)
	DIST_REQUIRES(&queue->lock)
{
	struct dist_harvest harvest;

	dist_harvest_init(&harvest);
	harvest.teller = queue;
	/* From here on pushes tell it. */
	dist_list_append(&queue->takers, &harvest.link);
	queue_list_conns_locked(queue, &harvest);
	dist_unlock(&queue->lock);
	dist_harvest_wait(&harvest, deadline_ns);
	dist_lock(&queue->lock);
	dist_list_remove(&harvest.link);
	dist_unlock(&queue->lock);
	dist_harvest_fini(&harvest);
	dist_lock(&queue->lock);
}

/*
 * Send what is unsent, and look once whether something has come. After a waiter was taken,
 * with no call added since, there is hardly anything to see: who empties the queue so goes
 * on to fill it, or to wait; or to sleep on its descriptor, so that the loop must read.
 */
static void
queue_look_locked(struct dist_queue *queue) DIST_REQUIRES(&queue->lock)
{
	bool drained = queue->drained, left_to_loop = queue->fd_asked;
	struct dist_harvest harvest;

	queue->drained = false;
	if (drained && !left_to_loop)
		return;
	dist_harvest_init(&harvest);
	queue_list_conns_locked(queue, &harvest);
	dist_unlock(&queue->lock);
	dist_harvest_look(&harvest, left_to_loop);
	dist_harvest_fini(&harvest);
	dist_lock(&queue->lock);
}

/* Nothing is finished: bring that about. NULL: nothing is left, or it took too long. */
static struct dist_call *
queue_await_locked(struct dist_queue *queue, int64_t deadline_ns)
	DIST_REQUIRES(&queue->lock)
{
	bool looks = deadline_ns == 0 || dist_deadline_passed(deadline_ns);
	struct dist_inside before = dist_inside_enter();

	if (looks && queue->n_pending)
		queue_look_locked(queue);
	while (!looks && dist_list_empty(&queue->finished) && queue->n_pending &&
	       !queue->interrupted) {
		queue_harvest_locked(queue, deadline_ns);
		looks = dist_deadline_passed(deadline_ns);
	}
	queue->interrupted = false;
	dist_inside_leave(before);
	return queue_pop_locked(queue);
}

/* Its result may wait to be decoded, or another thread be at that. */
static void
call_settle(struct dist_call *call)
{
	struct dist_inside before = dist_inside_enter();

	dist_call_settle_fully(call);
	dist_inside_leave(before);
}

/* @deadline_ns: 0 only looks. */
static struct dist_waiter *
queue_take(struct dist_queue *queue, int64_t deadline_ns)
{
	struct dist_call *call;

	if (queue_forked(queue)) {
		dist_error_set_plain(DIST_EFORKED);
		return NULL;
	}
	dist_lock(&queue->lock);
	call = queue_pop_locked(queue);
	if (!call)
		call = queue_await_locked(queue, deadline_ns);
	dist_unlock(&queue->lock);
	if (call && dist_call_state(call) != DIST_CALL_DONE)
		call_settle(call);
	return dist_waiter_of(call);
}

struct dist_waiter *
dist_queue_take(struct dist_queue *queue, int64_t timeout_ms)
{
	return queue_take(queue, timeout_ms ? dist_deadline_in_ms(timeout_ms) : 0);
}

struct dist_waiter *
dist_queue_take_until(struct dist_queue *queue, int64_t until_ns)
{
	return queue_take(queue, DIST_MAX(until_ns, 0));
}

void
dist_queue_interrupt(struct dist_queue *queue)
{
	struct dist_inside before = dist_inside_enter();
	struct dist_list *link;

	dist_lock(&queue->lock);
	queue->interrupted = true;
	while ((link = dist_list_pop(&queue->takers)))
		dist_harvest_tell(DIST_CONTAINER_OF(link, struct dist_harvest, link));
	dist_unlock(&queue->lock);
	dist_inside_leave(before);
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

	if (queue_forked(queue))
		return queue->fd;
	before = dist_inside_enter();
	dist_lock(&queue->lock);
	if (!queue->fd_asked) {
		queue->fd_asked = true;
		if (queue->n_finished)
			queue_signal_fd_locked(queue);
	}
	if (queue->n_pending)
		queue_look_locked(queue);
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
	dist_lock(&queue->lock);
	while (queue->n_pending) {
		call = DIST_CONTAINER_OF(queue->pending.next, struct dist_call, queue_link);
		dist_call_ref(call);
		dist_unlock(&queue->lock);
		dist_call_end(call, DIST_ECANCELED);
		dist_lock(&queue->lock);
		/* Its pusher may be at it still: it is on the way to @finished. */
		while (queue->pending.next == &call->queue_link)
			queue_harvest_locked(queue, DIST_NEVER);
		dist_unlock(&queue->lock);
		dist_call_unref(call);
		dist_lock(&queue->lock);
	}
	dist_unlock(&queue->lock);
	while ((link = dist_list_pop(&queue->finished)))
		dist_waiter_free(dist_waiter_of(
			DIST_CONTAINER_OF(link, struct dist_call, queue_link)));
	close(queue->fd);
	dist_mutex_fini(&queue->lock);
	free(queue);
}
