#include "server/inline_run.h"

#include "base/blocking.h"
#include "base/clock.h"
#include "base/thread.h"
#include "server/core.h"
#include "server/slots.h"
#include "server/wake.h"

static DIST_THREAD_LOCAL struct dist_worker *this_worker;

void
dist_inline_run_begin(struct dist_worker *self, struct dist_inline_run *run,
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
	dist_cond_signal(&workers->watch);
	dist_unlock(&workers->lock);
}

bool
dist_inline_run_take_role_locked(struct dist_workers *workers, uint64_t word)
{
	struct dist_server_loop *loop = &workers->server->loop;
	struct dist_inline_run *run;

	if (!dist_role_take_away(&workers->role, word))
		return false;
	run = loop->inline_run;
	loop->inline_run = NULL;
	run->slot = loop->slot;
	loop->slot = DIST_SLOT_NONE;
	/* Without memory for them the connection is broken, and its peer knows. */
	(void)!dist_server_conn_append(run->call->conn, run->replies->bytes,
	                               dist_replies_take(run->replies), NULL);
	dist_server_call_adopt(run->call);
	/* Other calls of it may be next in line. */
	dist_pace_note_inline(run->call->pace, DIST_NEVER);
	workers->n_takeovers++;
	return true;
}

static void
inline_run_end_lost(struct dist_workers *workers, struct dist_inline_run *run)
{
	struct dist_wake wake;

	dist_server_conn_flush(run->call->conn);
	dist_lock(&workers->lock);
	dist_slots_give_locked(workers, run->slot);
	dist_slots_release_serial_locked(workers, run->call->served);
	wake = dist_wake_choose_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	dist_wake_do(workers, wake);
	dist_server_call_disown(run->call);
}

bool
dist_inline_run_end(struct dist_worker *self, struct dist_inline_run *run)
{
	struct dist_workers *workers = &self->server->workers;

	self->inline_run = NULL;
	if (!dist_role_resume(&workers->role, run->word)) {
		/* Whoever took it holds the lock until the call is adopted. */
		dist_lock(&workers->lock);
		dist_unlock(&workers->lock);
		dist_replies_clear(run->replies);
		inline_run_end_lost(workers, run);
		return false;
	}
	self->server->loop.inline_run = NULL;
	if (run->call->served->serial) {
		struct dist_wake wake;

		dist_lock(&workers->lock);
		dist_slots_release_serial_locked(workers, run->call->served);
		wake = dist_wake_choose_for_calls_locked(workers);
		dist_unlock(&workers->lock);
		dist_wake_do(workers, wake);
	}
	return true;
}

/* A procedure that runs inline is about to block: the loop must not wait for it. */
static void
inline_run_on_block(void)
{
	struct dist_worker *self = this_worker;
	struct dist_workers *workers = &self->server->workers;
	struct dist_wake wake = { 0 };

	if (!self->inline_run || self->handed_on)
		return;
	self->handed_on = true;
	dist_lock(&workers->lock);
	if (dist_inline_run_take_role_locked(workers, self->inline_run->word)) {
		dist_role_free(&workers->role);
		wake = dist_wake_choose_locked(workers, workers->n_waking + 1);
	}
	dist_unlock(&workers->lock);
	dist_wake_do(workers, wake);
}

void
dist_inline_run_mind_blocking(struct dist_worker *self)
{
	this_worker = self;
	dist_thread_block_hook = inline_run_on_block;
}
