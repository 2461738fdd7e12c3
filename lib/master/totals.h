/*
 * What all nodes came to, and what all callers did, by procedure. Each one's answers
 * are added as what they have more than its answer before, so that counters never fall
 * when nodes leave or begin anew.
 *
 * Nodes are believed. Anybody may call himself a caller: what callers tell has the
 * names that nodes gave, and procedures that no node told of take no more than half of
 * their room. Any thread; its lock is a leaf.
 */
#ifndef DIST_MASTER_TOTALS_H
#define DIST_MASTER_TOTALS_H

#include "base/cleanup.h"

#include <dist/stats.h>

#define DIST_TOTALS_MAX 4096 /* procedures; others count as procedure 0 of program 0 */

struct dist_totals;

enum dist_teller {
	DIST_TELLER_NODE,
	DIST_TELLER_CALLER,
	DIST_N_TELLERS,
};

/* @seed  random. Given: dist_totals_free() it. DIST_ENOMEM. */
enum dist_err dist_totals_new(struct dist_totals **ret_totals,
                              uint64_t seed) DIST_MUST_CHECK;
void dist_totals_free(struct dist_totals *totals);

/*
 * A node or caller told @now, and before that @before; NULL: nothing. Without @now, it
 * has left: what it had of now, in_flight, is taken off. Where memory ends, procedures
 * are left out for good.
 */
void dist_totals_add(struct dist_totals *totals, enum dist_teller teller,
                     const struct dist_node_stats *now,
                     const struct dist_node_stats *before);

/* What all of them told: one node without a name, in the order in which procedures were
 * first heard of. Given: dist_stats_free() it. DIST_ENOMEM. */
enum dist_err dist_totals_stats(struct dist_totals *totals, enum dist_teller teller,
                                struct dist_stats **ret_stats) DIST_MUST_CHECK;

#endif
