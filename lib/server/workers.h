/*
 * The threads of a server, all equal, two more than procedures may run at once. One
 * holds the loop role (role.h), the others run queued calls or are idle; so even while
 * every procedure blocks there is one left for the loop, and one to look out for it
 * (stay.h).
 *
 * This is what they share; what they do with it is elsewhere: slots.h has the queue of
 * calls and how many may run, inline_run.h what the loop's thread runs itself, watchdog.h
 * who sees to it that this does not take long, wake.h how idle threads are woken.
 */
#ifndef DIST_SERVER_WORKERS_H
#define DIST_SERVER_WORKERS_H

#include "base/list.h"
#include "base/mutex.h"
#include "server/call.h"
#include "server/call_memory.h"
#include "server/replies.h"
#include "server/role.h"
#include "server/stay.h"

#include <pthread.h>

struct dist_inline_run;
struct dist_server;

struct dist_worker {
	struct dist_server *server;
	pthread_t thread;
	bool holds_role; /* the thread's own */
	/* What it runs inline while it holds the loop role; its own. */
	struct dist_inline_run *inline_run;
	bool handed_on;        /* ... and blocked: the role was handed on */
	struct dist_replies replies;
	uint8_t *read_scratch; /* DIST_READ_SCRATCH_SIZE bytes, to be lent to readers */
};

/* What one read takes: some hundred small calls. */
#define DIST_READ_SCRATCH_SIZE ((size_t)128 * 1024)

struct dist_workers {
	/* Set before the threads start, then read-only. */
	struct dist_server *server;
	unsigned n_slots;
	bool has_inline_slot; /* there is one */
	unsigned n_threads, n_started;
	struct dist_worker *threads;

	struct dist_role role;
	/* Taken by the role's holder alone; given back by it, or by a run that lost the
	 * role. Nobody waits for it. */
	atomic_bool inline_slot_taken;
	atomic_uint n_queued;     /* calls queued or parked; changed under the lock */
	atomic_uint n_queuing;    /* connections that have such; likewise */
	atomic_size_t queued_bytes; /* their records, and those about to be queued */
	atomic_bool watch_asleep; /* the watchdog waits for the loop to wake it */
	atomic_ulong n_inline;    /* inline runs begun; written by the role's holder */
	struct dist_call_memory memory;

	struct dist_mutex lock; /* guards all below, and each serial service's queue */
	struct dist_cond wake;    /* idle threads */
	struct dist_cond watch;   /* the watchdog */
	struct dist_list queue; /* of calls, to be run in this order */
	unsigned n_ready;   /* in @queue: without what is parked */
	unsigned n_running; /* slots taken, without the one for inline runs */
	unsigned n_idle;    /* waiting for @wake */
	unsigned n_waking;  /* of these, signalled and not awake yet */
	struct dist_lookout lookout;
	bool watched;       /* a thread is the watchdog */
	unsigned n_quiet_ticks; /* of the watchdog, without an inline run */
	unsigned long n_inline_seen;
	unsigned long n_takeovers;
};

/* DIST_ENOMEM: nothing to be undone. */
enum dist_err dist_workers_init(struct dist_workers *workers,
                                struct dist_server *server, unsigned n_slots)
	DIST_MUST_CHECK;
/* DIST_ESYSTEM; those that did start serve, until the server is stopped. */
enum dist_err dist_workers_start(struct dist_workers *workers) DIST_MUST_CHECK;
/* The loop has ended, or none was started. */
void dist_workers_join(struct dist_workers *workers);
void dist_workers_fini(struct dist_workers *workers);

/* Calls that wait for a slot. Any thread. */
static inline unsigned
dist_workers_n_queued(const struct dist_workers *workers)
{
	return atomic_load_explicit(&workers->n_queued, memory_order_relaxed);
}

/* By any of the threads: run a call that was taken from the queue, and answer it. */
void dist_worker_run(struct dist_worker *self, struct dist_server_call *call);

/* stay.c: look out until something happens; the lock is dropped meanwhile. True: this
 * thread holds the loop role now. */
bool dist_stay_look_out_locked(struct dist_workers *workers)
	DIST_REQUIRES(&workers->lock);

/* The server stops, and the loop's work is done: all threads end. */
void dist_workers_end(struct dist_workers *workers);

#endif
