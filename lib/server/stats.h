/*
 * What a server's calls came to, by procedure (public side: dist/stats.h).
 *
 * The holder of the loop role gathers what the calls of a turn add up to in its tally,
 * and counts it when the turn is over; the workers count each call by itself. A call is
 * taken once, and over once: what was taken and is not over is in flight.
 */
#ifndef DIST_SERVER_STATS_H
#define DIST_SERVER_STATS_H

#include "base/histogram.h"
#include "base/outcome.h"

#include <rpc/rpc.h>
#include <stdbool.h>

struct dist_server;
struct dist_server_call;
struct dist_snapshot;

/* No outcome yet: the answer is deferred. */
#define DIST_OUTCOME_NONE DIST_N_OUTCOMES

/* Of one procedure of one service. */
struct dist_served_counts {
	dist_count taken, n_inline;
	dist_count outcomes[DIST_N_SERVER_OUTCOMES];
	dist_count call_bytes, reply_bytes;
	struct dist_histogram queue_time, service_time;
};

/* Durations that fall into one bucket. */
struct dist_tally_times {
	uint64_t n, sum_ns, max_ns;
	unsigned bucket;
};

/* The loop role's holder's: all of one procedure. */
struct dist_server_tally {
	struct dist_served_counts *counts; /* NULL: nothing was gathered */
	uint64_t n_taken, n_inline, n_ok, call_bytes, reply_bytes;
	struct dist_tally_times queue_time, service_time;
};

/* A call of @counts was read, in a record of @length bytes. */
void dist_server_tally_taken(struct dist_server_tally *tally,
                             struct dist_served_counts *counts, size_t length);
/* One that was taken just now ran inline. */
void dist_server_tally_ran(struct dist_server_tally *tally,
                           const struct dist_server_call *call, int64_t began_ns,
                           int64_t ended_ns);
/* Count what was gathered. */
void dist_server_tally_flush(struct dist_server_tally *tally);

/* A call ran in the pool, or inline by a thread that lost the loop role meanwhile. */
void dist_server_stats_ran(const struct dist_server_call *call, bool is_inline,
                           int64_t began_ns, int64_t ended_ns);

/* It is over, by @outcome, without having run. */
static inline void
dist_server_stats_over(struct dist_served_counts *counts, enum dist_outcome outcome)
{
	dist_count_add(&counts->outcomes[outcome], 1);
}

/* What a dispatcher's answer means. */
enum dist_outcome dist_server_outcome(const struct rpc_msg *reply);

/* What the server counts, and the procedures that were called, for a snapshot's node.
 */
void dist_server_stats_add(struct dist_server *server, struct dist_snapshot *snapshot);

#endif
