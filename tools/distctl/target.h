/* Where a call goes: to the nodes that masters know, to one of them, or to an address.
 */
#ifndef DISTCTL_TARGET_H
#define DISTCTL_TARGET_H

#include "distctl/config.h"

#include <dist/cluster.h>

struct target {
	char *node; /* the name of the one node there is; NULL: whoever answers */
	struct dist_cluster *cluster;
	CLIENT *client;
};

/*
 * Make ready to call @prog and @vers. An exit status, with a sentence on stderr unless
 * it is 0; target_close() it then.
 */
int target_open(struct target *target, const struct config *config, rpcprog_t prog,
                rpcvers_t vers);

void target_close(struct target *target);

/* Of the node that answered, or was tried last. */
const char *target_node_name(const struct target *target);
const char *target_node_address(const struct target *target);

#endif
