/*
 * The load: threads that keep calls in flight from now until the end, each with a
 * window of its own.
 *
 * Without --rate a call starts as soon as another one has ended (a closed loop). With
 * it calls have times at which they are due, whatever became of those before them (an
 * open loop); latency counts from there, so that a stall shows in each call that it
 * held up and not in one alone.
 */
#ifndef DISTBENCH_LOAD_H
#define DISTBENCH_LOAD_H

#include "distbench/config.h"
#include "measure/clock.h"
#include "measure/tally.h"
#include "distbench/work.h"

struct load {
	/* Read-only while the threads run. */
	const struct config *config;
	const struct work *work;
	/* What counts lies between them. With --calls the end is known afterwards. */
	int64_t begin_ns, end_ns;

	struct caller *callers;
	size_t n_callers;
	size_t n_joined;
};

/* One thread of it. */
struct caller {
	const struct load *load;
	size_t index;
	CLIENT *client;
	pthread_t thread;
	struct tally tally; /* the thread's alone until it is joined */
};

/*
 * Start the threads, thread i on CLIENT i modulo @n_clients. False: there is no memory
 * or no thread to be had; load_join() in any case.
 */
bool load_start(struct load *load, const struct config *config, const struct work *work,
                CLIENT *const *clients, size_t n_clients);

/* Wait until no more calls are to start; with --calls, until all have ended. */
void load_wait_end(struct load *load);

/* Wait until all calls have ended; what came of them, together. */
void load_join(struct load *load, struct tally *ret_tally);

/* What one thread does: one call after the other, or a window of waiters. */
void caller_run_one(struct caller *caller);
void caller_run_window(struct caller *caller);

#endif
