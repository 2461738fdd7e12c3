/*
 * The threads of a server, all equal, one more than procedures may run at once. One
 * holds the loop role (role.h), the others run queued calls or are idle; so even while
 * every procedure blocks there is one left for the loop.
 *
 * A procedure runs in a *slot*, inline or from the queue: there are as many as workers
 * were asked for. The first idle thread is the watchdog: it looks every millisecond
 * whether an inline run has got stuck, and takes the loop over then. When nothing has
 * run inline for a while it sleeps like the others, until the loop wakes it.
 */
#ifndef DIST_SERVER_WORKERS_H
#define DIST_SERVER_WORKERS_H

#include "base/list.h"
#include "base/mutex.h"
#include "server/call.h"
#include "server/role.h"

#include <pthread.h>

struct dist_server;

/* A call that runs inline; on its thread's stack. */
struct dist_inline_run {
	struct dist_server_call *call;
	uint64_t word; /* of the role; see role.h */
	/* Guarded by the workers' lock, once the role was taken away. */
	bool has_slot;
};

struct dist_worker {
	struct dist_server *server;
	pthread_t thread;
	bool holds_role; /* the thread's own */
	/* What it runs inline while it holds the loop role; its own. */
	struct dist_inline_run *inline_run;
	bool handed_on;        /* ... and blocked: the role was handed on */
	void *reply_scratch;   /* DIST_XPRT_SCRATCH_SIZE bytes */
	uint8_t *read_scratch; /* DIST_READ_SCRATCH_SIZE bytes, to be lent to readers */
};

/* What one read takes: some hundred small calls. */
#define DIST_READ_SCRATCH_SIZE ((size_t)128 * 1024)

struct dist_workers {
	/* Set before the threads start, then read-only. */
	struct dist_server *server;
	unsigned n_slots;
	unsigned n_threads, n_started;
	struct dist_worker *threads;

	struct dist_role role;
	atomic_uint n_queued;     /* calls queued or parked; changed under the lock */
	atomic_size_t queued_bytes; /* their records, and those about to be queued */
	atomic_bool watch_asleep; /* the watchdog waits for the loop to wake it */
	atomic_ulong n_inline;    /* inline runs begun; written by the role's holder */

	struct dist_mutex lock; /* guards all below, and each serial service's queue */
	pthread_cond_t wake;    /* idle threads */
	pthread_cond_t watch;   /* the watchdog */
	struct dist_list queue; /* of calls, to be run in this order */
	unsigned n_ready;   /* in @queue: without what is parked */
	unsigned n_running; /* slots taken */
	unsigned n_idle;    /* waiting for @wake */
	unsigned n_waking;  /* of these, signalled and not awake yet */
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

/* --- For the holder of the loop role -------------------------------------------- */

/* Queue all of @calls; they are taken. */
void dist_workers_publish(struct dist_workers *workers, struct dist_list *calls,
                          unsigned n_calls);

/* A slot for inline runs; false: none is free, or queued calls want them. */
bool dist_workers_take_slot(struct dist_workers *workers);
void dist_workers_give_slot(struct dist_workers *workers);

/* A serial service is run by this thread now; false: it is busy, so queue the call. */
bool dist_workers_take_serial(struct dist_workers *workers, struct dist_served *served);

/* Around an inline run, which began at @now_ns. False: the role is lost; the call was
 * adopted, its slot given back, and the thread is a worker like others. */
void dist_workers_begin_inline(struct dist_worker *self, struct dist_inline_run *run,
                               int64_t now_ns);
bool dist_workers_end_inline(struct dist_worker *self, struct dist_inline_run *run);

/* The server stops, and the loop's work is done: all threads end. */
void dist_workers_end(struct dist_workers *workers);

#endif
