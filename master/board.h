/*
 * What the master shows over HTTP: once a second it takes an overview of the cluster,
 * remembers how busy each node was, and tells the listeners of the feed.
 */
#ifndef MASTER_BOARD_H
#define MASTER_BOARD_H

#include "feed.h"

#include <dist/master.h>
#include <dist/overview.h>

struct board;

struct board_options {
	struct dist_master *master;
	struct feed *feed;
	int64_t stats_ms; /* how often nodes are asked */
};

/* Given: board_stop() it, then board_free(). NULL: no memory, or no thread. */
struct board *board_start(const struct board_options *options);
/* Nothing new is seen or told from now on. NULL is nothing, here and below. */
void board_stop(struct board *board);
/* Nobody asks it any more. */
void board_free(struct board *board);

/* What was seen last. */
struct board_view {
	struct dist_overview *overview; /* NULL: nothing yet */
	const struct dist_stats *totals;  /* of all nodes */
	const struct dist_stats *callers; /* of all callers */
};

/* Borrowed until board_unlock(), which is to come soon. */
const struct board_view *board_lock(struct board *board);
void board_unlock(struct board *board);

/* A sentence that says why the master is not alive, or cannot be relied on yet; NULL:
 * it is, or can. */
const char *board_why_unhealthy(struct board *board);
const char *board_why_not_ready(struct board *board);

#endif
