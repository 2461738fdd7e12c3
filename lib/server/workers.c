#include "server/workers.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "server/core.h"
#include "server/inline_run.h"
#include "server/reply.h"
#include "server/slots.h"
#include "server/wake.h"
#include "server/watchdog.h"
#include "server/xprt.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* --- A queued call -------------------------------------------------------------- */

static enum dist_outcome
outcome_of_fate(enum dist_call_fate fate)
{
	switch (fate) {
	case DIST_CALL_STOPPED:
		return DIST_OUTCOME_DRAINING;
	case DIST_CALL_BUSY:
		return DIST_OUTCOME_BUSY;
	case DIST_CALL_CANCELLED:
		return DIST_OUTCOME_CANCELLED;
	default:
		return DIST_OUTCOME_EXPIRED;
	}
}

static void
worker_refuse(struct dist_server_call *call, enum dist_call_fate fate)
{
	struct dist_server *server = call->conn->server;
	struct dist_reply_to to = { call->conn, call->header.xid, call->header.has_meta,
		                    dist_workers_n_queued(&server->workers) };

	dist_server_stats_over(call->counts, outcome_of_fate(fate));
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

void
dist_worker_run(struct dist_worker *self, struct dist_server_call *call)
{
	struct dist_workers *workers = &self->server->workers;
	enum dist_call_fate fate = dist_server_call_fate(call);
	struct dist_wake wake = { 0 };
	size_t n_bytes = call->header.args.length;
	struct dist_pace_run run;
	unsigned n_wanted;

	if (fate == DIST_CALL_RUNS) {
		dist_server_count(self->server, calls_pooled);
		dist_pace_run_begin(&run);
		dist_xprt_run(call, &self->replies, false);
		dist_pace_note_pooled(
			call->pace,
			dist_pace_without_bytes(dist_pace_run_end(&run), n_bytes));
		dist_server_stats_ran(call, false, run.began_ns, dist_clock_ns());
	} else {
		worker_refuse(call, fate);
	}
	dist_server_conn_flush(call->conn);
	dist_server_call_end(call);

	dist_lock(&workers->lock);
	workers->n_running--;
	dist_slots_release_serial_locked(workers, call->served);
	if (call->reusable)
		dist_call_memory_give_locked(&workers->memory, DIST_TAKE(call));
	/* This thread takes one call itself. */
	n_wanted = DIST_MIN(workers->n_ready, workers->n_slots - workers->n_running);
	if (n_wanted > 1)
		wake = dist_wake_choose_locked(workers, n_wanted - 1);
	dist_unlock(&workers->lock);
	dist_wake_do(workers, wake);
	free(call);
}

/* --- A worker ------------------------------------------------------------------- */

static void
worker_wait_locked(struct dist_workers *workers, struct dist_worker *self)
	DIST_REQUIRES(&workers->lock)
{
	struct dist_stay *stay = &self->server->loop.stay;

	if (!dist_lookout_needed(&workers->lookout, stay)) {
		if (!workers->watched) {
			dist_watchdog_watch_locked(workers, self);
			return;
		}
		workers->n_idle++;
		dist_cond_wait(&workers->wake, &workers->lock);
		workers->n_idle--;
		if (workers->n_waking > 0)
			workers->n_waking--;
	}
	if (!dist_lookout_needed(&workers->lookout, stay))
		return;
	/* It comes before queued calls, for one of which this thread may have been woken:
	 * another is woken for that. */
	dist_wake_do(workers, dist_wake_choose_for_calls_locked(workers));
	self->holds_role = dist_stay_look_out_locked(workers);
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
	call = dist_slots_take_call_locked(workers);
	if (!call && dist_role_state(&workers->role) == DIST_ROLE_ENDED) {
		dist_unlock(&workers->lock);
		return false;
	}
	if (!call && dist_role_state(&workers->role) != DIST_ROLE_FREE)
		worker_wait_locked(workers, self);
	dist_unlock(&workers->lock);
	if (call)
		dist_worker_run(self, call);
	return true;
}

static void *
worker_main(void *arg)
{
	struct dist_worker *self = arg;
	char name[16];

	snprintf(name, sizeof(name), "dist-%s", self->server->name);
	pthread_setname_np(pthread_self(), name);
	dist_inline_run_mind_blocking(self);
	while (worker_step(self))
		;
	return NULL;
}

void
dist_workers_end(struct dist_workers *workers)
{
	dist_lock(&workers->lock);
	dist_role_end(&workers->role);
	dist_cond_broadcast(&workers->wake);
	dist_cond_broadcast(&workers->watch);
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
		atomic_init(&worker->replies.length, 0);
		worker->replies.bytes = malloc(DIST_REPLIES_SIZE);
		worker->read_scratch = malloc(DIST_READ_SCRATCH_SIZE);
		if (!worker->replies.bytes || !worker->read_scratch)
			return dist_error_set_plain(DIST_ENOMEM);
	}
	return DIST_OK;
}

static void
workers_free_threads(struct dist_workers *workers)
{
	for (unsigned i = 0; workers->threads && i < workers->n_threads; i++) {
		free(workers->threads[i].replies.bytes);
		free(workers->threads[i].read_scratch);
	}
	free(workers->threads);
	workers->threads = NULL;
}

enum dist_err
dist_workers_init(struct dist_workers *workers, struct dist_server *server,
                  unsigned n_slots)
{
	enum dist_err err;

	workers->server = server;
	workers->n_slots = n_slots;
	workers->has_inline_slot = n_slots > 1;
	workers->n_threads = n_slots + workers->has_inline_slot + 2;
	workers->lookout.fd = -1;
	err = workers_allocate(workers);
	if (err) {
		workers_free_threads(workers);
		return err;
	}
	dist_role_init(&workers->role);
	dist_mutex_init(&workers->lock, DIST_RANK_SERVER);
	dist_call_memory_init(&workers->memory, &workers->lock);
	dist_list_init(&workers->queue);
	dist_cond_init(&workers->wake);
	dist_cond_init(&workers->watch);
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
	dist_call_memory_fini(&workers->memory);
	dist_mutex_fini(&workers->lock);
}
