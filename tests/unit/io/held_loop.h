/* A loop's thread, kept from its work until it is let go: what happens meanwhile is the
 * test's alone. */
#ifndef UNIT_IO_HELD_LOOP_H
#define UNIT_IO_HELD_LOOP_H

#include "base/cleanup.h"
#include "io/loop.h"

#include <semaphore.h>

struct held_loop {
	struct dist_task task;
	sem_t held, over;
};

static inline void
held_loop_run(struct dist_task *task)
{
	struct held_loop *held = DIST_CONTAINER_OF(task, struct held_loop, task);

	sem_post(&held->held);
	sem_wait(&held->over);
}

/* Returns when it is held. @held stays until the loop has ended or run a later task. */
static inline void
hold_loop(struct held_loop *held, struct dist_loop *loop)
{
	*held = (struct held_loop){ .task.run = held_loop_run };
	dist_list_init(&held->task.link);
	sem_init(&held->held, 0, 0);
	sem_init(&held->over, 0, 0);
	dist_loop_post(loop, &held->task);
	sem_wait(&held->held);
}

static inline void
let_loop_go(struct held_loop *held)
{
	sem_post(&held->over);
}

#endif
