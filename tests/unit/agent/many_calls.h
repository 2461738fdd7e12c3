/*
 * Small calls by the tens of thousands, in every way there is to make them, with no more
 * in flight than were asked for and each result checked.
 */
#ifndef UNIT_AGENT_MANY_CALLS_H
#define UNIT_AGENT_MANY_CALLS_H

#include "server/fixture.h"

#include <dist/dist.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define WINDOW_MAX  256
#define HELPERS_MAX 8

struct work;

/* Makes @n_calls, on the test's own thread or on a helper. */
typedef void work_fn(struct work *work, unsigned n_calls);

/* A call in flight. */
struct slot {
	struct work *work;
	struct dist_waiter *waiter;
	int number, result;
};

struct work {
	CLIENT *probe;
	struct dist_queue *queue;
	bool slow; /* by the pool, and not by whoever reads */
	atomic_uint n_failed;
	_Atomic int64_t went_on_ns; /* when a call ended */
	atomic_bool stood_still;    /* none did for a second, or a heartbeat was lost */

	unsigned window; /* calls in flight */
	struct slot slots[WINDOW_MAX];
	/* Those that are not used, where calls end in any order. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned n_free;
	struct slot *free[WINDOW_MAX];

	/* Threads that do their part of each run. */
	unsigned n_helpers;
	work_fn *help;
	unsigned n_to_help; /* calls; 0: they end */
	pthread_t helpers[HELPERS_MAX];
	pthread_barrier_t begin, end;
};

/* @work->window slots, with nothing in flight. */
void work_reset(struct work *work);
/* A call has ended, or there is none. */
void work_go_on(struct work *work);
/* Its call, which was started, has ended well. */
void slot_wait(struct slot *slot);

/* --- Ways to make many -------------------------------------------------------- */

work_fn call_one_by_one, call_with_wide_arguments;
work_fn wait_in_order, wait_for_all, wait_for_any;
/* The first two are for two threads. */
work_fn fill_the_queue, empty_the_queue, use_a_queue;
work_fn be_called_back;
/* Calls that the procedure leaves to the other one to answer. */
work_fn call_deferred, answer_deferred;

/* --- Helpers ------------------------------------------------------------------ */

/* From now on @n threads do @help in each run. */
void work_help(struct work *work, work_fn *help, unsigned n);
void work_help_no_more(struct work *work);

/* By this thread, unless @make is NULL, and by those that help. */
void work_run(struct work *work, work_fn *make, unsigned n_calls);

#endif
