#include "wire/stats.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* Made longer than the wire takes, a name is none. False: no memory. */
static bool
copy_text(char **ret_text, const char *text, size_t max)
{
	if (!text || strlen(text) > max)
		text = "";
	*ret_text = strdup(text);
	return *ret_text != NULL;
}

static bool
copy_counters(dist_stat_counters *to, const struct dist_counters *from)
{
	size_t n = DIST_MIN(from->n, DIST_STAT_COUNTERS_MAX);

	to->dist_stat_counters_val = calloc(n + 1, sizeof(*to->dist_stat_counters_val));
	if (!to->dist_stat_counters_val)
		return false;
	for (size_t i = 0; i < n; i++) {
		dist_stat *stat = &to->dist_stat_counters_val[i];

		if (!copy_text(&stat->name, from->list[i].name, DIST_STAT_NAME_MAX))
			return false;
		stat->value = from->list[i].value;
		to->dist_stat_counters_len++;
	}
	return true;
}

static bool
copy_times(dist_stat_times *to, const struct dist_times *from)
{
	size_t n = DIST_MIN(from->n_buckets, DIST_STAT_BUCKETS_MAX);

	to->buckets.buckets_val = calloc(n + 1, sizeof(*to->buckets.buckets_val));
	if (!copy_text(&to->name, from->name, DIST_STAT_NAME_MAX) ||
	    !to->buckets.buckets_val)
		return false;
	to->count = from->count;
	to->sum_ns = from->sum_ns;
	to->max_ns = from->max_ns;
	for (size_t i = 0; i < n; i++)
		to->buckets.buckets_val[to->buckets.buckets_len++] =
			(dist_stat_bucket){ from->buckets[i].low_ns,
			                    from->buckets[i].end_ns,
			                    from->buckets[i].count };
	return true;
}

static bool
copy_procedure(dist_stat_procedure *to, const struct dist_procedure_stats *from)
{
	size_t n = DIST_MIN(from->n_times, DIST_STAT_TIMES_MAX);

	to->prog = from->program;
	to->vers = from->version;
	to->proc = from->procedure;
	if (!copy_text(&to->prog_name, from->program_name, DIST_STAT_IDENTIFIER_MAX) ||
	    !copy_text(&to->vers_name, from->version_name, DIST_STAT_IDENTIFIER_MAX) ||
	    !copy_text(&to->proc_name, from->procedure_name,
	               DIST_STAT_IDENTIFIER_MAX) ||
	    !copy_counters(&to->counters, &from->counters))
		return false;
	to->times.times_val = calloc(n + 1, sizeof(*to->times.times_val));
	if (!to->times.times_val)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!copy_times(&to->times.times_val[to->times.times_len++],
		                from->times[i]))
			return false;
	}
	return true;
}

static bool
copy_node(dist_stats_result *to, const struct dist_node_stats *from)
{
	size_t n = DIST_MIN(from->n_procedures, DIST_STAT_PROCEDURES_MAX);

	memcpy(to->instance, from->instance, sizeof(to->instance));
	if (!copy_counters(&to->counters, &from->counters))
		return false;
	to->procedures.procedures_val =
		calloc(n + 1, sizeof(*to->procedures.procedures_val));
	if (!to->procedures.procedures_val)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!copy_procedure(
			    &to->procedures
				     .procedures_val[to->procedures.procedures_len++],
			    from->procedures[i]))
			return false;
	}
	return true;
}

/* All texts are there, "" at least: a half-made one would not encode, or be freed. */
bool
dist_stats_to_wire(dist_stats_result *ret_result, const struct dist_node_stats *node)
{
	bool copied;

	memset(ret_result, 0, sizeof(*ret_result));
	copied = copy_node(ret_result, node);
	if (!copied)
		xdr_free((xdrproc_t)xdr_dist_stats_result, ret_result);
	return copied;
}
