/*
 * How many items of a map are in flight: as many as the live nodes have workers, and a
 * little ahead, so that a worker that ends one finds the next. Pure arithmetic.
 *
 * How much is a little? A quarter more, one a node at least, suits items that take
 * longer than the way to a node and back. Short ones need more, or workers would idle
 * while the next is on its way: so it grows as long as items do not wait noticeably.
 * What one waits is what it takes beyond the shortest of late; where that is some
 * milliseconds, there is too much ahead. Bound late, work can still go to whoever is
 * free.
 */
#ifndef DIST_BULK_WINDOW_H
#define DIST_BULK_WINDOW_H

#include <stdint.h>

#include "client/route.h"

struct dist_bulk_window {
	struct dist_room room;
	uint64_t max;           /* UINT64_MAX: none but the room's */
	uint64_t n_away;        /* in flight, and no worker of the room's is with them */
	uint64_t ahead;         /* beyond the workers */
	double mean_ns;         /* of what an item takes, of late; 0: none ended yet */
	int64_t shortest_ns[2]; /* in this period and in the one before */
	int64_t period_ends_ns;
	int64_t shrunk_ns; /* when it was made smaller last */
};

/* @max 0: no bound of the user's. */
void dist_bulk_window_init(struct dist_bulk_window *window, uint64_t max);

/* The nodes are so many now. */
void dist_bulk_window_set_room(struct dist_bulk_window *window, struct dist_room room);

/*
 * So many items are with nodes that take no others now: they drain, or left and did not
 * answer yet. Live nodes get theirs all the same.
 */
void dist_bulk_window_set_away(struct dist_bulk_window *window, uint64_t n_away);

/* Items that may be in flight; 0: there is no node. */
uint64_t dist_bulk_window_limit(const struct dist_bulk_window *window);

/* @n items ended together, after @sum_ns in all, the quickest after @shortest_ns. */
void dist_bulk_window_ended(struct dist_bulk_window *window, uint64_t n, int64_t sum_ns,
                            int64_t shortest_ns, int64_t now_ns);

/* Nodes, or the cluster's own bound, had no room for one. */
void dist_bulk_window_refused(struct dist_bulk_window *window);

#endif
