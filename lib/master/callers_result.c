/* CALLERS of the registry (idl/registry.x). The copies are rpcgen's to free. */
#include "idl/registry.h"
#include "master/master_internal.h"
#include "wire/stats.h"

#include <stdlib.h>
#include <string.h>

#define CALLERS_MAX 1000 /* as in idl/registry.x */

static bool
put_counter(dist_stat_counters *counters, const char *name, uint64_t value)
{
	dist_stat *stat = &counters->dist_stat_counters_val[counters->dist_stat_counters_len];

	stat->name = strdup(name);
	stat->value = value;
	counters->dist_stat_counters_len += stat->name != NULL;
	return stat->name != NULL;
}

/* Not all that a caller tells: of a thousand callers that would be too much. */
static bool
put_counters(dist_stat_counters *counters, const struct dist_node_stats *stats)
{
	static const char *const names[] = { "calls", "ok", "retries", "in_flight" };
	const size_t n = sizeof(names) / sizeof(names[0]);

	counters->dist_stat_counters_val =
		calloc(n, sizeof(*counters->dist_stat_counters_val));
	if (!counters->dist_stat_counters_val)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!put_counter(counters, names[i],
		                 dist_counters_value(&stats->counters, names[i])))
			return false;
	}
	return true;
}

static bool
put_caller(dist_caller *caller, const struct dist_caller_row *row)
{
	const struct dist_node_stats *stats = row->latest->stats->nodes[0];

	memcpy(caller->instance, row->instance, sizeof(dist_id));
	caller->name = strdup(stats->name);
	caller->address = strdup(stats->address);
	caller->age_ms = (u_int)DIST_MIN(row->age_ms, UINT32_MAX);
	caller->idle_ms = (u_int)DIST_MIN(row->idle_ms, UINT32_MAX);
	caller->recent = (dist_caller_recent){
		.interval_ns = (u_quad_t)row->recent.interval_ns,
		.calls = row->recent.calls,
		.failed = row->recent.failed,
		.latency_p50_ns = row->recent.latency_p50_ns,
		.latency_p99_ns = row->recent.latency_p99_ns,
	};
	return caller->name && caller->address &&
	       put_counters(&caller->counters, stats);
}

static bool
put_list(dist_callers *result, struct dist_callers_book *book)
{
	struct dist_caller_row *rows = calloc(CALLERS_MAX, sizeof(*rows));
	bool done = rows != NULL;
	size_t n, in_all;

	result->list.list_val = calloc(CALLERS_MAX, sizeof(*result->list.list_val));
	if (!rows || !result->list.list_val) {
		free(rows);
		return false;
	}
	n = dist_callers_list(book, rows, CALLERS_MAX, &in_all);
	result->n = (u_int)in_all;
	for (size_t i = 0; i < n; i++) {
		/* Also one that there was no memory for: xdr_free() sees to it. */
		done = done && put_caller(&result->list.list_val[result->list.list_len++],
		                          &rows[i]);
		dist_gathered_unref(rows[i].latest);
	}
	free(rows);
	return done;
}

static bool
put_together(dist_callers *result, struct dist_master *master)
{
	struct dist_stats *stats;
	bool done;

	if (dist_totals_stats(master->totals, DIST_TELLER_CALLER, &stats))
		return false;
	done = dist_stats_to_wire(&result->together, stats->nodes[0]);
	dist_stats_free(stats);
	return done;
}

/* Without statistics it has no callers to show, and says so by an instance of zeros. */
bool_t
dist_callers_1_svc(dist_callers *result, struct svc_req *rqstp)
{
	struct dist_master *master = dist_request_server_arg(rqstp);

	memset(result, 0, sizeof(*result));
	if (!master->callers)
		return TRUE;
	if (!put_list(result, master->callers) || !put_together(result, master)) {
		xdr_free((xdrproc_t)xdr_dist_callers, result);
		return FALSE;
	}
	memcpy(result->together.instance, master->id, sizeof(dist_id));
	return TRUE;
}
