/*
 * How busy the cluster and each node were in the last minute, a point for each second,
 * for the lines on the page.
 */
#ifndef MASTER_HISTORY_H
#define MASTER_HISTORY_H

#include <dist/overview.h>
#include <stdbool.h>

#define HISTORY_POINTS 60

/* Of a node of the overview. */
struct history_row {
	uint8_t instance[16];
	int64_t since_ms;            /* when it registered, since 1970 */
	float calls[HISTORY_POINTS]; /* a second, oldest first */
	char *told;                  /* what listeners were told last; NULL: nothing */
};

/* All nodes together, without the framework's own programs. */
struct history_moment {
	unsigned n_live, n_draining, n_gone, n_silent;
	uint64_t in_flight, queued, running, capacity;
	double calls, failed; /* a second */
	/* Of the last five to ten seconds. */
	uint64_t service_p50_ns, service_p90_ns, service_p99_ns, queue_p50_ns,
		queue_p99_ns;
};

/* Totals, and what they were five to ten seconds ago. */
struct history_window {
	struct dist_stats *totals;
	const struct dist_stats *then; /* NULL: there were none */
	int64_t then_ms, now_ms;
	/* Its own. */
	struct dist_stats *older, *newer;
	int64_t older_ms, newer_ms;
};

struct history {
	struct history_row *rows; /* in the order of the last overview */
	size_t n_rows;
	struct history_row *left; /* those of the one before that are not in it */
	size_t n_left;
	struct history_moment moments[HISTORY_POINTS]; /* oldest first */
	struct history_window nodes, callers;
};

void history_fini(struct history *history);

/*
 * A new moment. The totals of nodes and of callers are taken, and borrowed until the next;
 * @overview must live as long; @now_ms only goes up. False: no memory; all but the totals
 * is as before.
 */
bool history_take(struct history *history, const struct dist_overview *overview,
                  struct dist_stats *nodes, struct dist_stats *callers, int64_t now_ms);

/* What procedure @i of the totals was then; NULL: it was not called yet. */
const struct dist_procedure_stats *history_then(const struct history_window *window,
                                                size_t i);

/* What is shown of a node: from its statistics, or its heartbeat where it has none. */
struct node_load {
	uint64_t in_flight, queued, running, capacity;
};
struct node_load node_load(const struct dist_overview_node *node);

/* It lives, and did not answer the last time it was asked. */
bool node_is_silent(const struct dist_overview_node *node);

/* A program of the framework: the registry, or what every node serves. */
bool is_framework_program(uint32_t program);

#endif
