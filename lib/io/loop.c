/*
 * epoll underneath, with an eventfd to wake the loop. Timers are in a wheel of slots, one
 * DIST_TIMER_GRAIN_NS each, with a bitmap of the slots that hold any; a timer beyond one
 * turn of the wheel stays in its slot and is passed over until its turn has come.
 *
 * The loop sleeps until its next timer. What is posted wakes it, unless it is awake or
 * ticking: after dist_loop_post_soon() it wakes every DIST_SOON_NS by itself until
 * nothing was posted so for some ticks: the more, the more often they were of use. What
 * dist_loop_post_later() posts slows the ticks down.
 */
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "base/tsan.h"

#define EVENTS_MAX 64
/* Ticks in vain, at least and at most: each costs a wake-up. */
#define TICKS_MIN 2
#define TICKS_MAX 20
#define WHEEL_SLOTS 1024 /* some four seconds a turn */
#define WHEEL_WORDS (WHEEL_SLOTS / 64)

struct dist_loop {
	/* Set by dist_loop_start(), then read-only. */
	int epoll_fd, wake_fd;
	pthread_t thread;

	struct dist_mutex lock; /* guards all below */
	struct dist_list tasks, soon;
	bool stopping;
	bool stopped;         /* nothing runs any more */
	bool awake;           /* it will look at tasks, soon and timers before it sleeps */
	int64_t sleeps_until; /* when it wakes by itself */
	unsigned idle_ticks;  /* since something was posted soon */
	unsigned n_ticks;     /* it ticks while there were fewer */
	unsigned n_timers;
	struct dist_list wheel[WHEEL_SLOTS];
	uint64_t wheel_used[WHEEL_WORDS]; /* a bit a slot */
	int64_t wheel_turned_ns;          /* slots before this were looked at */
};

static void *loop_main(void *arg);
static void loop_run_timers(struct dist_loop *loop, int64_t now_ns);

enum dist_err
dist_loop_start(struct dist_loop **ret_loop, const char *thread_name)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	struct dist_loop *loop = calloc(1, sizeof(*loop));
	enum dist_err err;

	if (!loop)
		return dist_error_set_plain(DIST_ENOMEM);
	dist_mutex_init(&loop->lock, DIST_RANK_LOOP);
	dist_list_init(&loop->tasks);
	dist_list_init(&loop->soon);
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		dist_list_init(&loop->wheel[i]);
	loop->idle_ticks = loop->n_ticks = TICKS_MIN;
	loop->awake = true;
	loop->wheel_turned_ns = dist_clock_ns();

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0) {
		err = dist_error_set_errno(DIST_ESYSTEM, errno, "cannot make an event loop");
	} else {
		err = dist_thread_start(&loop->thread, thread_name, loop_main, loop);
	}
	if (err) {
		if (loop->epoll_fd >= 0)
			close(loop->epoll_fd);
		if (loop->wake_fd >= 0)
			close(loop->wake_fd);
		dist_mutex_fini(&loop->lock);
		free(loop);
		return err;
	}
	*ret_loop = loop;
	return DIST_OK;
}

static void
loop_wake(struct dist_loop *loop)
{
	int cancel_state = dist_cancel_off();
	uint64_t one = 1;

	/* It can fail only when the counter is full, and then the loop is woken anyway. */
	(void)!write(loop->wake_fd, &one, sizeof(one));
	dist_cancel_restore(cancel_state);
}

void
dist_loop_stop(struct dist_loop *loop)
{
	dist_lock(&loop->lock);
	loop->stopping = true;
	dist_unlock(&loop->lock);
	loop_wake(loop);
	pthread_join(loop->thread, NULL);
	dist_lock(&loop->lock);
	loop->stopped = true;
	dist_unlock(&loop->lock);
	loop_run_timers(loop, DIST_NEVER);
	/* No source is left. The other descriptor may be about to be written to still. */
	close(loop->epoll_fd);
}

void
dist_loop_free(struct dist_loop *loop)
{
	close(loop->wake_fd);
	dist_mutex_fini(&loop->lock);
	free(loop);
}

bool
dist_loop_is_current(const struct dist_loop *loop)
{
	return pthread_equal(loop->thread, pthread_self());
}

/* --- Descriptors --------------------------------------------------------------------- */

enum dist_err
dist_loop_add(struct dist_loop *loop, struct dist_source *source)
{
	struct epoll_event event = { .events = EPOLLONESHOT | EPOLLET,
		                     .data.ptr = source };

	DIST_TSAN_RELEASE(source);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno, "cannot watch a socket");
	return DIST_OK;
}

void
dist_loop_arm(struct dist_loop *loop, struct dist_source *source, uint32_t events)
{
	struct epoll_event event = { .data.ptr = source };

	/*
	 * epoll reports EPOLLERR and EPOLLHUP whatever is asked for. Edge-triggered with no
	 * events, a descriptor that has them tells so at most once, when it is disarmed;
	 * owners take a readiness they did not ask for as none.
	 */
	event.events = events | (events ? EPOLLONESHOT : EPOLLONESHOT | EPOLLET);
	DIST_TSAN_RELEASE(source);
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void
dist_loop_remove(struct dist_loop *loop, struct dist_source *source)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

/* --- Tasks --------------------------------------------------------------------------- */

void
dist_loop_post(struct dist_loop *loop, struct dist_task *task)
{
	bool wake;

	dist_lock(&loop->lock);
	dist_list_append(&loop->tasks, &task->link);
	wake = !loop->awake;
	loop->awake = true;
	dist_unlock(&loop->lock);
	if (wake)
		loop_wake(loop);
}

void
dist_loop_post_soon(struct dist_loop *loop, struct dist_task *task)
{
	bool wake;

	dist_lock(&loop->lock);
	dist_list_append(&loop->soon, &task->link);
	wake = !loop->awake && loop->idle_ticks >= loop->n_ticks;
	if (wake)
		loop->awake = true;
	else if (loop->idle_ticks)
		loop->n_ticks = DIST_MIN(2 * loop->n_ticks, TICKS_MAX);
	loop->idle_ticks = 0;
	dist_unlock(&loop->lock);
	if (wake)
		loop_wake(loop);
}

void
dist_loop_post_later(struct dist_loop *loop, struct dist_task *task)
{
	dist_lock(&loop->lock);
	dist_list_append(&loop->soon, &task->link);
	dist_unlock(&loop->lock);
}

/* --- Timers -------------------------------------------------------------------------- */

void
dist_timer_init(struct dist_timer *timer, void (*run)(struct dist_timer *timer))
{
	dist_list_init(&timer->link);
	timer->at_ns = DIST_NEVER;
	timer->run = run;
}

static unsigned
wheel_slot(int64_t at_ns)
{
	return (unsigned)(at_ns / DIST_TIMER_GRAIN_NS) % WHEEL_SLOTS;
}

static void
wheel_remove_locked(struct dist_loop *loop, struct dist_timer *timer)
	DIST_REQUIRES(&loop->lock)
{
	dist_list_remove(&timer->link);
	if (dist_list_empty(&loop->wheel[timer->slot]))
		loop->wheel_used[timer->slot / 64] &= ~(UINT64_C(1) << timer->slot % 64);
	loop->n_timers--;
}

bool
dist_loop_timer_set(struct dist_loop *loop, struct dist_timer *timer, int64_t at_ns)
{
	bool wake;

	dist_lock(&loop->lock);
	if (loop->stopped) {
		dist_unlock(&loop->lock);
		return false;
	}
	if (!dist_list_empty(&timer->link))
		wheel_remove_locked(loop, timer);
	/* What is due already goes into the slot that is looked at next. */
	timer->at_ns = at_ns;
	timer->slot = wheel_slot(DIST_MAX(at_ns, loop->wheel_turned_ns));
	dist_list_append(&loop->wheel[timer->slot], &timer->link);
	loop->wheel_used[timer->slot / 64] |= UINT64_C(1) << timer->slot % 64;
	loop->n_timers++;
	wake = !loop->awake && at_ns < loop->sleeps_until;
	if (wake)
		loop->awake = true;
	dist_unlock(&loop->lock);
	if (wake)
		loop_wake(loop);
	return true;
}

bool
dist_loop_timer_cancel(struct dist_loop *loop, struct dist_timer *timer)
{
	bool was_set;

	dist_lock(&loop->lock);
	was_set = !dist_list_empty(&timer->link);
	if (was_set)
		wheel_remove_locked(loop, timer);
	dist_unlock(&loop->lock);
	return was_set;
}

/* One timer that is due by @now_ns, taken out; NULL when there is none (any more). */
static struct dist_timer *
wheel_take_due_locked(struct dist_loop *loop, int64_t now_ns) DIST_REQUIRES(&loop->lock)
{
	struct dist_timer *timer, *next;
	int64_t turn = (int64_t)WHEEL_SLOTS * DIST_TIMER_GRAIN_NS;
	int64_t at;

	if (loop->n_timers == 0) {
		loop->wheel_turned_ns = now_ns;
		return NULL;
	}
	if (loop->wheel_turned_ns < now_ns - turn)
		loop->wheel_turned_ns = now_ns - turn;
	for (at = loop->wheel_turned_ns;; at += DIST_TIMER_GRAIN_NS) {
		unsigned slot = wheel_slot(at);

		if (loop->wheel_used[slot / 64] >> slot % 64 & 1) {
			DIST_LIST_EACH (timer, next, &loop->wheel[slot], link) {
				if (timer->at_ns <= now_ns) {
					wheel_remove_locked(loop, timer);
					loop->wheel_turned_ns = at;
					return timer;
				}
			}
		}
		if (at / DIST_TIMER_GRAIN_NS >= now_ns / DIST_TIMER_GRAIN_NS)
			break;
	}
	loop->wheel_turned_ns = now_ns;
	return NULL;
}

/*
 * When the wheel must be looked at again. From where it was looked at last, which is a while
 * ago where tasks took long: what became due meanwhile is behind us already.
 */
static int64_t
wheel_next_locked(struct dist_loop *loop) DIST_REQUIRES(&loop->lock)
{
	int64_t turned_ns = loop->wheel_turned_ns;
	unsigned first = wheel_slot(turned_ns);

	if (loop->n_timers == 0)
		return DIST_NEVER;
	for (unsigned i = 0; i < WHEEL_SLOTS; i++) {
		unsigned slot = (first + i) % WHEEL_SLOTS;

		if (slot % 64 == 0 && loop->wheel_used[slot / 64] == 0) {
			i += 63;
			continue;
		}
		if (loop->wheel_used[slot / 64] >> slot % 64 & 1)
			return (turned_ns / DIST_TIMER_GRAIN_NS + i + 1) * DIST_TIMER_GRAIN_NS;
	}
	return DIST_NEVER;
}

/* --- The thread ---------------------------------------------------------------------- */

static void
loop_run_list(struct dist_loop *loop, struct dist_list *list)
{
	struct dist_list due, *link;

	dist_list_init(&due);
	dist_lock(&loop->lock);
	dist_list_move_all(list, &due);
	dist_unlock(&loop->lock);
	while ((link = dist_list_pop(&due))) {
		struct dist_task *task = DIST_CONTAINER_OF(link, struct dist_task, link);

		task->run(task);
	}
}

static struct dist_timer *
wheel_take_any_locked(struct dist_loop *loop) DIST_REQUIRES(&loop->lock)
{
	for (unsigned i = 0; loop->n_timers && i < WHEEL_SLOTS; i++) {
		if (!dist_list_empty(&loop->wheel[i])) {
			struct dist_timer *timer = DIST_CONTAINER_OF(
				loop->wheel[i].next, struct dist_timer, link);

			wheel_remove_locked(loop, timer);
			return timer;
		}
	}
	return NULL;
}

static void
loop_run_timers(struct dist_loop *loop, int64_t now_ns)
{
	struct dist_timer *timer;

	for (;;) {
		dist_lock(&loop->lock);
		timer = now_ns == DIST_NEVER ? wheel_take_any_locked(loop)
		                             : wheel_take_due_locked(loop, now_ns);
		dist_unlock(&loop->lock);
		if (!timer)
			return;
		timer->run(timer);
	}
}

/* How long to sleep, in nanoseconds, -1 for ever; false: it is time to stop. */
static bool
loop_plan_sleep(struct dist_loop *loop, int64_t *ret_sleep_ns)
{
	int64_t now_ns = dist_clock_ns(), until;
	bool busy, stop;

	dist_lock(&loop->lock);
	/* What is due soon can wait, but not for a next round that will not come. */
	busy = !dist_list_empty(&loop->tasks) ||
	       (loop->stopping && !dist_list_empty(&loop->soon));
	stop = loop->stopping && !busy;
	until = wheel_next_locked(loop);
	if (loop->idle_ticks < loop->n_ticks) {
		until = DIST_MIN(until, now_ns + DIST_SOON_NS);
		if (++loop->idle_ticks == loop->n_ticks)
			loop->n_ticks = DIST_MAX(loop->n_ticks / 2, TICKS_MIN);
	} else if (!dist_list_empty(&loop->soon)) {
		until = DIST_MIN(until, now_ns + DIST_LATER_NS);
	}
	loop->sleeps_until = until;
	loop->awake = busy;
	dist_unlock(&loop->lock);

	if (busy)
		*ret_sleep_ns = 0;
	else if (until == DIST_NEVER)
		*ret_sleep_ns = -1;
	else
		*ret_sleep_ns = DIST_MAX(until - now_ns, 0);
	return !stop;
}

/* For a kernel, a sandbox or a tool that does not know epoll_pwait2(): to the millisecond. */
static int
loop_sleep_coarse(struct dist_loop *loop, struct epoll_event *events, int64_t sleep_ns)
{
	int64_t ms = (sleep_ns + DIST_NS_PER_MS - 1) / DIST_NS_PER_MS;

	return epoll_wait(loop->epoll_fd, events, EVENTS_MAX,
	                  sleep_ns < 0 ? -1 : (int)DIST_MIN(ms, INT32_MAX));
}

static int
loop_sleep(struct dist_loop *loop, struct epoll_event *events, int64_t sleep_ns)
{
	struct timespec time = { sleep_ns / 1000000000, sleep_ns % 1000000000 };
	int n = epoll_pwait2(loop->epoll_fd, events, EVENTS_MAX, sleep_ns < 0 ? NULL : &time,
	                     NULL);

	if (n < 0 && errno == ENOSYS)
		n = loop_sleep_coarse(loop, events, sleep_ns);
	return n;
}

static void
loop_drain_wake(struct dist_loop *loop)
{
	uint64_t count;

	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return; /* somebody's earlier wake was read with it */
}

static void *
loop_main(void *arg)
{
	struct dist_loop *loop = arg;
	struct epoll_event events[EVENTS_MAX];
	int64_t sleep_ns;

	while (loop_plan_sleep(loop, &sleep_ns)) {
		int n = loop_sleep(loop, events, sleep_ns);

		dist_lock(&loop->lock);
		loop->awake = true;
		dist_unlock(&loop->lock);
		for (int i = 0; i < n; i++) {
			struct dist_source *source = events[i].data.ptr;

			if (source) {
				/* Who armed it came before, says epoll. */
				DIST_TSAN_ACQUIRE(source);
				source->on_ready(source, events[i].events);
			} else {
				loop_drain_wake(loop);
			}
		}
		loop_run_list(loop, &loop->soon);
		loop_run_timers(loop, dist_clock_ns());
		loop_run_list(loop, &loop->tasks);
	}
	return NULL;
}
