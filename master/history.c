#include "history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_MS 5000 /* the totals of then are one to two of these old */

#define SINCE_MS 2000 /* by so much a time of registration may be off */

#define FRAMEWORK_FIRST 0x2d150000u
#define FRAMEWORK_LAST  0x2d15ffffu

bool
is_framework_program(uint32_t program)
{
	return program >= FRAMEWORK_FIRST && program <= FRAMEWORK_LAST;
}

/* --- Nodes -------------------------------------------------------------------- */

struct node_load
node_load(const struct dist_overview_node *node)
{
	struct node_load load = { .in_flight = node->in_flight,
		                  .queued = node->queued,
		                  .running = node->in_flight,
		                  .capacity = node->capacity };

	if (node->state == DIST_OVERVIEW_GONE)
		return (struct node_load){ 0 };
	if (!node->stats)
		return load;
	load.queued = dist_counters_value(&node->stats->counters, "queued");
	load.running = dist_counters_value(&node->stats->counters, "running");
	load.in_flight = 0;
	for (size_t i = 0; i < node->stats->n_procedures; i++) {
		const struct dist_procedure_stats *procedure =
			node->stats->procedures[i];

		if (!is_framework_program(procedure->program))
			load.in_flight +=
				dist_counters_value(&procedure->counters, "in_flight");
	}
	return load;
}

bool
node_is_silent(const struct dist_overview_node *node)
{
	return node->state != DIST_OVERVIEW_GONE && node->stats_error;
}

static int
by_instance(const void *a, const void *b)
{
	const struct history_row *row_a = a, *row_b = b;

	return memcmp(row_a->instance, row_b->instance, sizeof(row_a->instance));
}

static void
rows_free(struct history_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].told);
	free(rows);
}

static float
calls_a_second(const struct dist_overview_node *node)
{
	if (node->state == DIST_OVERVIEW_GONE || node->recent.interval_ns <= 0)
		return 0;
	return (float)((double)node->recent.calls * 1e9 /
	               (double)node->recent.interval_ns);
}

/* As it was, if it was there, with one point more. */
static void
row_fill(struct history_row *row, const struct dist_overview_node *node,
         struct history_row *old, int64_t wall_ms)
{
	if (old) {
		*row = *old;
		old->told = NULL;
		old->since_ms = -1;
	}
	/* It does not move with the clocks, only when the node registered anew. */
	if (!old || llabs(row->since_ms - (wall_ms - node->age_ms)) > SINCE_MS)
		row->since_ms = wall_ms - node->age_ms;
	memcpy(row->instance, node->instance, sizeof(row->instance));
	memmove(row->calls, row->calls + 1,
	        (HISTORY_POINTS - 1) * sizeof(row->calls[0]));
	row->calls[HISTORY_POINTS - 1] = calls_a_second(node);
}

/* Those that were not taken over stay behind. */
static void
keep_left(struct history *history, struct history_row *old, size_t n_old)
{
	size_t n = 0;

	for (size_t i = 0; i < n_old; i++) {
		if (old[i].since_ms == -1)
			continue;
		if (n < i)
			old[n] = old[i];
		n++;
	}
	history->left = old;
	history->n_left = n;
}

static bool
take_rows(struct history *history, const struct dist_overview *overview)
{
	struct history_row *rows = calloc(overview->n_nodes + 1, sizeof(*rows));
	struct timespec wall;

	if (!rows)
		return false;
	rows_free(history->left, history->n_left);
	clock_gettime(CLOCK_REALTIME, &wall);
	if (history->n_rows)
		qsort(history->rows, history->n_rows, sizeof(*rows), by_instance);
	for (size_t i = 0; i < overview->n_nodes; i++) {
		struct history_row key, *old = NULL;

		memcpy(key.instance, overview->nodes[i].instance, sizeof(key.instance));
		if (history->n_rows)
			old = bsearch(&key, history->rows, history->n_rows,
			              sizeof(*rows), by_instance);
		row_fill(&rows[i], &overview->nodes[i], old,
		         (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000);
	}
	keep_left(history, history->rows, history->n_rows);
	history->rows = rows;
	history->n_rows = overview->n_nodes;
	return true;
}

/* --- Percentiles of all procedures together ----------------------------------- */

struct span {
	uint64_t low_ns, end_ns, count;
};

static int
by_low(const void *a, const void *b)
{
	const struct span *span_a = a, *span_b = b;

	return (span_a->low_ns > span_b->low_ns) - (span_a->low_ns < span_b->low_ns);
}

/* The totals keep their order, and only grow. */
const struct dist_procedure_stats *
history_then(const struct history_window *window, size_t i)
{
	const struct dist_stats *then = window->then;

	return then && i < then->nodes[0]->n_procedures ? then->nodes[0]->procedures[i]
	                                                : NULL;
}

static uint64_t
count_then(const struct dist_times *then, uint64_t low_ns)
{
	for (size_t i = 0; then && i < then->n_buckets; i++) {
		if (then->buckets[i].low_ns == low_ns)
			return then->buckets[i].count;
	}
	return 0;
}

/* All that came since then, in @spans, which has room for it; how many there are. */
static size_t
collect_spans(const struct history *history, const char *name, struct span *spans)
{
	const struct dist_node_stats *all = history->nodes.totals->nodes[0];
	size_t n = 0;

	for (size_t i = 0; i < all->n_procedures; i++) {
		const struct dist_procedure_stats *now = all->procedures[i];
		const struct dist_procedure_stats *was =
			history_then(&history->nodes, i);
		const struct dist_times *times = dist_times_find(now, name);
		const struct dist_times *before =
			was ? dist_times_find(was, name) : NULL;

		if (is_framework_program(now->program))
			continue;
		for (size_t j = 0; times && j < times->n_buckets; j++) {
			const struct dist_times_bucket *bucket = &times->buckets[j];
			uint64_t count =
				bucket->count - count_then(before, bucket->low_ns);

			if (count)
				spans[n++] = (struct span){ bucket->low_ns,
					                    bucket->end_ns, count };
		}
	}
	qsort(spans, n, sizeof(*spans), by_low);
	return n;
}

static size_t
count_buckets(const struct dist_node_stats *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n_procedures; i++) {
		for (size_t j = 0; j < all->procedures[i]->n_times; j++)
			n += all->procedures[i]->times[j]->n_buckets;
	}
	return n;
}

static uint64_t
percentile_ns(const struct span *spans, size_t n, double percent)
{
	uint64_t total = 0, seen = 0;

	for (size_t i = 0; i < n; i++)
		total += spans[i].count;
	for (size_t i = 0; i < n; i++) {
		seen += spans[i].count;
		if ((double)seen * 100 >= (double)total * percent)
			return spans[i].end_ns == UINT64_MAX
			               ? spans[i].low_ns
			               : spans[i].low_ns +
			                         (spans[i].end_ns - spans[i].low_ns) /
			                                 2;
	}
	return 0;
}

static void
moment_take_times(struct history *history, struct history_moment *moment)
{
	size_t n = count_buckets(history->nodes.totals->nodes[0]);
	struct span *spans = calloc(n + 1, sizeof(*spans));

	if (!spans)
		return; /* shown as if there had been no calls */
	n = collect_spans(history, "service_time", spans);
	moment->service_p50_ns = percentile_ns(spans, n, 50);
	moment->service_p90_ns = percentile_ns(spans, n, 90);
	moment->service_p99_ns = percentile_ns(spans, n, 99);
	n = collect_spans(history, "queue_time", spans);
	moment->queue_p50_ns = percentile_ns(spans, n, 50);
	moment->queue_p99_ns = percentile_ns(spans, n, 99);
	free(spans);
}

/* --- All nodes together ------------------------------------------------------- */

static void
moment_add(struct history_moment *moment, const struct dist_overview_node *node)
{
	struct node_load load = node_load(node);

	moment->n_live += node->state == DIST_OVERVIEW_LIVE;
	moment->n_draining += node->state == DIST_OVERVIEW_DRAINING;
	moment->n_gone += node->state == DIST_OVERVIEW_GONE;
	moment->n_silent += node_is_silent(node);
	moment->in_flight += load.in_flight;
	moment->queued += load.queued;
	moment->running += load.running;
	moment->capacity += load.capacity;
	if (node->state == DIST_OVERVIEW_GONE || node->recent.interval_ns <= 0)
		return;
	moment->calls +=
		(double)node->recent.calls * 1e9 / (double)node->recent.interval_ns;
	moment->failed +=
		(double)node->recent.failed * 1e9 / (double)node->recent.interval_ns;
}

/* Every WINDOW_MS the totals of now are put aside, to be those of then later. */
static void
window_take(struct history_window *window, struct dist_stats *totals, int64_t now_ms)
{
	if (window->totals != window->newer)
		dist_stats_free(window->totals);
	window->totals = totals;
	window->now_ms = now_ms;
	if (!window->newer || now_ms - window->newer_ms >= WINDOW_MS) {
		dist_stats_free(window->older);
		window->older = window->newer;
		window->older_ms = window->newer_ms;
		window->newer = totals;
		window->newer_ms = now_ms;
	}
	window->then = window->older;
	window->then_ms = window->older_ms;
}

static void
window_fini(struct history_window *window)
{
	if (window->totals != window->newer)
		dist_stats_free(window->totals);
	dist_stats_free(window->newer);
	dist_stats_free(window->older);
}

bool
history_take(struct history *history, const struct dist_overview *overview,
             struct dist_stats *nodes, struct dist_stats *callers, int64_t now_ms)
{
	struct history_moment moment = { 0 };

	window_take(&history->nodes, nodes, now_ms);
	window_take(&history->callers, callers, now_ms);
	if (!take_rows(history, overview))
		return false;
	for (size_t i = 0; i < overview->n_nodes; i++)
		moment_add(&moment, &overview->nodes[i]);
	moment_take_times(history, &moment);
	memmove(history->moments, history->moments + 1,
	        (HISTORY_POINTS - 1) * sizeof(history->moments[0]));
	history->moments[HISTORY_POINTS - 1] = moment;
	return true;
}

void
history_fini(struct history *history)
{
	window_fini(&history->nodes);
	window_fini(&history->callers);
	rows_free(history->rows, history->n_rows);
	rows_free(history->left, history->n_left);
	*history = (struct history){ 0 };
}
