/*
 * What serves any number of client connections: one I/O loop thread, one callback thread,
 * and a store of call objects. A cluster has one, and so have a master (its probes) and a
 * node (its registrations). Reference counted: connections and calls hold it.
 */
#ifndef DIST_CLIENT_RUNTIME_H
#define DIST_CLIENT_RUNTIME_H

#include <dist/error.h>

struct dist_runtime;

/* Given: dist_runtime_stop() it. @name of its threads, at most 6 bytes: "dist-io-NAME". */
enum dist_err dist_runtime_start(struct dist_runtime **ret_runtime, const char *name)
	DIST_MUST_CHECK;

/*
 * Join its threads; callbacks that are due run first. All its peers are closed before.
 * Taken; what waiters still refer to lives on until they are freed.
 */
void dist_runtime_stop(struct dist_runtime *runtime);

#endif
