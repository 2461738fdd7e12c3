#include "callers.h"

#include "counts.h"

#include <stdlib.h>

#define SHOWN 50

/* --- /callers ----------------------------------------------------------------- */

static void
print_caller(struct text *text, const struct dist_overview_caller *caller)
{
	text_add(text, "{\"name\":");
	text_json(text, caller->name);
	counts_name(text, "address", caller->address);
	text_print(text, ",\"age_ms\":%lld,\"idle_ms\":%lld,\"instance\":\"",
	           (long long)caller->age_ms, (long long)caller->idle_ms);
	for (unsigned i = 0; i < 16; i++)
		text_print(text, "%02x", caller->instance[i]);
	text_add(text, "\",");
	counts_print(text, caller->stats);
	text_add(text, "}");
}

void
callers_print(struct text *text, const struct dist_overview *overview,
              const struct dist_stats *totals)
{
	text_print(text, "{\"n\":%zu,\"callers\":[", overview->n_callers_in_all);
	for (size_t i = 0; i < overview->n_callers; i++) {
		text_add(text, i ? ",\n" : "\n");
		print_caller(text, &overview->callers[i]);
	}
	text_add(text, "\n],\"together\":{");
	counts_print(text, totals->nodes[0]);
	text_add(text, "}}\n");
}

/* --- The page ----------------------------------------------------------------- */

static double
rate(const struct dist_overview_caller *caller, uint64_t n)
{
	int64_t interval_ns = caller->recent.interval_ns;

	return interval_ns > 0 ? (double)n * 1e9 / (double)interval_ns : 0;
}

static int
by_rate(const void *a, const void *b)
{
	const struct dist_overview_caller *const *caller_a = a, *const *caller_b = b;
	double rate_a = rate(*caller_a, (*caller_a)->recent.calls);
	double rate_b = rate(*caller_b, (*caller_b)->recent.calls);

	return (rate_a < rate_b) - (rate_a > rate_b);
}

static void
print_busy(struct text *text, const struct dist_overview_caller *caller)
{
	const struct dist_counters *counters = &caller->stats->counters;
	const struct dist_overview_recent *recent = &caller->recent;

	text_add(text, "{\"id\":\"");
	for (unsigned i = 0; i < 8; i++)
		text_print(text, "%02x", caller->instance[i]);
	text_add(text, "\",\"name\":");
	text_json(text, caller->name);
	counts_name(text, "address", caller->address);
	text_print(text,
	           ",\"age_ms\":%lld,\"calls\":%llu,\"retries\":%llu,\"in_flight\":%llu,"
	           "\"calls_s\":%.4g,\"failed_s\":%.4g,"
	           "\"latency_p50_ns\":%llu,\"latency_p99_ns\":%llu}",
	           (long long)caller->age_ms,
	           (unsigned long long)dist_counters_value(counters, "calls"),
	           (unsigned long long)dist_counters_value(counters, "retries"),
	           (unsigned long long)dist_counters_value(counters, "in_flight"),
	           rate(caller, recent->calls), rate(caller, recent->failed),
	           (unsigned long long)recent->latency_p50_ns,
	           (unsigned long long)recent->latency_p99_ns);
}

void
callers_print_busiest(struct text *text, const struct dist_overview *overview)
{
	const struct dist_overview_caller **order =
		calloc(overview->n_callers + 1, sizeof(*order));

	if (!order) {
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < overview->n_callers; i++)
		order[i] = &overview->callers[i];
	qsort(order, overview->n_callers, sizeof(*order), by_rate);
	text_add(text, ",\"callers\":[");
	for (size_t i = 0; i < overview->n_callers && i < SHOWN; i++) {
		text_add(text, i ? "," : "");
		print_busy(text, order[i]);
	}
	text_print(text, "],\"n_callers\":%zu", overview->n_callers_in_all);
	free(order);
}
