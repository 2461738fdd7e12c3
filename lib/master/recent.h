/* What came between two answers of a node, or two accounts of a caller. */
#ifndef DIST_MASTER_RECENT_H
#define DIST_MASTER_RECENT_H

#include <dist/overview.h>

struct dist_overview_recent dist_recent_between(const struct dist_node_stats *before,
                                                const struct dist_node_stats *now,
                                                int64_t interval_ns);

#endif
