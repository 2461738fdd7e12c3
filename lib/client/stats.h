/*
 * What a cluster's calls came to: for each node and procedure counters and a histogram
 * of latencies (public side: dist/stats.h).
 *
 * A *try* is counted, one sending of a call to one node, when it is over: by whoever
 * takes the call off its connection, which happens once. Counting takes no lock. A
 * thread that reads many replies gathers what they add up to in a tally, and looks at
 * the clock once for all of them; the clock is the dearest of it, so that where many
 * calls are in flight only some, drawn at random, are timed.
 */
#ifndef DIST_CLIENT_STATS_H
#define DIST_CLIENT_STATS_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mutex.h"
#include "base/outcome.h"
#include "client/call.h"
#include "client/outlier.h"

struct dist_histogram;
struct dist_peer;
struct dist_procedure_counts;
struct dist_reply_header;
struct dist_stats;

#define DIST_PEER_COUNTS_SLOTS 8u

/* Of one peer. Procedures are added when they are first met, and stay. */
struct dist_peer_counts {
	struct dist_client_counts *all; /* NULL: this peer is not counted */
	struct dist_list link;          /* in @all; guarded by its lock */
	_Atomic(struct dist_procedure_counts *) slots[DIST_PEER_COUNTS_SLOTS];
	atomic_uint n_procedures;
	dist_count late; /* replies whose callers had given up */
	dist_count set_aside; /* how often it was: outlier.h */
	dist_count stray; /* replies that nobody asked for, or not again */
	dist_count over_budget; /* calls lost here that went nowhere else for want of it */
};

/* Of all peers of a cluster. Those that have gone are added up in one. */
struct dist_client_counts {
	atomic_uint n_histograms;
	struct dist_mutex lock; /* guards the rest */
	struct dist_list peers; /* struct dist_peer_counts.link */
	struct dist_peer_counts gone;
};

void dist_client_counts_init(struct dist_client_counts *all);
void dist_client_counts_fini(struct dist_client_counts *all);

/* How many tries are over, of all procedures. */
uint64_t dist_client_counts_n(struct dist_client_counts *all);

/*
 * A snapshot of one node, which is all peers together: by procedure, and in its own
 * counters the sums over these, beside those of a cluster's nodes. DIST_ENOMEM.
 */
enum dist_err dist_client_counts_sum(struct dist_stats **ret_stats,
                                     struct dist_client_counts *all,
                                     const uint8_t instance[16]) DIST_MUST_CHECK;

/* A peer begins to be counted; ends, and what it counted goes to those that have gone.
 */
void dist_peer_counts_begin(struct dist_peer *peer, struct dist_client_counts *all);
void dist_peer_counts_end(struct dist_peer *peer);

/* --- A try ------------------------------------------------------------------------ */

/* So many in flight on a connection are all timed; beyond that one in 8. */
#define DIST_TIMED_ALL    16u
#define DIST_TIMED_WEIGHT 8u

/*
 * It leaves now: note the time, or that it is not one of those that are timed. @draws
 * is guarded, as the call is, by its connection's lock.
 */
static inline void
dist_stats_sent(struct dist_call *call, uint32_t n_in_flight, uint32_t *draws)
{
	call->sent_ns = 0;
	call->sent_weight = 1;
	if (n_in_flight > DIST_TIMED_ALL) {
		*draws = *draws * 1664525 + 1013904223;
		if (*draws >= UINT32_MAX / DIST_TIMED_WEIGHT)
			return;
		call->sent_weight = DIST_TIMED_WEIGHT;
	}
	call->sent_ns = dist_clock_ns();
}

/* It is over at @peer without a reply. */
void dist_stats_over(struct dist_peer *peer, const struct dist_call *call,
                     enum dist_outcome outcome);

/* The same of one that its caller gave up. */
static inline void
dist_stats_given_up(struct dist_peer *peer, const struct dist_call *call)
{
	dist_stats_over(peer, call,
	                dist_deadline_passed(call->deadline_ns) ? DIST_OUTCOME_EXPIRED
	                                                        : DIST_OUTCOME_CANCELLED);
}

/* A reply came whose caller had given up. */
static inline void
dist_stats_late(struct dist_peer_counts *counts)
{
	dist_count_add(&counts->late, 1);
}

/* A reply came to an xid that was never given out, or was answered before. */
static inline void
dist_stats_stray(struct dist_peer_counts *counts)
{
	dist_count_add(&counts->stray, 1);
}

/* How all calls to it ended so far, of any procedure. */
struct dist_outlier_counts dist_stats_totals(struct dist_peer_counts *counts);

/* It was set aside. */
static inline void
dist_stats_set_aside(struct dist_peer_counts *counts)
{
	dist_count_add(&counts->set_aside, 1);
}

/* A call was lost there, and there is no budget to send it again. */
static inline void
dist_stats_over_budget(struct dist_peer_counts *counts)
{
	dist_count_add(&counts->over_budget, 1);
}

/* The answer of a second (hedge.h) came first. */
void dist_stats_hedge_won(struct dist_peer *peer, const struct dist_call *second);

/* Of a call that was answered: the result does not decode. */
void dist_stats_undecodable(struct dist_peer *peer, const struct dist_call *call);

/* --- Replies ---------------------------------------------------------------------- */

/* What one thread gathers, on its stack. */
struct dist_tally {
	struct dist_peer *peer;
	struct dist_procedure_counts *counts; /* of the last reply; NULL: none */
	int64_t now_ns;                       /* 0: not looked at yet */
	uint64_t n_ok, call_bytes, reply_bytes;
	uint64_t n_timed, sum_ns, max_ns; /* all in @bucket */
	unsigned bucket;
};

static inline void
dist_tally_init(struct dist_tally *tally, struct dist_peer *peer)
{
	*tally = (struct dist_tally){ .peer = peer };
}

/* A reply to @call came, in a record of @length bytes; before the call is ended. */
void dist_tally_reply(struct dist_tally *tally, const struct dist_call *call,
                      const struct dist_reply_header *header, size_t length);

/* Count what was gathered. */
void dist_tally_flush(struct dist_tally *tally);

#endif
