/* What a cluster has counted, as dist/stats.h has it: node by node, or all together. */
#include <dist/stats.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/snapshot.h"
#include "client/cluster.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/stats_counts.h"

static const char *const outcome_names[] = {
#define OUTCOME_NAME(name, text) [DIST_OUTCOME_##name] = text,
	DIST_OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
};

static void
snapshot_counters(struct dist_snapshot *snapshot,
                  const struct dist_procedure_counts *counts)
{
	uint64_t outcomes[DIST_N_OUTCOMES], calls = 0;

	for (unsigned i = 0; i < DIST_N_OUTCOMES; i++)
		calls += outcomes[i] = dist_count_get(&counts->outcomes[i]);
	dist_snapshot_counter(snapshot, "calls", calls);
	for (unsigned i = 0; i < DIST_N_OUTCOMES; i++)
		dist_snapshot_counter(snapshot, outcome_names[i], outcomes[i]);
	dist_snapshot_counter(snapshot, "retries", dist_count_get(&counts->retries));
	dist_snapshot_counter(snapshot, "hedges", dist_count_get(&counts->hedges));
	dist_snapshot_counter(snapshot, "hedges_won",
	                      dist_count_get(&counts->hedges_won));
	dist_snapshot_counter(snapshot, "undecodable",
	                      dist_count_get(&counts->undecodable));
	dist_snapshot_counter(snapshot, "call_bytes",
	                      dist_count_get(&counts->call_bytes));
	dist_snapshot_counter(snapshot, "reply_bytes",
	                      dist_count_get(&counts->reply_bytes));
}

static void
snapshot_procedure(struct dist_snapshot *snapshot,
                   const struct dist_procedure_counts *counts)
{
	const struct dist_procedure_stats named = { .program = counts->prog,
		                                    .version = counts->vers,
		                                    .procedure = counts->proc };

	dist_snapshot_procedure(snapshot, &named);
	snapshot_counters(snapshot, counts);
	dist_snapshot_times(snapshot, "latency", counts->latency);
}

static void
snapshot_procedures(struct dist_snapshot *snapshot, struct dist_peer_counts *counts)
{
	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		const struct dist_procedure_counts *procedure =
			atomic_load_explicit(&counts->slots[i], memory_order_acquire);

		for (; procedure; procedure = procedure->next)
			snapshot_procedure(snapshot, procedure);
	}
}

static void
snapshot_peer_counts(struct dist_snapshot *snapshot, struct dist_peer_counts *counts)
{
	dist_snapshot_counter(snapshot, "late", dist_count_get(&counts->late));
	dist_snapshot_counter(snapshot, "stray", dist_count_get(&counts->stray));
	dist_snapshot_counter(snapshot, "set_aside", dist_count_get(&counts->set_aside));
	dist_snapshot_counter(snapshot, "over_budget",
	                      dist_count_get(&counts->over_budget));
	snapshot_procedures(snapshot, counts);
}

/* --- Node by node ----------------------------------------------------------------- */

/* One that was never called is left out. */
static void
snapshot_peer(struct dist_snapshot *snapshot, struct dist_peer *peer)
{
	if (!atomic_load_explicit(&peer->counts.n_procedures, memory_order_relaxed))
		return;
	dist_snapshot_node(snapshot, peer->info.name, peer->info.address,
	                   peer->info.instance);
	dist_snapshot_counter(snapshot, "in_flight", atomic_load(&peer->in_flight));
	snapshot_peer_counts(snapshot, &peer->counts);
}

static void
snapshot_gone(struct dist_snapshot *snapshot, struct dist_peer_counts *gone)
{
	if (!atomic_load(&gone->n_procedures))
		return;
	dist_snapshot_node(snapshot, NULL, NULL, NULL);
	snapshot_peer_counts(snapshot, gone);
}

enum dist_err
dist_cluster_stats(struct dist_stats **ret_stats, struct dist_cluster *cluster)
{
	struct dist_client_counts *all = dist_runtime_counts(cluster->route.runtime);
	struct dist_peer_counts *counts, *next;
	struct dist_snapshot snapshot;

	if (dist_runtime_forked(cluster->route.runtime))
		return dist_error_set_plain(DIST_EFORKED);
	dist_snapshot_init(&snapshot);
	dist_lock(&all->lock);
	DIST_LIST_EACH (counts, next, &all->peers, link)
		snapshot_peer(&snapshot,
		              DIST_CONTAINER_OF(counts, struct dist_peer, counts));
	snapshot_gone(&snapshot, &all->gone);
	dist_unlock(&all->lock);
	return dist_snapshot_finish(&snapshot, ret_stats);
}

/* --- All peers together ----------------------------------------------------------- */

static uint64_t
procedure_n(const struct dist_procedure_counts *counts)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DIST_N_OUTCOMES; i++)
		n += dist_count_get(&counts->outcomes[i]);
	return n;
}

static uint64_t
peer_counts_n(struct dist_peer_counts *peer)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		const struct dist_procedure_counts *counts =
			atomic_load_explicit(&peer->slots[i], memory_order_acquire);

		for (; counts; counts = counts->next)
			n += procedure_n(counts);
	}
	return n;
}

uint64_t
dist_client_counts_n(struct dist_client_counts *all)
{
	struct dist_peer_counts *peer, *next;
	uint64_t n;

	dist_lock(&all->lock);
	n = peer_counts_n(&all->gone);
	DIST_LIST_EACH (peer, next, &all->peers, link)
		n += peer_counts_n(peer);
	dist_unlock(&all->lock);
	return n;
}

/* Into @sum, whose own peers are none; how many calls are in flight. */
static uint64_t
counts_add_up(struct dist_client_counts *sum, struct dist_client_counts *all)
{
	struct dist_peer_counts *peer, *next;
	uint64_t in_flight = 0;

	dist_lock(&all->lock);
	dist_peer_counts_add(&sum->gone, &all->gone);
	DIST_LIST_EACH (peer, next, &all->peers, link) {
		dist_peer_counts_add(&sum->gone, peer);
		in_flight += atomic_load(
			&DIST_CONTAINER_OF(peer, struct dist_peer, counts)->in_flight);
	}
	dist_unlock(&all->lock);
	return in_flight;
}

static void
snapshot_whole(struct dist_snapshot *snapshot, struct dist_peer_counts *sum)
{
	struct dist_procedure_counts whole = { 0 };

	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		const struct dist_procedure_counts *counts = atomic_load(&sum->slots[i]);

		for (; counts; counts = counts->next)
			dist_procedure_counts_add(&whole, counts);
	}
	snapshot_counters(snapshot, &whole);
}

enum dist_err
dist_client_counts_sum(struct dist_stats **ret_stats, struct dist_client_counts *all,
                       const uint8_t instance[16])
{
	struct dist_client_counts sum;
	struct dist_snapshot snapshot;
	uint64_t in_flight;

	dist_client_counts_init(&sum);
	in_flight = counts_add_up(&sum, all);
	dist_snapshot_init(&snapshot);
	dist_snapshot_node(&snapshot, NULL, NULL, instance);
	dist_snapshot_counter(&snapshot, "in_flight", in_flight);
	snapshot_whole(&snapshot, &sum.gone);
	snapshot_peer_counts(&snapshot, &sum.gone);
	dist_client_counts_fini(&sum);
	return dist_snapshot_finish(&snapshot, ret_stats);
}
