/*
 * Gathers what nodes count: each is asked for its STATS once in a period, and the last
 * answer is kept.
 *
 * A thread and an I/O loop of its own do all of it, so that neither the registry nor
 * its probes ever wait for an answer. The registry's lock is taken to list the nodes
 * after they have changed, and for nothing else. Nodes wait in one line for their turn,
 * which spreads them over the period; one that does not answer is asked less and less
 * often. What callers tell unasked is kept elsewhere (callers.h).
 */
#ifndef DIST_MASTER_GATHER_H
#define DIST_MASTER_GATHER_H

#include "idl/registry.h"
#include "master/gathered.h"

#include <dist/overview.h>

struct dist_gather;
struct dist_master;

/* Of a node, or of the master itself. */
struct dist_gather_row {
	struct dist_gathered *latest; /* NULL: none; a reference */
	int64_t age_ms;               /* -1: it never answered */
	struct dist_overview_recent recent;
	char why[256]; /* "": it answered the last time */
};

/* Given: dist_gather_free() it, after dist_gather_stop(). DIST_ENOMEM; DIST_ESYSTEM. */
enum dist_err dist_gather_new(struct dist_gather **ret_gather,
                              struct dist_master *master) DIST_MUST_CHECK;
/* The master listens: begin. DIST_ESYSTEM. */
enum dist_err dist_gather_start(struct dist_gather *gather) DIST_MUST_CHECK;
/* Ends what is under way, and joins its threads. NULL is nothing, here and below. */
void dist_gather_stop(struct dist_gather *gather);
void dist_gather_free(struct dist_gather *gather);

/* The nodes have changed. Also with the master's lock held. */
void dist_gather_wake(struct dist_gather *gather);

/* What @instance told: its references are the caller's. All zero for a stranger. */
void dist_gather_find(struct dist_gather *gather, const dist_id instance,
                      struct dist_gather_row *ret_row);

#endif
