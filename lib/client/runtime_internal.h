/* Inside of a runtime, for the client layer alone. */
#ifndef DIST_CLIENT_RUNTIME_INTERNAL_H
#define DIST_CLIENT_RUNTIME_INTERNAL_H

#include <stdbool.h>

#include "client/runtime.h"
#include "io/loop.h"

struct dist_call;

struct dist_runtime *dist_runtime_ref(struct dist_runtime *runtime);
void dist_runtime_unref(struct dist_runtime *runtime);

struct dist_loop *dist_runtime_loop(struct dist_runtime *runtime);

/* Readable when a thread that polls its connection must look up: see conn_read.c. */
int dist_runtime_kick_fd(const struct dist_runtime *runtime);

/* Counts the forks that led to this process; what keeps it sees a later one. */
unsigned dist_fork_generation(void);

/* Made before a fork(), used in the child: it may touch no lock and no socket. */
bool dist_runtime_forked(const struct dist_runtime *runtime);

/* Memory for a call, as it was left; NULL: none. The runtime lives while it is out. */
struct dist_call *dist_runtime_take_call(struct dist_runtime *runtime);
void dist_runtime_give_call(struct dist_runtime *runtime, struct dist_call *call);

/*
 * Have the call's callback run on the callback thread; takes a reference meanwhile. False:
 * that thread has ended, and nothing was done.
 */
bool dist_runtime_post_callback(struct dist_runtime *runtime, struct dist_call *call);
/* The same here and now, for the end of a call that nobody else would tell. */
void dist_runtime_run_callback(struct dist_call *call);

/* The call whose callback this thread runs now; NULL. */
struct dist_call *dist_runtime_callback_call(void);

/* Connections with a descriptor, and those that end calls as they close:
 * dist_runtime_stop() waits until there are none. */
void dist_runtime_count_conn(struct dist_runtime *runtime, int change);

#endif
