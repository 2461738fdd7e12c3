/* A server's insides, for the files of this folder. */
#ifndef DIST_SERVER_CORE_H
#define DIST_SERVER_CORE_H

#include "server/hoard.h"
#include "server/loop.h"
#include "server/server.h"
#include "server/service.h"
#include "server/workers.h"

/* What STATS tells, beside what is counted elsewhere. Relaxed: they order nothing. */
#define DIST_SERVER_COUNTERS(X) \
	X(calls) \
	X(calls_inline) \
	X(calls_pooled) \
	X(refused_busy) \
	X(refused_draining) \
	X(calls_cancelled) \
	X(calls_unwanted) \
	X(no_program) \
	X(auth_rejected) \
	X(bad_records) \
	X(accepted) \
	X(turned_away) \
	X(crowded_out) \
	X(timed_out) \
	X(bytes_in)

struct dist_server_counters {
#define DIST_SERVER_COUNTER_FIELD(name) atomic_uint_least64_t name;
	DIST_SERVER_COUNTERS(DIST_SERVER_COUNTER_FIELD)
#undef DIST_SERVER_COUNTER_FIELD
};

#define dist_server_count_n(server, counter, n) \
	((void)atomic_fetch_add_explicit(&(server)->counters.counter, (n), \
	                                 memory_order_relaxed))
#define dist_server_count(server, counter) dist_server_count_n(server, counter, 1)

/* The same for what the holder of the loop role alone counts: without a locked
 * instruction, which costs as much as ten others. */
#define dist_server_count_own(server, counter, n) \
	atomic_store_explicit(&(server)->counters.counter, \
	                      (n) + atomic_load_explicit(&(server)->counters.counter, \
	                                                 memory_order_relaxed), \
	                      memory_order_relaxed)

struct dist_server {
	/* Set by open and add; read-only once started. */
	struct dist_server_options options; /* no defaults left in it */
	char name[11]; /* "dist-" before it makes a thread's name, of 15 bytes */
	struct dist_listeners listeners;
	int epoll_fd, wake_fd;
	struct dist_served_table services;
	bool started;
	int64_t started_ns;
	unsigned fork_generation; /* when it was started */

	atomic_bool draining; /* users' services take no new calls */
	atomic_bool stopping;
	atomic_bool quiet;    /* no connection has had a byte for a second; draining */
	atomic_uint n_connections;
	atomic_uint n_deferred;
	atomic_size_t buffered_bytes; /* hoard.h */
	struct dist_server_counters counters;

	struct dist_workers workers;
	struct dist_server_loop loop; /* the role holder's */
};

/* The node program (node_program.c). */
extern const struct dist_service dist_node_program;

#endif
