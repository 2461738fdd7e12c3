/*
 * What all nodes, or all callers, came to, by procedure. Each node's answers are added as
 * what they have more than its answer before, so that counters never fall when nodes leave
 * or begin anew. Locked by its user.
 */
#ifndef DIST_MASTER_TOTALS_H
#define DIST_MASTER_TOTALS_H

#include "base/cleanup.h"

#include <dist/stats.h>

#define DIST_TOTALS_MAX 4096 /* procedures; others count as procedure 0 of program 0 */

struct dist_totals;

/*
 * @seed   random.
 * @known  for what anybody may tell, as callers do; borrowed. It has the names, which
 *         nobody else is believed, and what is not in it takes no more than half of the
 *         room. NULL: what nodes tell.
 *
 * Given: dist_totals_free() it. DIST_ENOMEM.
 */
enum dist_err dist_totals_new(struct dist_totals **ret_totals, uint64_t seed,
                              const struct dist_totals *known) DIST_MUST_CHECK;
void dist_totals_free(struct dist_totals *totals);

/*
 * A node answered @now, and before that @before; NULL: nothing. Without @now, it has
 * left: what it had of now, in_flight, is taken off. Where memory ends, procedures are
 * left out for good.
 */
void dist_totals_add(struct dist_totals *totals, const struct dist_node_stats *now,
                     const struct dist_node_stats *before);

/* One node without a name, in the order in which procedures were first heard of. Given:
 * dist_stats_free() it. DIST_ENOMEM. */
enum dist_err dist_totals_stats(const struct dist_totals *totals,
                                struct dist_stats **ret_stats) DIST_MUST_CHECK;

#endif
