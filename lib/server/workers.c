#include "server/workers.h"

#include "base/blocking.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/core.h"
#include "server/reply.h"
#include "server/xprt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define WATCH_TICK_NS INT64_C(1000000)
/* Ticks without an inline run, after which the watchdog sleeps. */
#define WATCH_QUIET_TICKS 100

static __thread struct dist_worker *this_worker;

/* --- Waking --------------------------------------------------------------------- */

/* Whom to wake, decided under the lock, done without it. */
struct wake {
	unsigned n_idle;
	bool watchdog;
};

/* So that @n_wanted threads come to look, as far as there are idle ones. The watchdog
 * is the last: its place would have to be taken by another. */
static struct wake
workers_wake_locked(struct dist_workers *workers, unsigned n_wanted)
	DIST_REQUIRES(&workers->lock)
{
	struct wake wake = { 0 };

	if (n_wanted <= workers->n_waking)
		return wake;
	n_wanted -= workers->n_waking;
	wake.n_idle = DIST_MIN(n_wanted, workers->n_idle - workers->n_waking);
	workers->n_waking += wake.n_idle;
	wake.watchdog = n_wanted > wake.n_idle && workers->watched;
	return wake;
}

static void
workers_wake(struct dist_workers *workers, struct wake wake)
{
	while (wake.n_idle-- > 0)
		pthread_cond_signal(&workers->wake);
	if (wake.watchdog)
		pthread_cond_signal(&workers->watch);
}

/* For the queued calls that have slots to run in. */
static struct wake
workers_wake_for_calls_locked(struct dist_workers *workers)
	DIST_REQUIRES(&workers->lock)
{
	unsigned n_free = workers->n_slots - workers->n_running;

	return workers_wake_locked(workers, DIST_MIN(workers->n_ready, n_free));
}

/* --- The queue ------------------------------------------------------------------ */

static void
workers_enqueue_locked(struct dist_workers *workers, struct dist_server_call *call)
	DIST_REQUIRES(&workers->lock)
{
	dist_list_append(&workers->queue, &call->link);
	workers->n_ready++;
}

void
dist_workers_publish(struct dist_workers *workers, struct dist_list *calls,
                     unsigned n_calls)
{
	struct dist_list *link;
	struct wake wake;

	dist_lock(&workers->lock);
	while ((link = dist_list_pop(calls))) {
		struct dist_server_call *call =
			DIST_CONTAINER_OF(link, struct dist_server_call, link);
		struct dist_served *served = call->served;

		if (served->serial && served->busy) {
			dist_list_append(&served->parked, &call->link);
			continue;
		}
		served->busy = served->serial;
		workers_enqueue_locked(workers, call);
	}
	atomic_fetch_add_explicit(&workers->n_queued, n_calls, memory_order_relaxed);
	wake = workers_wake_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	workers_wake(workers, wake);
}

/* The next call that may run, in a slot of its own; NULL: none. */
static struct dist_server_call *
workers_take_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	struct dist_server_call *call;
	struct dist_list *link;

	if (workers->n_running >= workers->n_slots)
		return NULL;
	link = dist_list_pop(&workers->queue);
	if (!link)
		return NULL;
	workers->n_ready--;
	workers->n_running++;
	call = DIST_CONTAINER_OF(link, struct dist_server_call, link);
	atomic_fetch_sub_explicit(&workers->n_queued, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&workers->queued_bytes, call->record_bytes,
	                          memory_order_relaxed);
	return call;
}

/* A call of @served is over: the next one that was parked may run. */
static void
workers_release_serial_locked(struct dist_workers *workers, struct dist_served *served)
	DIST_REQUIRES(&workers->lock)
{
	struct dist_list *link;

	if (!served->serial)
		return;
	link = dist_list_pop(&served->parked);
	if (link)
		workers_enqueue_locked(
			workers,
			DIST_CONTAINER_OF(link, struct dist_server_call, link));
	else
		served->busy = false;
}

/* --- Slots ---------------------------------------------------------------------- */

bool
dist_workers_take_slot(struct dist_workers *workers)
{
	bool taken;

	dist_lock(&workers->lock);
	/* What is queued came first, and would starve. */
	taken = workers->n_running + workers->n_ready < workers->n_slots;
	workers->n_running += taken;
	dist_unlock(&workers->lock);
	return taken;
}

void
dist_workers_give_slot(struct dist_workers *workers)
{
	struct wake wake;

	dist_lock(&workers->lock);
	workers->n_running--;
	wake = workers_wake_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	workers_wake(workers, wake);
}

bool
dist_workers_take_serial(struct dist_workers *workers, struct dist_served *served)
{
	bool taken;

	dist_lock(&workers->lock);
	taken = !served->busy;
	served->busy = true;
	dist_unlock(&workers->lock);
	return taken;
}

/* --- Inline runs ---------------------------------------------------------------- */

void
dist_workers_begin_inline(struct dist_worker *self, struct dist_inline_run *run,
                          int64_t now_ns)
{
	struct dist_workers *workers = &self->server->workers;

	self->server->loop.inline_run = run;
	self->inline_run = run;
	self->handed_on = false;
	atomic_store_explicit(
		&workers->n_inline,
		1 + atomic_load_explicit(&workers->n_inline, memory_order_relaxed),
		memory_order_relaxed);
	run->word = dist_role_begin_inline(&workers->role, now_ns);
	if (!atomic_load(&workers->watch_asleep))
		return;
	dist_lock(&workers->lock);
	pthread_cond_signal(&workers->watch);
	dist_unlock(&workers->lock);
}

/*
 * Take the role from the inline run that @word is about. What the run goes on using is
 * made its own before its thread can come back: that needs the lock, held here.
 */
static bool
workers_take_role_locked(struct dist_workers *workers, uint64_t word)
	DIST_REQUIRES(&workers->lock)
{
	struct dist_server_loop *loop = &workers->server->loop;
	struct dist_inline_run *run;

	if (!dist_role_take_away(&workers->role, word))
		return false;
	run = loop->inline_run;
	loop->inline_run = NULL;
	run->has_slot = loop->has_slot;
	loop->has_slot = false;
	dist_server_call_adopt(run->call);
	workers->n_takeovers++;
	return true;
}

/* A run that lost the role is over. */
static void
workers_end_lost_run(struct dist_workers *workers, struct dist_inline_run *run)
{
	struct wake wake;

	dist_server_conn_flush(run->call->conn);
	dist_lock(&workers->lock);
	if (run->has_slot)
		workers->n_running--;
	workers_release_serial_locked(workers, run->call->served);
	wake = workers_wake_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	workers_wake(workers, wake);
	dist_server_call_disown(run->call);
}

bool
dist_workers_end_inline(struct dist_worker *self, struct dist_inline_run *run)
{
	struct dist_workers *workers = &self->server->workers;

	self->inline_run = NULL;
	if (!dist_role_end_inline(&workers->role, run->word)) {
		/* Whoever took it holds the lock until the call is adopted. */
		dist_lock(&workers->lock);
		dist_unlock(&workers->lock);
		workers_end_lost_run(workers, run);
		return false;
	}
	self->server->loop.inline_run = NULL;
	if (run->call->served->serial) {
		struct wake wake;

		dist_lock(&workers->lock);
		workers_release_serial_locked(workers, run->call->served);
		wake = workers_wake_for_calls_locked(workers);
		dist_unlock(&workers->lock);
		workers_wake(workers, wake);
	}
	return true;
}

/* A procedure that runs inline is about to block: the loop must not wait for it. */
static void
worker_on_block(void)
{
	struct dist_worker *self = this_worker;
	struct dist_workers *workers = &self->server->workers;
	struct wake wake = { 0 };

	if (!self->inline_run || self->handed_on)
		return;
	self->handed_on = true;
	dist_lock(&workers->lock);
	if (workers_take_role_locked(workers, self->inline_run->word)) {
		dist_role_free(&workers->role);
		wake = workers_wake_locked(workers, workers->n_waking + 1);
	}
	dist_unlock(&workers->lock);
	workers_wake(workers, wake);
}

/* --- Waiting -------------------------------------------------------------------- */

/* Whether an inline run is stuck: then this thread holds the role. */
static bool
watch_overdue_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	uint64_t word = atomic_load(&workers->role.word);
	int64_t since;

	if (dist_role_state_of(word) != DIST_ROLE_INLINE)
		return false;
	since = atomic_load_explicit(&workers->role.inline_since_ns,
	                             memory_order_relaxed);
	return dist_clock_ns() - since >= DIST_PACE_LONG_NS &&
	       workers_take_role_locked(workers, word);
}

static void
watch_count_tick_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	unsigned long n =
		atomic_load_explicit(&workers->n_inline, memory_order_relaxed);

	if (n == workers->n_inline_seen)
		workers->n_quiet_ticks++;
	else
		workers->n_quiet_ticks = 0;
	workers->n_inline_seen = n;
}

static void
watch_tick_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	int64_t until = dist_clock_ns() + WATCH_TICK_NS;
	struct timespec at = { until / 1000000000, until % 1000000000 };

	pthread_cond_timedwait(&workers->watch, &workers->lock.mutex, &at);
	watch_count_tick_locked(workers);
}

/* Sleep until somebody wakes the watchdog, unless something runs inline just now. */
static void
watch_sleep_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	atomic_store(&workers->watch_asleep, true);
	if (dist_role_state(&workers->role) != DIST_ROLE_INLINE)
		pthread_cond_wait(&workers->watch, &workers->lock.mutex);
	atomic_store(&workers->watch_asleep, false);
	workers->n_quiet_ticks = 0;
}

/* Be the watchdog for a moment. */
static void
worker_watch_locked(struct dist_workers *workers, struct dist_worker *self)
	DIST_REQUIRES(&workers->lock)
{
	struct wake wake;

	workers->watched = true;
	if (workers->n_quiet_ticks < WATCH_QUIET_TICKS)
		watch_tick_locked(workers);
	else
		watch_sleep_locked(workers);
	workers->watched = false;

	self->holds_role = watch_overdue_locked(workers);
	if (self->holds_role) {
		/* Another one must watch. */
		wake = workers_wake_locked(workers, workers->n_waking + 1);
		workers_wake(workers, wake);
	}
}

static void
worker_wait_locked(struct dist_workers *workers, struct dist_worker *self)
	DIST_REQUIRES(&workers->lock)
{
	if (!workers->watched) {
		worker_watch_locked(workers, self);
		return;
	}
	workers->n_idle++;
	pthread_cond_wait(&workers->wake, &workers->lock.mutex);
	workers->n_idle--;
	if (workers->n_waking > 0)
		workers->n_waking--;
}

/* --- A worker ------------------------------------------------------------------- */

static void
worker_refuse(struct dist_server_call *call, enum dist_call_fate fate)
{
	struct dist_server *server = call->conn->server;
	struct dist_reply_to to = { call->conn, call->header.xid, call->header.has_meta,
		                    dist_workers_n_queued(&server->workers) };

	if (fate == DIST_CALL_STOPPED) {
		dist_server_count(server, refused_draining);
		dist_reply_not_run(&to, DIST_NOT_RUN_DRAINING);
		return;
	}
	if (fate == DIST_CALL_BUSY) {
		dist_server_count(server, refused_busy);
		dist_reply_not_run(&to, DIST_NOT_RUN_BUSY);
		return;
	}
	if (fate == DIST_CALL_CANCELLED)
		dist_server_count(server, calls_cancelled);
	else
		dist_server_count(server, calls_unwanted);
	/* Nobody waits, but the caller keeps its xid back until a reply comes. */
	dist_reply_not_run(&to, DIST_NOT_RUN_CANCELLED);
}

static void
worker_run(struct dist_worker *self, struct dist_server_call *call)
{
	struct dist_workers *workers = &self->server->workers;
	enum dist_call_fate fate = dist_server_call_fate(call);
	struct wake wake = { 0 };
	unsigned n_wanted;
	int64_t began;

	if (fate == DIST_CALL_RUNS) {
		began = dist_clock_ns();
		dist_server_count(self->server, calls_pooled);
		dist_xprt_run(call, self->reply_scratch);
		dist_pace_note(call->pace, dist_clock_ns() - began);
	} else {
		worker_refuse(call, fate);
	}
	dist_server_conn_flush(call->conn);

	dist_lock(&workers->lock);
	workers->n_running--;
	workers_release_serial_locked(workers, call->served);
	/* This thread takes one call itself. */
	n_wanted = DIST_MIN(workers->n_ready, workers->n_slots - workers->n_running);
	if (n_wanted > 1)
		wake = workers_wake_locked(workers, n_wanted - 1);
	dist_unlock(&workers->lock);
	workers_wake(workers, wake);
	dist_server_call_free(call);
}

/* One step of a worker: be the loop, run a call, or wait. False: it ends. */
static bool
worker_step(struct dist_worker *self)
{
	struct dist_workers *workers = &self->server->workers;
	struct dist_server_call *call;

	if (self->holds_role || dist_role_take_free(&workers->role)) {
		self->holds_role = false;
		dist_server_loop_run(self->server, self);
	}
	dist_lock(&workers->lock);
	call = workers_take_locked(workers);
	if (!call && dist_role_state(&workers->role) == DIST_ROLE_ENDED) {
		dist_unlock(&workers->lock);
		return false;
	}
	if (!call && dist_role_state(&workers->role) != DIST_ROLE_FREE)
		worker_wait_locked(workers, self);
	dist_unlock(&workers->lock);
	if (call)
		worker_run(self, call);
	return true;
}

static void *
worker_main(void *arg)
{
	struct dist_worker *self = arg;
	char name[16];

	snprintf(name, sizeof(name), "dist-%s", self->server->name);
	pthread_setname_np(pthread_self(), name);
	this_worker = self;
	dist_thread_block_hook = worker_on_block;
	while (worker_step(self))
		;
	return NULL;
}

void
dist_workers_end(struct dist_workers *workers)
{
	dist_lock(&workers->lock);
	dist_role_end(&workers->role);
	pthread_cond_broadcast(&workers->wake);
	pthread_cond_broadcast(&workers->watch);
	dist_unlock(&workers->lock);
}

/* --- From birth to death -------------------------------------------------------- */

static enum dist_err
workers_allocate(struct dist_workers *workers)
{
	workers->threads = calloc(workers->n_threads, sizeof(*workers->threads));
	if (!workers->threads)
		return dist_error_set_plain(DIST_ENOMEM);
	for (unsigned i = 0; i < workers->n_threads; i++) {
		struct dist_worker *worker = &workers->threads[i];

		worker->server = workers->server;
		worker->reply_scratch = malloc(DIST_XPRT_SCRATCH_SIZE);
		worker->read_scratch = malloc(DIST_READ_SCRATCH_SIZE);
		if (!worker->reply_scratch || !worker->read_scratch)
			return dist_error_set_plain(DIST_ENOMEM);
	}
	return DIST_OK;
}

static void
workers_free_threads(struct dist_workers *workers)
{
	for (unsigned i = 0; workers->threads && i < workers->n_threads; i++) {
		free(workers->threads[i].reply_scratch);
		free(workers->threads[i].read_scratch);
	}
	free(workers->threads);
	workers->threads = NULL;
}

enum dist_err
dist_workers_init(struct dist_workers *workers, struct dist_server *server,
                  unsigned n_slots)
{
	pthread_condattr_t attr;
	enum dist_err err;

	workers->server = server;
	workers->n_slots = n_slots;
	workers->n_threads = n_slots + 1;
	err = workers_allocate(workers);
	if (err) {
		workers_free_threads(workers);
		return err;
	}
	dist_role_init(&workers->role);
	dist_mutex_init(&workers->lock, DIST_RANK_SERVER);
	dist_list_init(&workers->queue);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&workers->wake, &attr);
	pthread_cond_init(&workers->watch, &attr);
	pthread_condattr_destroy(&attr);
	return DIST_OK;
}

/* All signals are the program's: none is ever handled on our threads. */
static int
worker_start(struct dist_worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

enum dist_err
dist_workers_start(struct dist_workers *workers)
{
	int error;

	while (workers->n_started < workers->n_threads) {
		error = worker_start(&workers->threads[workers->n_started]);
		if (error) {
			return dist_error_set_errno(
				DIST_ESYSTEM, error,
				"thread %u of the %u that were asked for cannot be "
				"started; ask for fewer workers",
				workers->n_started + 1, workers->n_threads);
		}
		workers->n_started++;
	}
	return DIST_OK;
}

void
dist_workers_join(struct dist_workers *workers)
{
	for (unsigned i = 0; i < workers->n_started; i++)
		pthread_join(workers->threads[i].thread, NULL);
}

void
dist_workers_fini(struct dist_workers *workers)
{
	workers_free_threads(workers);
	pthread_cond_destroy(&workers->wake);
	pthread_cond_destroy(&workers->watch);
	dist_mutex_fini(&workers->lock);
}
