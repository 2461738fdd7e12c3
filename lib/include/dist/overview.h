/*
 * A whole cluster as its master knows it at one moment.
 *
 * Which nodes there are, what they serve, who calls them, what each of these has counted,
 * and what all of them came to:
 *
 *	struct dist_overview *overview;
 *
 *	if (dist_master_overview(&overview, master))
 *		return;
 *	for (size_t i = 0; i < overview->n_nodes; i++)
 *		printf("%s: %s\n", overview->nodes[i].name,
 *		       dist_overview_state_name(overview->nodes[i].state));
 *	dist_overview_free(overview);
 *
 * The master asks its nodes for their statistics over RPC when the option stats_ms of
 * dist/master.h says so; nodes need nothing for it. One that does not answer costs the
 * others nothing. Those who call them tell the master then what they count, unasked, and
 * a last time when they close their cluster; there is nothing to be done for it, either.
 * Counters and times have the names of dist/stats.h.
 */
#ifndef DIST_OVERVIEW_H
#define DIST_OVERVIEW_H

#include <dist/error.h>
#include <dist/macros.h>
#include <dist/stats.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_master;

enum dist_overview_state {
	DIST_OVERVIEW_LIVE,
	DIST_OVERVIEW_DRAINING,
	DIST_OVERVIEW_GONE, /* it left, or was found dead; remembered for an hour */
};

/* A program and version that a node serves. The names: as in the .x file, or "". */
struct dist_overview_service {
	uint32_t program, version;
	const char *program_name, *version_name;
};

/* What came between a node's last two answers, or a caller's last two accounts, without
 * the framework's own programs. Nodes tell queue and service times, callers latencies. */
struct dist_overview_recent {
	int64_t interval_ns; /* 0: there were no two answers */
	uint64_t calls;      /* that were over; of a caller: sent again they count once */
	uint64_t failed;     /* of these, not answered with success */
	uint64_t queue_p50_ns, queue_p99_ns;
	uint64_t service_p50_ns, service_p90_ns, service_p99_ns;
	uint64_t latency_p50_ns, latency_p99_ns;
};

struct dist_overview_node {
	const char *name;
	const char *address; /* "HOST:PORT" */
	uint8_t instance[16];
	enum dist_overview_state state;
	const struct dist_overview_service *services;
	size_t n_services;
	/* As its last heartbeat said: calls it may run at once, has, and has waiting. */
	unsigned capacity, in_flight, queued;
	int64_t age_ms;  /* since it registered */
	int64_t idle_ms; /* since it was last heard of */
	/* Its last answer; NULL: none yet, or it is gone. Of another instance: never. */
	const struct dist_node_stats *stats;
	int64_t stats_age_ms;    /* since that came; -1: none did */
	const char *stats_error; /* why it did not answer the last time; NULL: it did */
	struct dist_overview_recent recent;
};

/* A cluster (dist/cluster.h) that has called nodes, in any process. */
struct dist_overview_caller {
	const char *name;    /* of its process, as it says: "PROGRAM[PID]@HOST" */
	const char *address; /* "HOST:PORT" at its end; "": in the master's process */
	uint8_t instance[16];
	int64_t age_ms;  /* since it told the master the first time */
	int64_t idle_ms; /* since it told it the last time; one that does not call is quiet */
	/* What it told: of all nodes together, by procedure, and in its counters the sums
	 * over all procedures, in_flight (now) and those of a cluster's nodes. */
	const struct dist_node_stats *stats;
	struct dist_overview_recent recent;
};

struct dist_overview {
	uint8_t master[16]; /* this run of the master */
	uint64_t epoch;     /* counts changes of the nodes */
	int64_t uptime_ms;
	int64_t lease_ms; /* the longest term granted: so long after a start, or 3000,
	                     all nodes that live are here again */
	/* By name. */
	const struct dist_overview_node *nodes;
	size_t n_nodes;
	/* What the master itself counts, asked as nodes are, at its own port; NULL: it
	 * has not answered yet. */
	const struct dist_node_stats *self;
	int64_t self_age_ms; /* since that came; -1: it did not */
	/* Those that are connected now, in the order in which they came, the first 1000. */
	const struct dist_overview_caller *callers;
	size_t n_callers;
	size_t n_callers_in_all; /* also those that are not among them */
};

/*
 * @ret_overview  given: dist_overview_free() it, also when the master is gone.
 *
 * DIST_ENOMEM; DIST_EFORKED. It takes the registry's lock for as long as a list of the
 * nodes takes, and waits for no node.
 */
DIST_PUBLIC enum dist_err dist_master_overview(struct dist_overview **ret_overview,
                                               struct dist_master *master)
	DIST_MUST_CHECK;

/*
 * What all nodes came to that this master has asked, those that left included: one node
 * without a name, with procedures whose counters and times never fall, in_flight apart,
 * which is of now. 4096 procedures at most: the calls of others count as procedure 0 of
 * program 0. Given: dist_stats_free() it. DIST_EINVAL: it asks nobody, for want of
 * stats_ms; DIST_ENOMEM; DIST_EFORKED.
 */
DIST_PUBLIC enum dist_err dist_master_totals(struct dist_stats **ret_stats,
                                             struct dist_master *master)
	DIST_MUST_CHECK;

/*
 * The same of all callers, those that left included, as they have counted it themselves:
 * tries, and latencies. Names are known of the procedures that a node has told; half of
 * the room is theirs. Given: dist_stats_free() it. Any thread. DIST_EINVAL, DIST_ENOMEM,
 * DIST_EFORKED, as above.
 */
DIST_PUBLIC enum dist_err dist_master_caller_totals(struct dist_stats **ret_stats,
                                                    struct dist_master *master)
	DIST_MUST_CHECK;

/* Taken; NULL is nothing. */
DIST_PUBLIC void dist_overview_free(struct dist_overview *overview);

/* "live", "draining" or "gone". */
DIST_PUBLIC const char *dist_overview_state_name(enum dist_overview_state state);

DIST_END_DECLS

#endif
