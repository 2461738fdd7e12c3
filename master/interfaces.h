/*
 * Interfaces that nodes handed out, kept for the calls to come: bounded in number and
 * memory, the least recently used go first. One is of a run of a node, and is fetched
 * anew once that run is gone.
 *
 * Not locked: its owner does that.
 */
#ifndef MASTER_INTERFACES_H
#define MASTER_INTERFACES_H

#include "reflect/fetch.h"

#define INTERFACES_MAX       64u
#define INTERFACES_BYTES_MAX ((size_t)64 << 20)

struct interface {
	unsigned refs; /* the cache's own, and those of calls */
	uint32_t prog, vers;
	/* One of the two: what was handed out, or why nothing was. */
	bool is_there;
	bool is_unknown; /* a node could not be asked, and may have it */
	struct reflected reflected;
	char why[REFLECT_WHY_MAX];
	size_t bytes;
	uint8_t instance[16]; /* of the node that was asked */
	uint64_t epoch;       /* of the registry, when that node was last seen to live */
	int64_t asked_ns;
	struct interface *next;
};

struct interfaces {
	struct interface *first; /* the most recently used first */
};

/* The one of these numbers, to be unref()ed; NULL: it has to be fetched. */
struct interface *interfaces_find(struct interfaces *interfaces, uint32_t prog,
                                  uint32_t vers);

/* Keep it, in the place of the one there was, and drop what is too much. Taken. */
void interfaces_add(struct interfaces *interfaces, struct interface *interface);

/* It is of a node that is gone, or says that there was nothing, too long ago. */
void interfaces_drop(struct interfaces *interfaces, struct interface *interface);

void interface_unref(struct interface *interface);

void interfaces_fini(struct interfaces *interfaces);

#endif
