/*
 * What nodes did between two statistics of theirs, by node and by procedure: calls a
 * second, those that failed, how long they waited and ran.
 */
#ifndef DISTCTL_RATES_H
#define DISTCTL_RATES_H

#include <dist/stats.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long calls took, of any number of nodes and procedures together. */
struct spread {
	struct dist_times_bucket *buckets;
	size_t n;
	uint64_t max_ns;
	bool failed; /* no memory */
};

struct rates_row {
	char *name; /* as the node tells it: not cleaned */
	/* Of a procedure. */
	uint32_t program, version, procedure;
	/* Of a node: "live" or "draining", static; and whether it answered. */
	const char *state;
	bool answered;
	bool measured;        /* there were two answers to compare */
	double calls, failed; /* a second: over, and of these not answered with success */
	uint64_t in_flight, queued; /* now; of a procedure queued is not known */
	uint64_t ran_p50_ns, ran_p99_ns, waited_p99_ns; /* 0: nothing ran */
	struct spread ran, waited;
};

struct rates_rows {
	struct rates_row *list;
	size_t n;
};

struct rates {
	struct rates_row total;
	struct rates_rows nodes, procedures;
	bool failed; /* no memory: rows are missing */
};

void rates_init(struct rates *rates);
void rates_fini(struct rates *rates);

/*
 * One more node. @now: what it told; NULL: it did not answer. @before: what it told
 * @interval_ns earlier; NULL: nothing, or it was another run of it.
 */
void rates_add(struct rates *rates, const char *name, const char *state,
               const struct dist_node_stats *before, const struct dist_node_stats *now,
               int64_t interval_ns);

/* After the last one: the percentiles. */
void rates_finish(struct rates *rates);

enum rates_order {
	RATES_BY_CALLS,
	RATES_BY_FAILED,
	RATES_BY_IN_FLIGHT,
	RATES_BY_P99,
	RATES_BY_NAME,
	RATES_N_ORDERS,
};

/* As --sort has them; by place. */
extern const char *const rates_order_names[RATES_N_ORDERS];

/* The most first; by name, those of a kind in order. */
void rates_sort(struct rates_rows *rows, enum rates_order order);

#endif
