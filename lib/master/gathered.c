#include "master/gathered.h"
#include "client/stats_fetch.h"

#include <stdlib.h>
#include <string.h>

struct dist_gathered *
dist_gathered_ref(struct dist_gathered *gathered)
{
	if (gathered)
		atomic_fetch_add_explicit(&gathered->refs, 1, memory_order_relaxed);
	return gathered;
}

void
dist_gathered_unref(struct dist_gathered *gathered)
{
	if (!gathered ||
	    atomic_fetch_sub_explicit(&gathered->refs, 1, memory_order_acq_rel) > 1)
		return;
	dist_stats_free(gathered->stats);
	free(gathered);
}

/* What an allocation takes besides what was asked for, and is rounded up by. */
#define ALLOCATION 24

static size_t
text_bytes(const char *text)
{
	return text ? ALLOCATION + strlen(text) : 0;
}

/* Lists grow to twice what they had. */
static size_t
counters_bytes(const struct dist_counters *counters)
{
	size_t bytes = ALLOCATION + counters->n * 2 * sizeof(struct dist_counter);

	for (size_t i = 0; i < counters->n; i++)
		bytes += text_bytes(counters->list[i].name);
	return bytes;
}

static size_t
times_bytes(const struct dist_times *times)
{
	return 2 * ALLOCATION + sizeof(*times) + text_bytes(times->name) +
	       (times->n_buckets + 1) * sizeof(struct dist_times_bucket);
}

static size_t
procedure_bytes(const struct dist_procedure_stats *procedure)
{
	size_t bytes = 2 * ALLOCATION + sizeof(*procedure) +
	               text_bytes(procedure->program_name) +
	               text_bytes(procedure->version_name) +
	               text_bytes(procedure->procedure_name) +
	               counters_bytes(&procedure->counters) +
	               procedure->n_times * 2 * sizeof(struct dist_times *);

	for (size_t i = 0; i < procedure->n_times; i++)
		bytes += times_bytes(procedure->times[i]);
	return bytes;
}

/* What an answer takes in memory; all of it, for who tells it chooses how long names are. */
static size_t
gathered_bytes(const struct dist_stats *stats)
{
	const struct dist_node_stats *node = stats->nodes[0];
	size_t bytes = 5 * ALLOCATION + sizeof(struct dist_gathered) + sizeof(*stats) +
	               sizeof(*node) + text_bytes(node->name) +
	               text_bytes(node->address) + counters_bytes(&node->counters) +
	               node->n_procedures * 2 * sizeof(struct dist_procedure_stats *);

	for (size_t i = 0; i < node->n_procedures; i++)
		bytes += procedure_bytes(node->procedures[i]);
	return bytes;
}

struct dist_gathered *
dist_gathered_new(const char *name, const char *address,
                  const dist_stats_result *answer)
{
	struct dist_gathered *gathered = calloc(1, sizeof(*gathered));

	if (!gathered)
		return NULL;
	atomic_init(&gathered->refs, 1);
	if (dist_stats_of_answer(&gathered->stats, name, address, answer)) {
		free(gathered);
		return NULL;
	}
	gathered->bytes = gathered_bytes(gathered->stats);
	return gathered;
}
