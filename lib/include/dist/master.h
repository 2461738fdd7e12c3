/*
 * The registry inside a program: which nodes live, what they serve, until when.
 * distmaster is this with a main. The protocol is idl/registry.x.
 */
#ifndef DIST_MASTER_H
#define DIST_MASTER_H

#include <dist/error.h>
#include <dist/macros.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_listeners;
struct dist_master;

/* The port that a master listens on unless told otherwise. */
#define DIST_MASTER_PORT 3000

/*
 * Zero in a field always means the default. What is over a limit is refused with a text
 * that says which one it was, or its connection ends, with a log line; distmaster(8) has
 * them in one table.
 */
struct dist_master_options {
	/*
	 * "ADDR:PORT", ":PORT" for all addresses, ":0" for any port; 127.0.0.1 and ::1 on
	 * port 3000, so that only this host can join.
	 */
	const char *listen;
	/* Sockets that listen already, in place of .listen. Borrowed for the call. */
	const struct dist_listeners *listeners;
	/* Ask nothing of rpcbind, and tell it nothing. */
	bool no_rpcbind;
	/* The shortest and longest lease a node may ask for; 300 and 60000. */
	int64_t min_lease_ms;
	int64_t max_lease_ms;
	/* Nodes at once, 20000, and of these registered over one connection, 64. */
	unsigned max_nodes;
	unsigned max_nodes_per_connection;
	/* Of a node: services, 1024; attributes, 64. More than that is never taken. */
	unsigned max_services;
	unsigned max_attributes;
	/* Bytes of a name, of a node, program, version or attribute; 255, and never more. */
	unsigned max_name_bytes;
	/* Clusters that wait for news at once; 100000. */
	unsigned max_watchers;
	/* How often a quiet node is probed; 10000. */
	int64_t probe_ms;
	/* As in struct dist_node_options; its nodes and clusters are the peers. */
	size_t max_record_bytes;
	size_t max_buffered_bytes;
	unsigned max_connections;
	unsigned max_connections_per_peer;
	int64_t idle_timeout_ms;
	int64_t header_timeout_ms;
	int64_t record_timeout_ms;
	int64_t reply_timeout_ms;
	/*
	 * How often each node is asked for its statistics, which dist_master_overview()
	 * shows; 0: never. Many nodes are asked less often, 500 a second in all.
	 */
	int64_t stats_ms;
	/* Memory for what nodes tell of themselves in all; 268435456, 256 MiB. Those
	 * whose statistics it has no room for are shown without. */
	size_t max_stats_bytes;
};

DIST_PUBLIC enum dist_err dist_master_start_sized(struct dist_master **ret_master,
                                                  const struct dist_master_options *options,
                                                  size_t options_size) DIST_MUST_CHECK;

/*
 * Serve the registry; register it with rpcbind, if there is one, and again whenever
 * rpcbind restarts.
 *
 * @ret_master  given: dist_master_stop() it. Untouched on failure.
 * @options     borrowed for the call; NULL: all defaults.
 *
 * Returns once it listens. DIST_EADDRESS; DIST_EADDRINUSE (the text names the address and
 * what to try); DIST_EINVAL; DIST_ENOMEM; DIST_ESYSTEM. Without rpcbind it goes on, with
 * a log line.
 */
static inline enum dist_err DIST_MUST_CHECK
dist_master_start(struct dist_master **ret_master,
                  const struct dist_master_options *options)
{
	return dist_master_start_sized(ret_master, options,
	                               sizeof(struct dist_master_options));
}

/* The TCP port it listens on. */
DIST_PUBLIC unsigned dist_master_port(struct dist_master *master);

/* Live nodes now. */
DIST_PUBLIC unsigned dist_master_n_nodes(struct dist_master *master);

/*
 * End it: watchers and nodes see their connections close and look elsewhere, or wait for
 * its return. Its rpcbind entry is taken back. Taken; NULL is nothing.
 */
DIST_PUBLIC void dist_master_stop(struct dist_master *master);

DIST_END_DECLS

#endif
