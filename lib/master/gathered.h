/* A node's answer, shared by the gatherer and by overviews, and never changed. */
#ifndef DIST_MASTER_GATHERED_H
#define DIST_MASTER_GATHERED_H

#include "idl/node.h"

#include <dist/stats.h>
#include <stdatomic.h>

struct dist_gathered {
	atomic_uint refs;
	struct dist_stats *stats; /* of one node */
	size_t bytes;             /* of memory */
};

/* Given: dist_gathered_unref() it. NULL: no memory. */
struct dist_gathered *dist_gathered_new(const char *name, const char *address,
                                        const dist_stats_result *answer);

/* @gathered may be NULL in both. */
struct dist_gathered *dist_gathered_ref(struct dist_gathered *gathered);
void dist_gathered_unref(struct dist_gathered *gathered);

#endif
