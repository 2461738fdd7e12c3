/*
 * What calls there were, what became of them, and how long they took.
 *
 * Clusters and nodes count always; there is nothing to be switched on. A snapshot has
 * nodes, each with the procedures that were called there:
 *
 *	struct dist_stats *stats;
 *
 *	if (dist_cluster_stats(&stats, cluster))
 *		return;
 *	for (size_t i = 0; i < stats->n_nodes; i++)
 *		for (size_t j = 0; j < stats->nodes[i]->n_procedures; j++) {
 *			const struct dist_procedure_stats *p =
 *				stats->nodes[i]->procedures[j];
 *
 *			const struct dist_times *times =
 *				dist_times_find(p, "latency");
 *
 *			printf("%s %u: %" PRIu64 " calls, p99 %" PRIu64 " ns\n",
 *			       stats->nodes[i]->name, p->procedure,
 *			       dist_counters_value(&p->counters, "calls"),
 *			       dist_times_percentile(times, 99));
 *		}
 *	dist_stats_free(stats);
 *
 * Counters and times go by names, so that a node of another release may tell more or
 * less; what is missing reads as 0. They only grow, apart from those said to be of now.
 *
 * Of each procedure, on both sides:
 *    calls         begun; of a cluster: over
 *    ok            answered with success
 *    busy, draining
 *                  refused by the node, and not run
 *    expired       the deadline passed. On a node: before it ran, or its caller was gone
 *    cancelled     by the caller. On a node: before it ran
 *    garbage_args, no_procedure, system_error, auth_error
 *                  the answer was that error of ONC RPC (RFC 5531 section 9)
 *    call_bytes, reply_bytes
 *                  records of calls, and of replies with success
 * Of a cluster's procedures besides:
 *    no_program    the node does not serve that program or version
 *    other_error   any other answer
 *    lost          the connection broke after sending; it may have run
 *    not_sent      it broke before, or there was none; it did not run
 *    retries       of @calls those that went out again, elsewhere
 *    hedges        of @retries those that went out beside another try (hedge_after_ms)
 *    hedges_won    of @hedges those that were answered first
 *    undecodable   of @ok those whose results do not decode
 * Of a node's besides:
 *    inline        run by the thread that reads
 *    in_flight     waiting or running now, or to be answered later
 *
 * A call that goes to several nodes counts at each: @calls less @retries is how many
 * were made. Each that is over counts in just one of the others from ok to not_sent.
 *
 * Times, in nanoseconds: of a cluster "latency", from sending to a reply with success, of
 * each call while up to 16 are in flight on a connection, else of one in 8, drawn at
 * random, which counts for 8; of a node "queue_time", from reading a call until it runs,
 * and "service_time", while it runs.
 */
#ifndef DIST_STATS_H
#define DIST_STATS_H

#include <dist/error.h>
#include <dist/macros.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_cluster;
struct dist_node;

struct dist_counter {
	const char *name;
	uint64_t value;
};

struct dist_counters {
	const struct dist_counter *list;
	size_t n;
};

/* How many lasted @low_ns or longer, and less than @end_ns. */
struct dist_times_bucket {
	uint64_t low_ns, end_ns;
	uint64_t count;
};

struct dist_times {
	const char *name; /* "latency" */
	uint64_t count;
	uint64_t sum_ns, max_ns;
	/* In order, without empty ones. The last of all ends with UINT64_MAX. */
	const struct dist_times_bucket *buckets;
	size_t n_buckets;
};

struct dist_procedure_stats {
	uint32_t program, version, procedure;
	/* As in the .x file; NULL: not known. A node knows, a cluster does not. */
	const char *program_name, *version_name, *procedure_name;
	struct dist_counters counters;
	const struct dist_times *const *times;
	size_t n_times;
};

struct dist_node_stats {
	const char *name;     /* NULL: all that left the cluster, together */
	const char *address;  /* "HOST:PORT"; NULL: as above */
	uint8_t instance[16]; /* this run of its process; zero for a fixed server */
	/*
	 * Of a cluster: in_flight now, late (replies that came when their caller had
	 * given up), stray (replies that nobody asked for, or that came twice), both of
	 * which are dropped, set_aside (how often it was), over_budget (idempotent calls that were lost there, and not sent
	 * again for want of retry_budget_percent). Of a node: capacity, running, queued, deferred, connections (of
	 * now), user_cpu_us, system_cpu_us (CPU time of its whole process, in
	 * microseconds), clock_ms (of its host, since 1970), version (1002003 is release
	 * 1.2.3), and more, as distctl(1) lists them.
	 */
	struct dist_counters counters;
	const struct dist_procedure_stats *const *procedures;
	size_t n_procedures;
};

struct dist_stats {
	const struct dist_node_stats *const *nodes;
	size_t n_nodes;
};

/*
 * Snapshots. Given: dist_stats_free() it, also when what it is of is gone. Counting
 * goes on meanwhile: a call that ends just then may be missing in one figure and there
 * in another, and one whose waiter has just returned may be missing in all.
 * DIST_ENOMEM.
 *
 * Of a cluster: by the nodes that it has called. Without memory to count it, or past
 * 256 procedures of one node, a call counts as procedure 0 of program 0, or nowhere;
 * and only the first 8192 pairs of node and procedure have times, 5 KB each.
 */
DIST_PUBLIC enum dist_err dist_cluster_stats(struct dist_stats **ret_stats,
                                             struct dist_cluster *cluster)
	DIST_MUST_CHECK;

/* Of a node in this process: one node, with its procedures by name. Those that its
 * services do not name count as one, of number UINT32_MAX. */
DIST_PUBLIC enum dist_err dist_node_stats(struct dist_stats **ret_stats,
                                          struct dist_node *node) DIST_MUST_CHECK;

/*
 * The same of a node, or a master, anywhere: asked over a connection of its own, which
 * it counts too.
 *
 * @address     "HOST:PORT", as distctl nodes or struct dist_node_info show it.
 * @timeout_ms  for all of it; DIST_FOREVER leaves it to the system's own limits.
 *
 * DIST_EADDRESS, DIST_ERESOLVE, DIST_ECONNECT, DIST_ECONNRESET, DIST_EDEADLINE: no
 * answer came; DIST_ENONODE: no node of ours is there; DIST_EPROTO, DIST_EDECODE,
 * DIST_ERPC; DIST_ENOMEM.
 */
DIST_PUBLIC enum dist_err dist_stats_fetch(struct dist_stats **ret_stats,
                                           const char *address, int64_t timeout_ms)
	DIST_MUST_CHECK;

/* Taken; NULL is nothing. */
DIST_PUBLIC void dist_stats_free(struct dist_stats *stats);

/* The value called @name; 0: it is not told. */
DIST_PUBLIC uint64_t dist_counters_value(const struct dist_counters *counters,
                                         const char *name);

/* The times called @name, borrowed of the snapshot; NULL: they are not told. */
DIST_PUBLIC const struct dist_times *
dist_times_find(const struct dist_procedure_stats *procedure, const char *name);

/*
 * The nanoseconds that @percent of all did not exceed, off by 1/32 at most: 50 for the
 * median, 100 for the longest. 0 when there are none, or @times is NULL.
 */
DIST_PUBLIC uint64_t dist_times_percentile(const struct dist_times *times,
                                           double percent);

/*
 * The same of those that came after @then, an earlier snapshot of the same times. All
 * of them where @then is NULL; 100 gives the upper end of their last range.
 */
DIST_PUBLIC uint64_t dist_times_percentile_since(const struct dist_times *times,
                                                 const struct dist_times *then,
                                                 double percent);

DIST_END_DECLS

#endif
