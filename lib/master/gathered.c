#include "master/gathered.h"
#include "client/stats_fetch.h"

#include <stdlib.h>

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

static size_t
counters_bytes(const struct dist_counters *counters)
{
	return counters->n * (2 * sizeof(struct dist_counter) + 32);
}

/* What an answer takes in memory, roughly: names are short, and lists grow by halves.
 */
static size_t
stats_bytes(const struct dist_node_stats *node)
{
	size_t bytes = sizeof(*node) + counters_bytes(&node->counters);

	for (size_t i = 0; i < node->n_procedures; i++) {
		const struct dist_procedure_stats *procedure = node->procedures[i];

		bytes +=
			sizeof(*procedure) + 256 + counters_bytes(&procedure->counters);
		for (size_t j = 0; j < procedure->n_times; j++)
			bytes += sizeof(struct dist_times) + 64 +
			         procedure->times[j]->n_buckets *
			                 sizeof(struct dist_times_bucket);
	}
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
	gathered->bytes = stats_bytes(gathered->stats->nodes[0]);
	return gathered;
}
