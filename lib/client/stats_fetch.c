/* The statistics of a node anywhere, by STATS of the node program (dist/stats.h). */
#include "client/stats_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/snapshot.h"
#include "client/oneshot.h"
#include "io/resolve.h"

/* As many procedures as idl/node.x allows would not all be in use. */
#define RECORD_MAX ((size_t)64 * 1024 * 1024)

/* --- Out of what came ------------------------------------------------------------- */

static void
take_counters(struct dist_snapshot *snapshot, const dist_stat_counters *counters)
{
	for (u_int i = 0; i < counters->dist_stat_counters_len; i++)
		dist_snapshot_counter(snapshot,
		                      counters->dist_stat_counters_val[i].name,
		                      counters->dist_stat_counters_val[i].value);
}

static void
take_times(struct dist_snapshot *snapshot, const dist_stat_times *times)
{
	struct dist_times_bucket buckets[DIST_STAT_BUCKETS_MAX];
	const struct dist_times like = {
		.name = times->name,
		.count = times->count,
		.sum_ns = times->sum_ns,
		.max_ns = times->max_ns,
		.buckets = buckets,
		.n_buckets = times->buckets.buckets_len,
	};

	for (u_int i = 0; i < times->buckets.buckets_len; i++)
		buckets[i] = (struct dist_times_bucket){
			.low_ns = times->buckets.buckets_val[i].low_ns,
			.end_ns = times->buckets.buckets_val[i].end_ns,
			.count = times->buckets.buckets_val[i].count,
		};
	dist_snapshot_times_like(snapshot, &like);
}

static const char *
name_or_null(const char *name)
{
	return *name ? name : NULL;
}

static void
take_procedure(struct dist_snapshot *snapshot, const dist_stat_procedure *procedure)
{
	const struct dist_procedure_stats like = {
		.program = procedure->prog,
		.version = procedure->vers,
		.procedure = procedure->proc,
		.program_name = name_or_null(procedure->prog_name),
		.version_name = name_or_null(procedure->vers_name),
		.procedure_name = name_or_null(procedure->proc_name),
	};

	dist_snapshot_procedure(snapshot, &like);
	take_counters(snapshot, &procedure->counters);
	for (u_int i = 0; i < procedure->times.times_len; i++)
		take_times(snapshot, &procedure->times.times_val[i]);
}

enum dist_err
dist_stats_of_answer(struct dist_stats **ret_stats, const char *name,
                     const char *address, const dist_stats_result *result)
{
	struct dist_snapshot snapshot;

	dist_snapshot_init(&snapshot);
	dist_snapshot_node(&snapshot, name, address, (const uint8_t *)result->instance);
	take_counters(&snapshot, &result->counters);
	for (u_int i = 0; i < result->procedures.procedures_len; i++)
		take_procedure(&snapshot, &result->procedures.procedures_val[i]);
	return dist_snapshot_finish(&snapshot, ret_stats);
}

static bool
same_number(const struct dist_procedure_stats *a, const struct dist_procedure_stats *b)
{
	return a->program == b->program && a->version == b->version &&
	       a->procedure == b->procedure;
}

const struct dist_procedure_stats *
dist_stats_find(const struct dist_node_stats *node,
                const struct dist_procedure_stats *like, size_t guess)
{
	if (!node)
		return NULL;
	if (guess < node->n_procedures && same_number(node->procedures[guess], like))
		return node->procedures[guess];
	for (size_t i = 0; i < node->n_procedures; i++) {
		if (same_number(node->procedures[i], like))
			return node->procedures[i];
	}
	return NULL;
}

/* --- Asking ----------------------------------------------------------------------- */

static enum dist_err
fetch_from(struct dist_stats **ret_stats, const char *address,
           const struct dist_sockaddr *sockaddr, int64_t deadline_ns)
{
	const struct dist_oneshot oneshot = {
		.address = sockaddr,
		.prog = DIST_NODE,
		.vers = DIST_NODE_V1,
		.deadline_ns = deadline_ns,
		.max_record_bytes = RECORD_MAX,
	};
	dist_stats_result result;
	enum dist_err err;

	memset(&result, 0, sizeof(result));
	err = dist_oneshot_call(&oneshot, DIST_NODE_STATS, (xdrproc_t)xdr_void, NULL,
	                        (xdrproc_t)xdr_dist_stats_result, &result);
	if (err)
		return err;
	err = dist_stats_of_answer(ret_stats, address, address, &result);
	xdr_free((xdrproc_t)xdr_dist_stats_result, &result);
	return err;
}

enum dist_err
dist_stats_fetch(struct dist_stats **ret_stats, const char *address, int64_t timeout_ms)
{
	int64_t deadline_ns = dist_deadline_in_ms(timeout_ms);
	struct dist_addresses addresses;
	struct dist_hostport where;
	enum dist_err err;

	err = dist_hostport_parse(address, strlen(address), &where);
	if (!err && where.port <= 0)
		err = dist_error_set(DIST_EADDRESS,
		                     "\"%s\" has no port: write HOST:PORT", address);
	if (!err)
		err = dist_resolve(where.host, where.port, deadline_ns, NULL,
		                   &addresses);
	if (err)
		return err;
	/* A name may stand for several addresses, of which not all are listened on. */
	for (unsigned i = 0; i < addresses.n; i++) {
		err = fetch_from(ret_stats, address, &addresses.list[i], deadline_ns);
		if (err != DIST_ECONNECT)
			return err;
	}
	return err;
}
