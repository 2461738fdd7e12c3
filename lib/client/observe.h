/*
 * Telling those who observe a call, without waiting for it alone, that it is over: a gate
 * (a thread that waits for any of several calls), a queue, a callback.
 */
#ifndef DIST_CLIENT_OBSERVE_H
#define DIST_CLIENT_OBSERVE_H

#include "client/call.h"

struct dist_harvest;

/* The place of a thread that waits for any of several calls in one call's list. */
struct dist_gate {
	struct dist_list link;
	struct dist_harvest *harvest;
};

/* Enter or leave a call's list; the harvest is told at once when the call is over. */
void dist_gate_enter(struct dist_gate *gate, struct dist_harvest *harvest,
                     struct dist_call *call);
void dist_gate_leave(struct dist_gate *gate, struct dist_call *call);

/*
 * Say under call->lock that there is somebody to tell from now on; false: the call is
 * over, nobody will be told.
 */
bool dist_observe_locked(struct dist_call *call) DIST_REQUIRES(&call->lock);

/* The same for its queue, which needs no lock. */
bool dist_observe_queued(struct dist_call *call);

/*
 * The call is over and was observed: tell all, each once. Under no lock. @unref: the
 * thread gives up its reference with that, before anybody told can free the call.
 */
void dist_observers_tell(struct dist_call *call, bool unref);

/* A queue's side of it: @call is over, and its queue, which holds it, was to be told. */
void dist_queue_push(struct dist_call *call);

/*
 * Have whoever waits in dist_queue_take() return with what there is, or NULL; nobody does:
 * the next that would wait. Any thread.
 */
void dist_queue_interrupt(struct dist_queue *queue);

#define DIST_PUSHES_MAX 64

/*
 * While a thread reads, what it ends is pushed together: one lock and one wake-up for many
 * calls. Begun and ended by that thread; what is done in between must not wait for others.
 */
struct dist_pushes {
	struct dist_pushes *outer;
	struct dist_queue *queue; /* of all of @calls */
	unsigned n_calls;
	struct dist_call *calls[DIST_PUSHES_MAX];
};

void dist_pushes_begin(struct dist_pushes *pushes);
void dist_pushes_flush(struct dist_pushes *pushes);
void dist_pushes_end(struct dist_pushes *pushes);

#endif
