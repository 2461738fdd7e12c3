/*
 * Histograms are added up bucket by bucket: the differences of all are put in one list,
 * sorted, and those of one range become one.
 */
#include "distctl/rates.h"

#include "distctl/figures.h"

#include <stdlib.h>
#include <string.h>

/* --- How long ---------------------------------------------------------------------- */

static uint64_t
more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void
spread_add_bucket(struct spread *spread, const struct dist_times_bucket *bucket,
                  uint64_t count)
{
	struct dist_times_bucket *buckets;

	/* Room for twice as many, whenever their number is a power of two. */
	if ((spread->n & (spread->n - 1)) == 0) {
		size_t room = spread->n ? 2 * spread->n : 1;

		buckets = reallocarray(spread->buckets, room, sizeof(*buckets));
		if (!buckets) {
			spread->failed = true;
			return;
		}
		spread->buckets = buckets;
	}
	spread->buckets[spread->n] = *bucket;
	spread->buckets[spread->n++].count = count;
}

/* What came to @now since @before, which may be NULL, as may @now. */
static void
spread_add(struct spread *spread, const struct dist_times *now,
           const struct dist_times *before)
{
	size_t at = 0;

	for (size_t i = 0; now && i < now->n_buckets; i++) {
		const struct dist_times_bucket *bucket = &now->buckets[i];
		uint64_t was = 0;

		while (before && at < before->n_buckets &&
		       before->buckets[at].low_ns < bucket->low_ns)
			at++;
		if (before && at < before->n_buckets &&
		    before->buckets[at].low_ns == bucket->low_ns)
			was = before->buckets[at].count;
		if (bucket->count > was && !spread->failed)
			spread_add_bucket(spread, bucket, bucket->count - was);
	}
	if (now && now->max_ns > spread->max_ns)
		spread->max_ns = now->max_ns;
}

static int
compare_buckets(const void *left, const void *right)
{
	const struct dist_times_bucket *a = left, *b = right;

	return (a->low_ns > b->low_ns) - (a->low_ns < b->low_ns);
}

/* As times of <dist/stats.h>, in the spread's memory. */
static struct dist_times
spread_times(struct spread *spread)
{
	struct dist_times times = { .max_ns = spread->max_ns };
	size_t n = 0;

	if (spread->n > 0)
		qsort(spread->buckets, spread->n, sizeof(*spread->buckets),
		      compare_buckets);
	for (size_t i = 0; i < spread->n; i++) {
		times.count += spread->buckets[i].count;
		if (n > 0 && spread->buckets[n - 1].low_ns == spread->buckets[i].low_ns)
			spread->buckets[n - 1].count += spread->buckets[i].count;
		else
			spread->buckets[n++] = spread->buckets[i];
	}
	times.buckets = spread->buckets;
	times.n_buckets = n;
	return times;
}

/* --- Rows -------------------------------------------------------------------------- */

static void
row_fini(struct rates_row *row)
{
	free(row->name);
	free(row->ran.buckets);
	free(row->waited.buckets);
}

static void
row_finish(struct rates_row *row)
{
	struct dist_times ran = spread_times(&row->ran);
	struct dist_times waited = spread_times(&row->waited);

	row->ran_p50_ns = dist_times_percentile(&ran, 50);
	row->ran_p99_ns = dist_times_percentile(&ran, 99);
	row->waited_p99_ns = dist_times_percentile(&waited, 99);
	free(row->ran.buckets);
	free(row->waited.buckets);
	row->ran = row->waited = (struct spread){ 0 };
}

/* NULL: no memory. Borrowed until the next one is added. */
static struct rates_row *
rows_add(struct rates_rows *rows, const char *name)
{
	struct rates_row *list = reallocarray(rows->list, rows->n + 1, sizeof(*list));
	char *copy = strdup(name);

	if (list)
		rows->list = list;
	if (!list || !copy) {
		free(copy);
		return NULL;
	}
	list[rows->n] = (struct rates_row){ .name = copy };
	return &list[rows->n++];
}

static void
rows_fini(struct rates_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_fini(&rows->list[i]);
	free(rows->list);
}

static void
rows_finish(struct rates_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_finish(&rows->list[i]);
}

static bool
is_same(const struct dist_procedure_stats *a, const struct dist_procedure_stats *b)
{
	return a->program == b->program && a->version == b->version &&
	       a->procedure == b->procedure;
}

/* The row of a procedure, whatever node it is of. NULL: no memory. */
static struct rates_row *
procedure_row(struct rates *rates, const struct dist_procedure_stats *procedure)
{
	char name[FIGURES_NAME_MAX];
	struct rates_row *row;

	for (size_t i = 0; i < rates->procedures.n; i++) {
		row = &rates->procedures.list[i];
		if (row->program == procedure->program &&
		    row->version == procedure->version &&
		    row->procedure == procedure->procedure)
			return row;
	}
	figures_procedure_name(procedure, name);
	row = rows_add(&rates->procedures, name);
	if (!row)
		return NULL;
	row->program = procedure->program;
	row->version = procedure->version;
	row->procedure = procedure->procedure;
	return row;
}

/* --- Adding ------------------------------------------------------------------------ */

static const struct dist_procedure_stats *
find_before(const struct dist_node_stats *before,
            const struct dist_procedure_stats *procedure)
{
	for (size_t i = 0; before && i < before->n_procedures; i++) {
		if (is_same(before->procedures[i], procedure))
			return before->procedures[i];
	}
	return NULL;
}

static uint64_t
n_over(const struct dist_procedure_stats *procedure)
{
	return more(dist_counters_value(&procedure->counters, "calls"),
	            dist_counters_value(&procedure->counters, "in_flight"));
}

/* What one procedure of one node comes to, in one row. */
static void
row_add(struct rates_row *row, const struct dist_procedure_stats *before,
        const struct dist_procedure_stats *now, double seconds)
{
	uint64_t over = more(n_over(now), before ? n_over(before) : 0);
	uint64_t ok = more(dist_counters_value(&now->counters, "ok"),
	                   before ? dist_counters_value(&before->counters, "ok") : 0);

	row->in_flight += dist_counters_value(&now->counters, "in_flight");
	if (seconds <= 0)
		return;
	row->measured = true;
	row->calls += (double)over / seconds;
	row->failed += (double)more(over, ok) / seconds;
	spread_add(&row->ran, dist_times_find(now, "service_time"),
	           before ? dist_times_find(before, "service_time") : NULL);
	spread_add(&row->waited, dist_times_find(now, "queue_time"),
	           before ? dist_times_find(before, "queue_time") : NULL);
}

void
rates_init(struct rates *rates)
{
	memset(rates, 0, sizeof(*rates));
}

void
rates_fini(struct rates *rates)
{
	row_fini(&rates->total);
	rows_fini(&rates->nodes);
	rows_fini(&rates->procedures);
}

/* A procedure that was not called before counts from 0, if its node was asked before. */
static void
add_procedure(struct rates *rates, struct rates_row *node,
              const struct dist_node_stats *before,
              const struct dist_procedure_stats *now, double seconds)
{
	const struct dist_procedure_stats *was = find_before(before, now);
	struct rates_row *row = procedure_row(rates, now);

	row_add(node, was, now, seconds);
	row_add(&rates->total, was, now, seconds);
	if (row)
		row_add(row, was, now, seconds);
	else
		rates->failed = true;
}

void
rates_add(struct rates *rates, const char *name, const char *state,
          const struct dist_node_stats *before, const struct dist_node_stats *now,
          int64_t interval_ns)
{
	struct rates_row *node = rows_add(&rates->nodes, name);
	double seconds = before && interval_ns > 0 ? (double)interval_ns / 1e9 : 0;

	if (!node) {
		rates->failed = true;
		return;
	}
	node->state = state;
	if (!now)
		return;
	node->answered = true;
	node->measured = seconds > 0;
	rates->total.answered = true;
	rates->total.measured |= node->measured;
	node->queued = dist_counters_value(&now->counters, "queued");
	rates->total.queued += node->queued;
	for (size_t i = 0; i < now->n_procedures; i++) {
		if (!figures_is_ours(now->procedures[i]))
			add_procedure(rates, node, before, now->procedures[i], seconds);
	}
}

void
rates_finish(struct rates *rates)
{
	row_finish(&rates->total);
	rows_finish(&rates->nodes);
	rows_finish(&rates->procedures);
}

/* --- In order ---------------------------------------------------------------------- */

static int
by_name(const void *left, const void *right)
{
	return strverscmp(((const struct rates_row *)left)->name,
	                  ((const struct rates_row *)right)->name);
}

#define DEFINE_ORDER(name_, member) \
	static int name_(const void *left, const void *right) \
	{ \
		const struct rates_row *a = left, *b = right; \
		int order = (a->member < b->member) - (a->member > b->member); \
\
		return order ? order : by_name(left, right); \
	}

DEFINE_ORDER(by_calls, calls)
DEFINE_ORDER(by_failed, failed)
DEFINE_ORDER(by_in_flight, in_flight)
DEFINE_ORDER(by_p99, ran_p99_ns)

const char *const rates_order_names[RATES_N_ORDERS] = {
	[RATES_BY_CALLS] = "calls",         [RATES_BY_FAILED] = "failed",
	[RATES_BY_IN_FLIGHT] = "in-flight", [RATES_BY_P99] = "p99",
	[RATES_BY_NAME] = "name",
};

void
rates_sort(struct rates_rows *rows, enum rates_order order)
{
	static int (*const orders[])(const void *, const void *) = {
		[RATES_BY_CALLS] = by_calls,         [RATES_BY_FAILED] = by_failed,
		[RATES_BY_IN_FLIGHT] = by_in_flight, [RATES_BY_P99] = by_p99,
		[RATES_BY_NAME] = by_name,
	};

	if (rows->n > 1)
		qsort(rows->list, rows->n, sizeof(*rows->list), orders[order]);
}
