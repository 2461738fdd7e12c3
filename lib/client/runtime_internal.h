/* Inside of a runtime, for the client layer alone. */
#ifndef DIST_CLIENT_RUNTIME_INTERNAL_H
#define DIST_CLIENT_RUNTIME_INTERNAL_H

#include <stdbool.h>

#include "client/runtime.h"
#include "io/loop.h"

struct dist_call;
struct dist_client_counts;

struct dist_runtime *dist_runtime_ref(struct dist_runtime *runtime);
void dist_runtime_unref(struct dist_runtime *runtime);

struct dist_loop *dist_runtime_loop(struct dist_runtime *runtime);

/* What the calls to its peers came to, as far as these are counted. */
struct dist_client_counts *dist_runtime_counts(struct dist_runtime *runtime);

/* Readable when a thread that polls its connection must look up: see conn_read.c. */
int dist_runtime_kick_fd(const struct dist_runtime *runtime);

/*
 * A descriptor, an eventfd with nothing in it, by which a thread that polls several
 * connections is woken, for as long as it does; -1: there is none to be had. It comes back
 * with nothing in it, even after dist_runtime_stop().
 */
int dist_runtime_lend_kick(struct dist_runtime *runtime);
void dist_runtime_return_kick(struct dist_runtime *runtime, int fd);

/* Made before a fork(), used in the child: it may touch no lock and no socket. */
bool dist_runtime_forked(const struct dist_runtime *runtime);

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
