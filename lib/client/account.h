/*
 * What a cluster has counted, told to its masters (ACCOUNT of idl/registry.x): by each
 * follower between two WATCHes, as often as its master wants to hear it, and a last time
 * when the cluster is closed. The first one comes with the first view, and is empty: it asks
 * what the master wants. After that, what was told before is not told again.
 */
#ifndef DIST_CLIENT_ACCOUNT_H
#define DIST_CLIENT_ACCOUNT_H

#include "idl/registry.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stdint.h>

struct dist_cluster;
struct dist_peer;

/* Of one master, guarded by the cluster's lock; dist_account_anew() begins it. */
struct dist_account_turn {
	dist_id master;  /* that is told */
	uint64_t n_told; /* calls that the last account had */
	int64_t due_ns;  /* not before; DIST_NEVER: the master wants none */
};

/* @master is reached anew. Another one than before has been told nothing, and is told at
 * once, whatever came of the last account. */
void dist_account_anew(struct dist_cluster *cluster, struct dist_account_turn *turn,
                       const dist_id master);

/* When it is time to look for something to tell. In the past: there is, now; DIST_NEVER:
 * the time has come, and nothing was counted since the last account. */
int64_t dist_account_due_ns(struct dist_cluster *cluster,
                            const struct dist_account_turn *turn);

/*
 * Tell it to @master, if it is due; or else by @tell, with @arg: see struct
 * dist_view_source. Where it does not come through there is another one a minute later.
 */
void dist_account_tell(struct dist_cluster *cluster, struct dist_account_turn *turn,
                       struct dist_peer *master);
void dist_account_tell_here(struct dist_cluster *cluster, struct dist_account_turn *turn,
                            uint32_t (*tell)(void *arg, const dist_account *account),
                            void *arg);

/* The last one, to all masters at once; within LAST_MS, whether they answer or not. */
void dist_account_tell_last(struct dist_cluster *cluster);

#endif
