/*
 * Telling those who observe a call, without waiting for it alone, that it is over: a gate
 * (a thread that waits for any of several calls), a queue, a callback.
 */
#ifndef DIST_CLIENT_OBSERVE_H
#define DIST_CLIENT_OBSERVE_H

#include "client/call.h"

/* A thread that sleeps until any of several calls is over; on its stack. */
struct dist_gate {
	atomic_uint open;
};

/* Its place in one call's list. */
struct dist_gate_link {
	struct dist_list link;
	struct dist_gate *gate;
};

/* Enter or leave a call's list; the gate is open at once when the call is over. */
void dist_gate_enter(struct dist_gate *gate, struct dist_gate_link *link,
                     struct dist_call *call);
void dist_gate_leave(struct dist_gate_link *link, struct dist_call *call);

/*
 * Say under call->lock that there is somebody to tell from now on; false: the call is
 * over, nobody will be told.
 */
bool dist_observe_locked(struct dist_call *call) DIST_REQUIRES(&call->lock);

/* The call is over and was observed: tell all, each once. Under no lock. */
void dist_observers_tell(struct dist_call *call);

/* A queue's side of it: @call, which the queue holds, is over. */
void dist_queue_push(struct dist_queue *queue, struct dist_call *call);

#endif
