/*
 * Of all procedures of a node, or a caller, together: their times are added up bucket by
 * bucket, as far as both answers have them.
 */
#include "master/recent.h"
#include "base/histogram.h"
#include "client/stats_fetch.h"
#include "idl/node.h"
#include "idl/registry.h"

static uint64_t
more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* A call that a caller sent again is one call; of nodes each try is. */
static uint64_t
n_over(const struct dist_procedure_stats *procedure)
{
	return more(dist_counters_value(&procedure->counters, "calls"),
	            dist_counters_value(&procedure->counters, "in_flight") +
	                    dist_counters_value(&procedure->counters, "retries"));
}

static void
add_buckets(struct dist_histogram *histogram, const struct dist_times *times, bool off)
{
	for (size_t i = 0; times && i < times->n_buckets; i++) {
		const struct dist_times_bucket *bucket = &times->buckets[i];

		/* Taking off is adding what brings it round to 0. */
		dist_histogram_add(histogram,
		                   dist_histogram_bucket((int64_t)bucket->low_ns),
		                   off ? -bucket->count : bucket->count, 0,
		                   off ? 0 : times->max_ns);
	}
}

static void
add_times(struct dist_histogram *histogram, const struct dist_procedure_stats *now,
          const struct dist_procedure_stats *before, const char *name)
{
	add_buckets(histogram, dist_times_find(now, name), false);
	if (before)
		add_buckets(histogram, dist_times_find(before, name), true);
}

/* The longest is of all times, not of these: nothing may be taken for it. */
static uint64_t
percentile_ns(const struct dist_histogram *histogram, double percent)
{
	if (dist_histogram_count(histogram) == 0)
		return 0;
	return dist_histogram_percentile_ns(histogram, percent);
}

struct dist_overview_recent
dist_recent_between(const struct dist_node_stats *before,
                    const struct dist_node_stats *now, int64_t interval_ns)
{
	struct dist_overview_recent recent = { .interval_ns = interval_ns };
	struct dist_histogram queue, service, latency;

	dist_histogram_init(&queue);
	dist_histogram_init(&service);
	dist_histogram_init(&latency);
	for (size_t i = 0; i < now->n_procedures; i++) {
		const struct dist_procedure_stats *is = now->procedures[i];
		const struct dist_procedure_stats *was = dist_stats_find(before, is, i);
		uint64_t calls, ok;

		if (is->program == DIST_NODE || is->program == DIST_REGISTRY)
			continue;
		calls = more(n_over(is), was ? n_over(was) : 0);
		ok = more(dist_counters_value(&is->counters, "ok"),
		          was ? dist_counters_value(&was->counters, "ok") : 0);
		recent.calls += calls;
		recent.failed += more(calls, ok);
		add_times(&queue, is, was, "queue_time");
		add_times(&service, is, was, "service_time");
		add_times(&latency, is, was, "latency");
	}
	recent.queue_p50_ns = percentile_ns(&queue, 50);
	recent.queue_p99_ns = percentile_ns(&queue, 99);
	recent.service_p50_ns = percentile_ns(&service, 50);
	recent.service_p90_ns = percentile_ns(&service, 90);
	recent.service_p99_ns = percentile_ns(&service, 99);
	recent.latency_p50_ns = percentile_ns(&latency, 50);
	recent.latency_p99_ns = percentile_ns(&latency, 99);
	return recent;
}
