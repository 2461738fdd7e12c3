/*
 * How a snapshot of dist/stats.h is put together, by the one thread that makes it:
 * nodes, their procedures, counters and times, each part added to the last. What there
 * is no memory for is noted, and dist_snapshot_finish() says so.
 */
#ifndef DIST_BASE_SNAPSHOT_H
#define DIST_BASE_SNAPSHOT_H

#include "base/histogram.h"

#include <dist/stats.h>
#include <stdbool.h>

struct dist_snapshot {
	struct dist_stats *stats;
	struct dist_node_stats *node;           /* the last one */
	struct dist_procedure_stats *procedure; /* the last one of it; NULL: none yet */
	bool failed;
};

void dist_snapshot_init(struct dist_snapshot *snapshot);

/* All texts are copied; NULL stays NULL. */
void dist_snapshot_node(struct dist_snapshot *snapshot, const char *name,
                        const char *address, const uint8_t instance[16]);
/* The names are those in @like, and so are the numbers; nothing else is looked at. */
void dist_snapshot_procedure(struct dist_snapshot *snapshot,
                             const struct dist_procedure_stats *like);
/* Of the last procedure, or, when its node has none yet, of the node. */
void dist_snapshot_counter(struct dist_snapshot *snapshot, const char *name,
                           uint64_t value);
/* Of the last procedure. @histogram NULL: none. */
void dist_snapshot_times(struct dist_snapshot *snapshot, const char *name,
                         const struct dist_histogram *histogram);
/* The same from buckets; @like is copied. */
void dist_snapshot_times_like(struct dist_snapshot *snapshot,
                              const struct dist_times *like);

/* Given; the snapshot is empty again. DIST_ENOMEM. */
enum dist_err dist_snapshot_finish(struct dist_snapshot *snapshot,
                                   struct dist_stats **ret_stats) DIST_MUST_CHECK;

#endif
