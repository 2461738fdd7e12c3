/*
 * A snapshot of dist/stats.h as it goes over the wire (idl/node.x): what a node answers
 * to STATS, and what a cluster tells its masters.
 */
#ifndef DIST_WIRE_STATS_H
#define DIST_WIRE_STATS_H

#include "idl/node.h"

#include <dist/stats.h>
#include <stdbool.h>

/*
 * What is past a limit of idl/node.x is left out. The copies are rpcgen's to free:
 * xdr_free() *ret_result. False: no memory, and nothing is to be freed.
 */
bool dist_stats_to_wire(dist_stats_result *ret_result,
                        const struct dist_node_stats *node);

#endif
