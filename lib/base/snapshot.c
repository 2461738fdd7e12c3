/* Snapshots of what was counted, as they are made (snapshot.h) and read (dist/stats.h).
 */
#include "base/snapshot.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* --- Making ---------------------------------------------------------------------- */

void
dist_snapshot_init(struct dist_snapshot *snapshot)
{
	*snapshot = (struct dist_snapshot){ 0 };
	snapshot->stats = calloc(1, sizeof(*snapshot->stats));
	snapshot->failed = !snapshot->stats;
}

static const char *
snapshot_text(struct dist_snapshot *snapshot, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		snapshot->failed = true;
	return copy;
}

/*
 * Room for one more in a list of @n elements, which doubles when it is full: at powers
 * of two. The list, maybe elsewhere; NULL, and noted: no memory.
 */
static void *
snapshot_grow(struct dist_snapshot *snapshot, const void *list, size_t n, size_t size)
{
	void *grown;

	if (n > 0 && (n & (n - 1)) != 0)
		return (void *)(uintptr_t)list;
	grown = realloc((void *)(uintptr_t)list, (n ? 2 * n : 1) * size);
	if (!grown)
		snapshot->failed = true;
	return grown;
}

void
dist_snapshot_node(struct dist_snapshot *snapshot, const char *name,
                   const char *address, const uint8_t instance[16])
{
	struct dist_stats *stats = snapshot->stats;
	const struct dist_node_stats **list;
	struct dist_node_stats *node;

	if (snapshot->failed)
		return;
	list = snapshot_grow(snapshot, stats->nodes, stats->n_nodes, sizeof(*list));
	if (!list)
		return;
	stats->nodes = list;
	node = calloc(1, sizeof(*node));
	if (!node) {
		snapshot->failed = true;
		return;
	}
	list[stats->n_nodes++] = node;
	node->name = snapshot_text(snapshot, name);
	node->address = snapshot_text(snapshot, address);
	if (instance)
		memcpy(node->instance, instance, sizeof(node->instance));
	snapshot->node = node;
	snapshot->procedure = NULL;
}

void
dist_snapshot_procedure(struct dist_snapshot *snapshot,
                        const struct dist_procedure_stats *like)
{
	struct dist_node_stats *node = snapshot->node;
	const struct dist_procedure_stats **list;
	struct dist_procedure_stats *procedure;

	if (snapshot->failed)
		return;
	list = snapshot_grow(snapshot, node->procedures, node->n_procedures,
	                     sizeof(*list));
	if (!list)
		return;
	node->procedures = list;
	procedure = calloc(1, sizeof(*procedure));
	if (!procedure) {
		snapshot->failed = true;
		return;
	}
	list[node->n_procedures++] = procedure;
	procedure->program = like->program;
	procedure->version = like->version;
	procedure->procedure = like->procedure;
	procedure->program_name = snapshot_text(snapshot, like->program_name);
	procedure->version_name = snapshot_text(snapshot, like->version_name);
	procedure->procedure_name = snapshot_text(snapshot, like->procedure_name);
	snapshot->procedure = procedure;
}

void
dist_snapshot_counter(struct dist_snapshot *snapshot, const char *name, uint64_t value)
{
	struct dist_counters *counters;
	struct dist_counter *list;

	if (snapshot->failed)
		return;
	counters = snapshot->procedure ? &snapshot->procedure->counters
	                               : &snapshot->node->counters;
	list = snapshot_grow(snapshot, counters->list, counters->n, sizeof(*list));
	if (!list)
		return;
	counters->list = list;
	list[counters->n].name = snapshot_text(snapshot, name);
	list[counters->n++].value = value;
}

void
dist_snapshot_times_like(struct dist_snapshot *snapshot, const struct dist_times *like)
{
	struct dist_procedure_stats *procedure = snapshot->procedure;
	struct dist_times_bucket *buckets;
	const struct dist_times **list;
	struct dist_times *times;

	if (snapshot->failed)
		return;
	list = snapshot_grow(snapshot, procedure->times, procedure->n_times,
	                     sizeof(*list));
	if (!list)
		return;
	procedure->times = list;
	times = malloc(sizeof(*times));
	buckets = calloc(like->n_buckets + 1, sizeof(*buckets));
	if (!times || !buckets) {
		snapshot->failed = true;
		free(times);
		free(buckets);
		return;
	}
	*times = *like;
	times->name = snapshot_text(snapshot, like->name);
	if (like->n_buckets)
		memcpy(buckets, like->buckets, like->n_buckets * sizeof(*buckets));
	times->buckets = buckets;
	list[procedure->n_times++] = times;
}

void
dist_snapshot_times(struct dist_snapshot *snapshot, const char *name,
                    const struct dist_histogram *histogram)
{
	struct dist_times_bucket buckets[DIST_HISTOGRAM_BUCKETS];
	struct dist_times times = { .name = name, .buckets = buckets };

	if (!histogram)
		return;
	for (unsigned i = 0; i < DIST_HISTOGRAM_BUCKETS; i++) {
		uint64_t count = atomic_load_explicit(&histogram->buckets[i],
		                                      memory_order_relaxed);

		if (count == 0)
			continue;
		buckets[times.n_buckets++] = (struct dist_times_bucket){
			.low_ns = dist_histogram_bucket_low_ns(i),
			.end_ns = dist_histogram_bucket_end_ns(i),
			.count = count,
		};
		times.count += count;
	}
	times.sum_ns = dist_histogram_sum_ns(histogram);
	times.max_ns = dist_histogram_max_ns(histogram);
	if (times.count > 0)
		dist_snapshot_times_like(snapshot, &times);
}

enum dist_err
dist_snapshot_finish(struct dist_snapshot *snapshot, struct dist_stats **ret_stats)
{
	bool failed = snapshot->failed;
	struct dist_stats *stats = snapshot->stats;

	*snapshot = (struct dist_snapshot){ 0 };
	if (failed) {
		dist_stats_free(stats);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	*ret_stats = stats;
	return DIST_OK;
}

/* --- Freeing --------------------------------------------------------------------- */

static void
free_const(const void *memory)
{
	free((void *)(uintptr_t)memory);
}

static void
counters_free(const struct dist_counters *counters)
{
	for (size_t i = 0; i < counters->n; i++)
		free_const(counters->list[i].name);
	free_const(counters->list);
}

static void
procedure_free(const struct dist_procedure_stats *procedure)
{
	for (size_t i = 0; i < procedure->n_times; i++) {
		free_const(procedure->times[i]->name);
		free_const(procedure->times[i]->buckets);
		free_const(procedure->times[i]);
	}
	free_const(procedure->times);
	counters_free(&procedure->counters);
	free_const(procedure->program_name);
	free_const(procedure->version_name);
	free_const(procedure->procedure_name);
	free_const(procedure);
}

static void
node_free(const struct dist_node_stats *node)
{
	for (size_t i = 0; i < node->n_procedures; i++)
		procedure_free(node->procedures[i]);
	free_const(node->procedures);
	counters_free(&node->counters);
	free_const(node->name);
	free_const(node->address);
	free_const(node);
}

void
dist_stats_free(struct dist_stats *stats)
{
	if (!stats)
		return;
	for (size_t i = 0; i < stats->n_nodes; i++)
		node_free(stats->nodes[i]);
	free_const(stats->nodes);
	free(stats);
}

/* --- Reading --------------------------------------------------------------------- */

uint64_t
dist_counters_value(const struct dist_counters *counters, const char *name)
{
	for (size_t i = 0; i < counters->n; i++) {
		if (strcmp(counters->list[i].name, name) == 0)
			return counters->list[i].value;
	}
	return 0;
}

const struct dist_times *
dist_times_find(const struct dist_procedure_stats *procedure, const char *name)
{
	for (size_t i = 0; i < procedure->n_times; i++) {
		if (strcmp(procedure->times[i]->name, name) == 0)
			return procedure->times[i];
	}
	return NULL;
}

uint64_t
dist_times_percentile(const struct dist_times *times, double percent)
{
	uint64_t rank, seen = 0;

	if (!times || times->count == 0)
		return 0;
	if (percent >= 100)
		return times->max_ns;
	rank = dist_histogram_rank(times->count, percent);
	for (size_t i = 0; i < times->n_buckets; i++) {
		seen += times->buckets[i].count;
		if (seen >= rank)
			return dist_histogram_middle_ns(times->buckets[i].low_ns,
			                                times->buckets[i].end_ns,
			                                times->max_ns);
	}
	return times->max_ns;
}

/* How many of @then are in the bucket that begins at @low_ns; *@at goes on from the
 * last one asked for. */
static uint64_t
count_then(const struct dist_times *then, uint64_t low_ns, size_t *at)
{
	while (then && *at < then->n_buckets && then->buckets[*at].low_ns < low_ns)
		++*at;
	if (!then || *at == then->n_buckets || then->buckets[*at].low_ns != low_ns)
		return 0;
	return then->buckets[*at].count;
}

/* More of one bucket than before; 0, where @then was no earlier one. */
static uint64_t
count_since(const struct dist_times_bucket *bucket, const struct dist_times *then,
            size_t *at)
{
	uint64_t before = count_then(then, bucket->low_ns, at);

	return bucket->count > before ? bucket->count - before : 0;
}

uint64_t
dist_times_percentile_since(const struct dist_times *times,
                            const struct dist_times *then, double percent)
{
	uint64_t rank, total = 0, seen = 0;
	size_t at = 0;

	for (size_t i = 0; times && i < times->n_buckets; i++)
		total += count_since(&times->buckets[i], then, &at);
	if (total == 0)
		return 0;
	rank = dist_histogram_rank(total, percent);
	at = 0;
	for (size_t i = 0; i < times->n_buckets; i++) {
		const struct dist_times_bucket *bucket = &times->buckets[i];

		seen += count_since(bucket, then, &at);
		if (seen < rank)
			continue;
		if (percent >= 100)
			return DIST_MIN(bucket->end_ns, times->max_ns);
		return dist_histogram_middle_ns(bucket->low_ns, bucket->end_ns,
		                                times->max_ns);
	}
	return times->max_ns;
}
