/*
 * A view of the table that outlives the table's lock: what is sent to watchers. It
 * shares the entries it shows.
 */
#ifndef DIST_REGISTRY_VIEW_H
#define DIST_REGISTRY_VIEW_H

#include "registry/entry.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stddef.h>

struct dist_snapshot_attrs;

struct dist_snapshot {
	dist_view view; /* its strings are the entries'; never xdr_free() it */
	size_t n_max;
	void *extra; /* freed with it: for what a caller shows in the entries' place */
	struct dist_snapshot_attrs *attrs; /* of dist_snapshot_add_attr() */
	struct dist_entry *entries[]; /* one for each of view.nodes */
};

/* With room for @n_max nodes. Given: dist_snapshot_free() it. DIST_ENOMEM. */
enum dist_err dist_snapshot_new(struct dist_snapshot **ret_snapshot, size_t n_max)
	DIST_MUST_CHECK;

/* One more node; the caller fills in what is not in its entry, which is shared. */
dist_node_entry *dist_snapshot_add(struct dist_snapshot *snapshot,
                                   struct dist_entry *entry);

/*
 * One more attribute of @node, behind its entry's; left out where there are as many as
 * the wire takes. Both texts are borrowed as long as the snapshot lives. DIST_ENOMEM.
 */
enum dist_err dist_snapshot_add_attr(struct dist_snapshot *snapshot,
                                     dist_node_entry *node, const char *name,
                                     const char *value) DIST_MUST_CHECK;

void dist_snapshot_free(struct dist_snapshot *snapshot);
DIST_DEFINE_FREEP(dist_snapshot_free, struct dist_snapshot *)

#endif
