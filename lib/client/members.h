/*
 * A cluster's view: the nodes that its masters list, joined by instance, and the fixed
 * servers. Pure bookkeeping; the cluster's lock guards all of it.
 *
 * A master that restarted lists nobody until its nodes have found it again. So the nodes
 * that it listed before stay for one lease, unless another change removes them.
 */
#ifndef DIST_CLIENT_MEMBERS_H
#define DIST_CLIENT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "client/group.h"
#include "client/peer_internal.h"
#include "idl/registry.h"

struct dist_member {
	struct dist_peer *peer; /* holds a reference */
	uint64_t listed;        /* a bit for each follower whose master lists it */
	uint64_t grace;         /* for each whose master listed it before it restarted */
	int64_t grace_until_ns;
	bool draining;
	bool fixed;             /* a server without a registry: it serves every program */
	dist_service_entry *services; /* numbers alone: names are not kept */
	unsigned n_services;
	int64_t lease_ms;
	size_t place;                     /* in the list */
	struct dist_map_link by_instance; /* unless it is fixed */
};

struct dist_members {
	struct dist_member **list; /* in no order */
	size_t n, capacity;
	size_t n_grace;             /* members whose .grace is not 0 */
	struct dist_map by_instance; /* no buckets before the first member */
	struct dist_groups groups;
};

/* What a change made of the view: peers that left it, each with its reference. */
struct dist_leavers {
	struct dist_peer **list;
	int64_t *lease_ms;
	size_t n, capacity;
};

void dist_members_init(struct dist_members *members);
void dist_members_fini(struct dist_members *members);

/* A server that is not in any registry; takes the reference. DIST_ENOMEM. */
enum dist_err dist_members_add_fixed(struct dist_members *members, struct dist_peer *peer)
	DIST_MUST_CHECK;

/*
 * A view came to the follower @index. @make gives a peer for an entry that is new; where
 * it says DIST_EADDRESS, that one cannot be called and is left out.
 * @restarted: its master is another run than before, so those that it does not list any
 * more have a lease to come back. DIST_ENOMEM: some are missing; applied again
 * it finds the others as they are.
 */
typedef struct dist_peer *dist_make_peer_fn(const dist_node_entry *entry, void *arg);
enum dist_err dist_members_apply(struct dist_members *members, unsigned index,
                                 const dist_view *view, bool restarted, int64_t now_ns,
                                 dist_make_peer_fn *make, void *make_arg,
                                 struct dist_leavers *leavers) DIST_MUST_CHECK;

/* Those whose time to come back is over leave; the next such moment, or DIST_NEVER. */
int64_t dist_members_expire(struct dist_members *members, int64_t now_ns,
                            struct dist_leavers *leavers);

/* Those that serve @prog and @vers and do not drain, fixed servers among them; until the
 * next change. NULL: no memory. */
struct dist_group *dist_members_group(struct dist_members *members, uint32_t prog,
                                      uint32_t vers);

#endif
