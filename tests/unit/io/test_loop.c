/* A loop: its timers, its tasks, and descriptors that are told of once. */
#include "support/check.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "io/loop.h"
#include "unit/io/held_loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS DIST_NS_PER_MS

struct alarm {
	struct dist_timer timer;
	int64_t ran_ns;
	unsigned order; /* in which it ran, from 1 */
	sem_t *ran;
};

static atomic_uint n_ran;

static struct dist_loop *
start(void)
{
	struct dist_loop *loop;

	atomic_store(&n_ran, 0);
	assert_ok(dist_loop_start(&loop, "dist-test"));
	return loop;
}

static void
stop(struct dist_loop *loop)
{
	dist_loop_stop(loop);
	dist_loop_free(loop);
}

static void
on_alarm(struct dist_timer *timer)
{
	struct alarm *alarm = DIST_CONTAINER_OF(timer, struct alarm, timer);

	alarm->ran_ns = dist_clock_ns();
	alarm->order = atomic_fetch_add(&n_ran, 1) + 1;
	if (alarm->ran)
		sem_post(alarm->ran);
}

static void
alarm_init(struct alarm *alarm, sem_t *ran)
{
	*alarm = (struct alarm){ .ran = ran };
	dist_timer_init(&alarm->timer, on_alarm);
}

/* None runs before all are set, however long this thread is kept from it. */
static void
test_timers_run_in_order_and_none_too_early(void **state)
{
	static const int at_ms[] = { 60, 5, 200, 30, 90, 0, 130, 31 };
	enum { N = sizeof(at_ms) / sizeof(at_ms[0]) };
	struct alarm alarms[N];
	struct dist_loop *loop = start();
	struct held_loop held;
	int64_t now_ns;
	sem_t ran;
	(void)state;

	sem_init(&ran, 0, 0);
	hold_loop(&held, loop);
	now_ns = dist_clock_ns();
	for (unsigned i = 0; i < N; i++) {
		alarm_init(&alarms[i], &ran);
		assert_true(dist_loop_timer_set(loop, &alarms[i].timer,
		                                now_ns + at_ms[i] * MS));
	}
	let_loop_go(&held);
	for (unsigned i = 0; i < N; i++)
		sem_wait(&ran);
	stop(loop);
	for (unsigned i = 0; i < N; i++) {
		assert_true(alarms[i].ran_ns >= now_ns + at_ms[i] * MS);
		for (unsigned j = 0; j < N; j++) {
			if (at_ms[i] * MS + DIST_TIMER_GRAIN_NS < at_ms[j] * MS)
				assert_true(alarms[i].order < alarms[j].order);
		}
	}
	sem_destroy(&ran);
}

/* One turn of the wheel is some four seconds: these share their slots with near ones. */
static void
test_a_far_timer_does_not_run_a_turn_early(void **state)
{
	const int64_t turn_ns = 1024 * DIST_TIMER_GRAIN_NS;
	struct alarm near, far, never;
	struct dist_loop *loop = start();
	int64_t at_ns = dist_clock_ns() + 40 * MS;
	sem_t ran;
	(void)state;

	sem_init(&ran, 0, 0);
	alarm_init(&near, &ran);
	alarm_init(&far, &ran);
	alarm_init(&never, &ran);
	dist_loop_timer_set(loop, &far.timer, at_ns + turn_ns);
	dist_loop_timer_set(loop, &never.timer, at_ns + 1000 * turn_ns);
	dist_loop_timer_set(loop, &near.timer, at_ns);
	sem_wait(&ran);
	assert_int_equal(near.order, 1);
	sem_wait(&ran);
	assert_int_equal(far.order, 2);
	assert_true(far.ran_ns >= at_ns + turn_ns);
	assert_true(dist_loop_timer_cancel(loop, &never.timer));
	stop(loop);
	assert_int_equal(never.order, 0);
	sem_destroy(&ran);
}

struct long_task {
	struct dist_task task;
	struct dist_loop *loop;
	struct alarm *alarm;
};

/* Sets a timer, and goes on for some slots of the wheel beyond it. */
static void
on_long_task(struct dist_task *task)
{
	struct long_task *self = DIST_CONTAINER_OF(task, struct long_task, task);
	int64_t at_ns = dist_clock_ns() + DIST_TIMER_GRAIN_NS;

	dist_loop_timer_set(self->loop, &self->alarm->timer, at_ns);
	while (dist_clock_ns() < at_ns + 3 * DIST_TIMER_GRAIN_NS)
		;
}

/* One that was passed over would wait for the next, which is not waited for here. */
static void
test_a_timer_that_becomes_due_while_a_task_runs_is_not_passed_over(void **state)
{
	struct dist_loop *loop = start();
	struct alarm near, far;
	int64_t far_ns = dist_clock_ns() + 30000 * MS;
	struct long_task task = {
		.task.run = on_long_task,
		.loop = loop,
		.alarm = &near,
	};
	sem_t ran;
	(void)state;

	sem_init(&ran, 0, 0);
	alarm_init(&near, &ran);
	alarm_init(&far, &ran);
	dist_loop_timer_set(loop, &far.timer, far_ns);
	dist_loop_post(loop, &task.task);
	sem_wait(&ran);
	assert_true(dist_loop_timer_cancel(loop, &far.timer));
	stop(loop);
	assert_int_equal(near.order, 1);
	sem_destroy(&ran);
}

static void
test_a_timer_cancelled_does_not_run_and_one_set_anew_runs_once(void **state)
{
	struct alarm cancelled, moved;
	struct dist_loop *loop = start();
	int64_t now_ns = dist_clock_ns();
	sem_t ran;
	(void)state;

	sem_init(&ran, 0, 0);
	alarm_init(&cancelled, &ran);
	alarm_init(&moved, &ran);
	assert_false(dist_loop_timer_cancel(loop, &cancelled.timer));
	dist_loop_timer_set(loop, &cancelled.timer, now_ns + 3600 * 1000 * MS);
	dist_loop_timer_set(loop, &moved.timer, now_ns + 3600 * 1000 * MS);
	dist_loop_timer_set(loop, &moved.timer, now_ns + 20 * MS);
	assert_true(dist_loop_timer_cancel(loop, &cancelled.timer));
	assert_false(dist_loop_timer_cancel(loop, &cancelled.timer));
	sem_wait(&ran);
	assert_false(dist_loop_timer_cancel(loop, &moved.timer));
	stop(loop);
	assert_int_equal(atomic_load(&n_ran), 1);
	assert_int_equal(moved.order, 1);
	sem_destroy(&ran);
}

/* Each holds something of its owner's, which waits for it to be let go. */
static void
test_stopping_runs_what_is_set_and_refuses_the_rest(void **state)
{
	struct alarm alarms[100], late;
	struct dist_loop *loop = start();
	(void)state;

	for (unsigned i = 0; i < 100; i++) {
		alarm_init(&alarms[i], NULL);
		dist_loop_timer_set(loop, &alarms[i].timer,
		                    dist_clock_ns() + (i + 1) * 3600 * 1000 * MS);
	}
	alarm_init(&late, NULL);
	dist_loop_stop(loop);
	assert_int_equal(atomic_load(&n_ran), 100);
	assert_false(dist_loop_timer_set(loop, &late.timer, 0));
	assert_false(dist_loop_timer_cancel(loop, &late.timer));
	dist_loop_free(loop);
	assert_int_equal(late.order, 0);
}

/* --- Tasks --------------------------------------------------------------------------- */

struct chore {
	struct dist_task task;
	struct dist_loop *loop;
	unsigned n_left; /* to be posted again */
	bool soon;
	bool on_loop;
	sem_t *ran;
};

static void
chore_post(struct chore *chore)
{
	if (chore->soon)
		dist_loop_post_soon(chore->loop, &chore->task);
	else
		dist_loop_post(chore->loop, &chore->task);
}

static void
on_chore(struct dist_task *task)
{
	struct chore *chore = DIST_CONTAINER_OF(task, struct chore, task);

	atomic_fetch_add(&n_ran, 1);
	chore->on_loop = dist_loop_is_current(chore->loop);
	if (chore->n_left) {
		chore->n_left--;
		chore_post(chore);
	} else if (chore->ran) {
		sem_post(chore->ran);
	}
}

static void
run_chores(bool soon)
{
	struct dist_loop *loop = start();
	struct chore chores[8];
	sem_t ran;

	sem_init(&ran, 0, 0);
	for (unsigned i = 0; i < 8; i++) {
		chores[i] = (struct chore){ { .run = on_chore }, loop, 50, soon, false,
			                    &ran };
		chore_post(&chores[i]);
	}
	for (unsigned i = 0; i < 8; i++)
		sem_wait(&ran);
	for (unsigned i = 0; i < 8; i++)
		assert_true(chores[i].on_loop);
	assert_int_equal(atomic_load(&n_ran), 8 * 51);
	assert_false(dist_loop_is_current(loop));
	sem_destroy(&ran);
	stop(loop);
}

static void
test_tasks_run_on_the_loop_and_may_post_themselves_again(void **state)
{
	(void)state;
	run_chores(false);
	run_chores(true);
}

/* The loop ticks after the first, then sleeps: the next must wake it whenever it comes. */
static void
test_a_task_due_soon_runs_soon_after_any_pause(void **state)
{
	struct dist_loop *loop = start();
	struct timespec pause = { 0, 0 };
	struct chore chore;
	sem_t ran;
	(void)state;

	sem_init(&ran, 0, 0);
	for (unsigned i = 0; i < 60; i++) {
		chore = (struct chore){ { .run = on_chore }, loop, 0, true, false, &ran };
		chore_post(&chore);
		sem_wait(&ran);
		pause.tv_nsec = i * 80000; /* through the time in which it goes to sleep */
		nanosleep(&pause, NULL);
	}
	assert_int_equal(atomic_load(&n_ran), 60);
	sem_destroy(&ran);
	stop(loop);
}

/* What was posted before the stop runs, although nobody waits for it. */
static void
test_stopping_runs_what_was_posted(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct dist_loop *loop = start();
		struct chore chores[2];

		for (unsigned i = 0; i < 2; i++) {
			chores[i] = (struct chore){ .task = { .run = on_chore },
				                    .loop = loop,
				                    .soon = i == 0 };
			chore_post(&chores[i]);
		}
		stop(loop);
		assert_int_equal(atomic_load(&n_ran), 2);
	}
}

/* --- Descriptors --------------------------------------------------------------------- */

struct watched {
	struct dist_source source;
	struct chore removal;
	atomic_uint n_told;
	uint32_t events;
	sem_t told;
};

static void
on_ready(struct dist_source *source, uint32_t events)
{
	struct watched *watched = DIST_CONTAINER_OF(source, struct watched, source);

	watched->events = events;
	atomic_fetch_add(&watched->n_told, 1);
	sem_post(&watched->told);
}

static void
on_removal(struct dist_task *task)
{
	struct chore *chore = DIST_CONTAINER_OF(task, struct chore, task);
	struct watched *watched = DIST_CONTAINER_OF(chore, struct watched, removal);

	dist_loop_remove(chore->loop, &watched->source);
	sem_post(chore->ran);
}

/* Two rounds of the loop: what it was to tell it has told by then. */
static void
pass_rounds(struct dist_loop *loop)
{
	struct chore chore = { { .run = on_chore }, loop, 2, false, false, NULL };
	sem_t ran;

	sem_init(&ran, 0, 0);
	chore.ran = &ran;
	chore_post(&chore);
	sem_wait(&ran);
	sem_destroy(&ran);
}

static void
test_a_descriptor_is_told_of_once_each_time_it_is_armed(void **state)
{
	struct dist_loop *loop = start();
	struct watched watched = { .source = { eventfd(1, EFD_CLOEXEC), on_ready } };
	(void)state;

	sem_init(&watched.told, 0, 0);
	assert_ok(dist_loop_add(loop, &watched.source));
	pass_rounds(loop);
	assert_int_equal(atomic_load(&watched.n_told), 0); /* readable, but not armed */
	for (unsigned i = 1; i <= 3; i++) {
		dist_loop_arm(loop, &watched.source, EPOLLIN);
		sem_wait(&watched.told);
		pass_rounds(loop);
		assert_int_equal(atomic_load(&watched.n_told), i);
		assert_int_equal(watched.events, EPOLLIN);
	}
	dist_loop_arm(loop, &watched.source, 0);
	watched.removal = (struct chore){ { .run = on_removal }, loop, 0, false, false,
		                          &watched.told };
	dist_loop_post(loop, &watched.removal.task);
	sem_wait(&watched.told);
	assert_int_equal(atomic_load(&watched.n_told), 3);
	stop(loop);
	close(watched.source.fd);
	sem_destroy(&watched.told);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_timers_run_in_order_and_none_too_early),
	cmocka_unit_test(test_a_far_timer_does_not_run_a_turn_early),
	cmocka_unit_test(
		test_a_timer_that_becomes_due_while_a_task_runs_is_not_passed_over),
	cmocka_unit_test(test_a_timer_cancelled_does_not_run_and_one_set_anew_runs_once),
	cmocka_unit_test(test_stopping_runs_what_is_set_and_refuses_the_rest),
	cmocka_unit_test(test_tasks_run_on_the_loop_and_may_post_themselves_again),
	cmocka_unit_test(test_a_task_due_soon_runs_soon_after_any_pause),
	cmocka_unit_test(test_stopping_runs_what_was_posted),
	cmocka_unit_test(test_a_descriptor_is_told_of_once_each_time_it_is_armed),
};

CHECK_MAIN(tests)
