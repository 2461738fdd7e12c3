/*
 * Asks the masters for the nodes and each node for its statistics, again and again; what
 * came between two answers of a node are rates.
 */
#ifndef DISTCTL_GATHER_H
#define DISTCTL_GATHER_H

#include "distctl/masters.h"
#include "distctl/rates.h"
#include "registry.h"

struct gather;

/* Given: gather_free() it. @masters is borrowed until then. NULL: no memory. */
struct gather *gather_new(const struct masters *masters, int64_t timeout_ms);
void gather_free(struct gather *gather);

#define GATHER_TROUBLE_MAX 640

struct gathered {
	int64_t time_ms; /* since 1970 */
	struct rates rates;
	dist_callers callers; /* none where no master gathers statistics */
	/* What did not answer, in a sentence; "": all did. */
	char trouble[GATHER_TROUBLE_MAX];
};

/*
 * One round. What is silent costs @timeout_ms. Given: gathered_free() it. NULL: no memory.
 * One thread at a time; it writes nowhere.
 */
struct gathered *gather_next(struct gather *gather);
void gathered_free(struct gathered *gathered);

#endif
