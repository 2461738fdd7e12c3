/* A snapshot of dist/stats.h out of an answer of STATS (idl/node.x). */
#ifndef DIST_CLIENT_STATS_FETCH_H
#define DIST_CLIENT_STATS_FETCH_H

#include "idl/node.h"

#include <dist/stats.h>

/* Given: dist_stats_free() it; @result stays the caller's. DIST_ENOMEM. */
enum dist_err dist_stats_of_answer(struct dist_stats **ret_stats, const char *name,
                                   const char *address, const dist_stats_result *result)
	DIST_MUST_CHECK;

/*
 * The procedure of @node with the numbers of @like; NULL: it has none, or @node is
 * NULL.
 * @guess: where it probably is, since a node tells them in the same order each time.
 */
const struct dist_procedure_stats *
dist_stats_find(const struct dist_node_stats *node,
                const struct dist_procedure_stats *like, size_t guess);

#endif
