#include "client/observe.h"

#include "client/harvest.h"
#include "client/runtime_internal.h"

/* @who is to be told; false: the call is over. */
static bool
call_observe(struct dist_call *call, unsigned who)
{
	unsigned word = atomic_load(&call->word);

	do {
		unsigned state = word & DIST_CALL_STATE;

		if (state == DIST_CALL_DONE || state == DIST_CALL_REPLIED)
			return false;
	} while (!atomic_compare_exchange_weak(&call->word, &word, word | who));
	return true;
}

bool
dist_observe_locked(struct dist_call *call)
{
	dist_call_touch(call);
	return call_observe(call, DIST_CALL_OBSERVED);
}

bool
dist_observe_queued(struct dist_call *call)
{
	return call_observe(call, DIST_CALL_QUEUED);
}

void
dist_gate_enter(struct dist_gate *gate, struct dist_harvest *harvest,
                struct dist_call *call)
{
	gate->harvest = harvest;
	dist_list_init(&gate->link);
	dist_lock(&call->lock);
	if (dist_observe_locked(call))
		dist_list_append(&call->gates, &gate->link);
	else
		dist_harvest_tell(harvest);
	dist_unlock(&call->lock);
}

void
dist_gate_leave(struct dist_gate *gate, struct dist_call *call)
{
	dist_lock(&call->lock);
	dist_list_remove(&gate->link);
	dist_unlock(&call->lock);
}

void
dist_observers_tell(struct dist_call *call, bool unref)
{
	struct dist_gate *gate, *next;
	bool has_callback, run_here = false, last;

	dist_lock(&call->lock);
	/* A gate lives on the stack of its thread, which leaves under this lock. */
	DIST_LIST_EACH (gate, next, &call->gates, link) {
		dist_list_remove(&gate->link);
		dist_harvest_tell(gate->harvest);
	}
	has_callback = call->then_fn && !call->then_due;
	call->then_due = call->then_due || has_callback;
	/* Ended beside the cluster's own end, by a thread of the caller's: told by it too. */
	if (has_callback)
		run_here = !dist_runtime_post_callback(call->runtime, call);
	/*
	 * While those told cannot have freed the call: one that leaves a gate needs this
	 * lock, and so does the callback; the queue does not have it yet. So this is the
	 * last reference only where somebody else found out by looking.
	 */
	last = unref && !run_here && dist_call_put(call);
	dist_unlock(&call->lock);

	if (run_here)
		dist_runtime_run_callback(call);
	if (last)
		dist_call_free(call);
	else if (unref && run_here)
		dist_call_unref(call);
}
