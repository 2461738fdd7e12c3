/*
 * A loop: one thread that waits for descriptors to become ready, runs tasks that others
 * post, and keeps timers.
 *
 * Descriptors are armed one-shot, by any thread: each readiness is told once, then the
 * descriptor is silent until it is armed again. So a caller's thread can take a
 * descriptor over for a while and leave the loop out of it.
 */
#ifndef DIST_IO_LOOP_H
#define DIST_IO_LOOP_H

#include "base/list.h"

#include <dist/error.h>
#include <stdbool.h>
#include <stdint.h>

struct dist_loop;

/* A descriptor in a loop, inside its owner. */
struct dist_source {
	int fd;
	/* On the loop's thread; @events as epoll_wait(2) gave them. */
	void (*on_ready)(struct dist_source *source, uint32_t events);
};

/* Something to run on the loop's thread, inside its owner; posted once at a time. */
struct dist_task {
	struct dist_list link;
	void (*run)(struct dist_task *task);
};

/* A point in time at which to run something on the loop's thread, inside its owner. */
struct dist_timer {
	struct dist_list link;
	int64_t at_ns; /* on dist_clock_ns(); runs up to DIST_TIMER_GRAIN_NS later */
	unsigned slot;
	void (*run)(struct dist_timer *timer);
};

#define DIST_TIMER_GRAIN_NS INT64_C(4000000)

/* dist_loop_post_soon() runs its task within this. */
#define DIST_SOON_NS INT64_C(100000)
/* dist_loop_post_later() within this. */
#define DIST_LATER_NS INT64_C(500000)

/* Given: dist_loop_stop(), then dist_loop_free() it. DIST_ENOMEM, DIST_ESYSTEM. */
enum dist_err dist_loop_start(struct dist_loop **ret_loop, const char *thread_name)
	DIST_MUST_CHECK;

/*
 * Join its thread: tasks that are posted run first, then timers that are still set, early,
 * and their owners see from their own state that it is over. Not from the loop's thread.
 * What is posted or set later never runs.
 */
void dist_loop_stop(struct dist_loop *loop);

/* A loop that was stopped. Nobody has it any more. */
void dist_loop_free(struct dist_loop *loop);

bool dist_loop_is_current(const struct dist_loop *loop);

/* Take a descriptor in, disarmed. DIST_ESYSTEM. Any thread. */
enum dist_err dist_loop_add(struct dist_loop *loop, struct dist_source *source)
	DIST_MUST_CHECK;

/* Arm for @events, or disarm with 0; replaces what was armed. Any thread. */
void dist_loop_arm(struct dist_loop *loop, struct dist_source *source, uint32_t events);

/* Take it out; on_ready does not run afterwards. From a task of the loop, not on_ready. */
void dist_loop_remove(struct dist_loop *loop, struct dist_source *source);

/* Run @task on the loop's thread, after the events at hand. Any thread. */
void dist_loop_post(struct dist_loop *loop, struct dist_task *task);

/*
 * The same within DIST_SOON_NS. A loop that had such a task lately ticks, so that a
 * stream of them costs no wake-up each.
 */
void dist_loop_post_soon(struct dist_loop *loop, struct dist_task *task);

/*
 * The same within DIST_LATER_NS, for what is only to be looked at now and then. From a
 * task of the loop.
 */
void dist_loop_post_later(struct dist_loop *loop, struct dist_task *task);

void dist_timer_init(struct dist_timer *timer, void (*run)(struct dist_timer *timer));

/* Set, or set anew, to run at @at_ns. Any thread. False: the loop was stopped, it will not
 * run. */
bool dist_loop_timer_set(struct dist_loop *loop, struct dist_timer *timer, int64_t at_ns);

/* True: it was set and will not run. False: it was not, or it runs or has run. */
bool dist_loop_timer_cancel(struct dist_loop *loop, struct dist_timer *timer);

#endif
