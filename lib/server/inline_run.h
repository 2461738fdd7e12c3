/*
 * Running a procedure on the loop's thread. While it runs, another thread may take the
 * loop role away from it (role.h): the watchdog, because it takes long, or its own
 * thread, which hands the role on before the procedure blocks. The run goes on as a
 * worker's would, and its call is adopted.
 */
#ifndef DIST_SERVER_INLINE_RUN_H
#define DIST_SERVER_INLINE_RUN_H

#include "server/slots.h"
#include "server/workers.h"

/* A call that runs inline; on its thread's stack. */
struct dist_inline_run {
	struct dist_server_call *call;
	struct dist_replies *replies; /* its thread's */
	uint64_t word; /* of the role; see role.h */
	/* Guarded by the workers' lock, once the role was taken away. */
	enum dist_slot slot;
};

/* Around it, by the holder of the loop role. False: the role is lost; the call was
 * adopted, its slot given back, and the thread is a worker like others. */
void dist_inline_run_begin(struct dist_worker *self, struct dist_inline_run *run,
                           int64_t now_ns);
bool dist_inline_run_end(struct dist_worker *self, struct dist_inline_run *run);

/*
 * Take the role from the run that @word is about; false: that is over. What the run goes
 * on using is made its own before its thread can come back: that needs the lock, held
 * here.
 */
bool dist_inline_run_take_role_locked(struct dist_workers *workers, uint64_t word)
	DIST_REQUIRES(&workers->lock);

/* Have what this thread runs inline from now on hand the role on before it blocks. */
void dist_inline_run_mind_blocking(struct dist_worker *self);

#endif
