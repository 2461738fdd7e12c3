#include "client/observe.h"

#include <limits.h>

#include "base/futex.h"
#include "client/runtime_internal.h"

bool
dist_observe_locked(struct dist_call *call)
{
	unsigned word = atomic_load(&call->word);

	do {
		unsigned state = word & DIST_CALL_STATE;

		if (state == DIST_CALL_DONE || state == DIST_CALL_REPLIED)
			return false;
	} while (!atomic_compare_exchange_weak(&call->word, &word,
	                                       word | DIST_CALL_OBSERVED));
	return true;
}

static void
gate_open(struct dist_gate *gate)
{
	atomic_store(&gate->open, 1);
	dist_futex_wake(&gate->open, INT_MAX);
}

void
dist_gate_enter(struct dist_gate *gate, struct dist_gate_link *link, struct dist_call *call)
{
	link->gate = gate;
	dist_list_init(&link->link);
	dist_lock(&call->lock);
	if (dist_observe_locked(call))
		dist_list_append(&call->gates, &link->link);
	else
		atomic_store(&gate->open, 1);
	dist_unlock(&call->lock);
}

void
dist_gate_leave(struct dist_gate_link *link, struct dist_call *call)
{
	dist_lock(&call->lock);
	dist_list_remove(&link->link);
	dist_unlock(&call->lock);
}

void
dist_observers_tell(struct dist_call *call)
{
	struct dist_gate_link *link, *next;
	struct dist_queue *queue;
	bool has_callback;

	dist_lock(&call->lock);
	/* A gate lives on the stack of its thread, which leaves under this lock. */
	DIST_LIST_EACH (link, next, &call->gates, link) {
		dist_list_remove(&link->link);
		gate_open(link->gate);
	}
	queue = call->queue;
	call->queue = NULL;
	has_callback = call->then_fn && !call->then_due;
	call->then_due = call->then_due || has_callback;
	dist_unlock(&call->lock);

	/* Ended beside the cluster's own end, by a thread of the caller's: told by it too. */
	if (has_callback && !dist_runtime_post_callback(call->runtime, call))
		dist_runtime_run_callback(call);
	if (queue)
		dist_queue_push(queue, call);
}
