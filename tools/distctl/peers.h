/* Masters and nodes that distctl doctor calls itself, and what they tell of themselves. */
#ifndef DISTCTL_PEERS_H
#define DISTCTL_PEERS_H

#include "distctl/diagnosis.h"
#include "registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
	char *name;
	uint64_t version; /* 1002003 for 1.2.3; 0: it does not tell */
	bool has_clock;
	int64_t ahead_ms; /* of our clock */
	int64_t slack_ms; /* and how far off that may be */
};

struct peers {
	struct diagnosis *diagnosis;
	int64_t timeout_ms;
	struct peer *list;
	size_t n;
};

void peers_fini(struct peers *peers);

/* Those of @others come next, if there is memory; @others is at its end. */
void peers_take(struct peers *peers, struct peers *others);

/* Whether a master answers at @address. */
void peers_check_master(struct peers *peers, const char *name, const char *address);

/* Whether a node, and each service of it, can be called from here. */
void peers_check_node(struct peers *peers, const dist_node_entry *node);

/* Whether all that answered go by the same clock and release as we do. */
void peers_check_clocks(const struct peers *peers);
void peers_check_versions(const struct peers *peers);

#endif
