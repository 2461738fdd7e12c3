#include "client/stats.h"

#include <stdlib.h>

#include "base/histogram.h"
#include "client/peer_internal.h"
#include "client/stats_counts.h"
#include "idl/node.h"
#include "wire/callmsg.h"
#include "wire/record.h"

/* Of one peer; the calls of more procedures count as procedure 0 of program 0. */
#define PROCEDURES_MAX 256
/* In one cluster, of 5 KB each: 40 MB. */
#define HISTOGRAMS_MAX 8192

/* --- Finding ---------------------------------------------------------------------- */

static _Atomic(struct dist_procedure_counts *) *
counts_slot(struct dist_peer_counts *peer, uint32_t prog, uint32_t vers, uint32_t proc)
{
	return &peer->slots[(prog + vers + proc) % DIST_PEER_COUNTS_SLOTS];
}

static struct dist_procedure_counts *
counts_search(struct dist_procedure_counts *counts, uint32_t prog, uint32_t vers,
              uint32_t proc)
{
	while (counts &&
	       (counts->proc != proc || counts->prog != prog || counts->vers != vers))
		counts = counts->next;
	return counts;
}

static struct dist_histogram *
counts_new_histogram(struct dist_client_counts *all)
{
	struct dist_histogram *histogram = NULL;

	if (atomic_fetch_add(&all->n_histograms, 1) < HISTOGRAMS_MAX)
		histogram = calloc(1, sizeof(*histogram));
	if (!histogram)
		atomic_fetch_sub(&all->n_histograms, 1);
	return histogram;
}

static void
counts_free(struct dist_client_counts *all, struct dist_procedure_counts *counts)
{
	if (counts->latency)
		atomic_fetch_sub(&all->n_histograms, 1);
	free(counts->latency);
	free(counts);
}

/* One more, unless another thread was faster. NULL: no memory. */
static struct dist_procedure_counts *
counts_add(struct dist_peer_counts *peer, uint32_t prog, uint32_t vers, uint32_t proc)
{
	_Atomic(struct dist_procedure_counts *) *slot =
		counts_slot(peer, prog, vers, proc);
	struct dist_procedure_counts *counts = calloc(1, sizeof(*counts)), *found;

	if (!counts)
		return NULL;
	counts->prog = prog;
	counts->vers = vers;
	counts->proc = proc;
	counts->latency = counts_new_histogram(peer->all);
	counts->next = atomic_load_explicit(slot, memory_order_acquire);
	do {
		found = counts_search(counts->next, prog, vers, proc);
		if (found) {
			counts_free(peer->all, counts);
			return found;
		}
	} while (!atomic_compare_exchange_weak_explicit(slot, &counts->next, counts,
	                                                memory_order_acq_rel,
	                                                memory_order_acquire));
	return counts;
}

static struct dist_procedure_counts *
counts_find(struct dist_peer_counts *peer, uint32_t prog, uint32_t vers, uint32_t proc)
{
	struct dist_procedure_counts *counts;

	counts = counts_search(atomic_load_explicit(counts_slot(peer, prog, vers, proc),
	                                            memory_order_acquire),
	                       prog, vers, proc);
	if (counts)
		return counts;
	if ((prog || vers || proc) &&
	    atomic_fetch_add(&peer->n_procedures, 1) >= PROCEDURES_MAX) {
		atomic_fetch_sub(&peer->n_procedures, 1);
		return counts_find(peer, 0, 0, 0);
	}
	return counts_add(peer, prog, vers, proc);
}

/* NULL: it is not counted. */
static struct dist_procedure_counts *
counts_of_call(struct dist_peer *peer, const struct dist_call *call)
{
	if (!peer->counts.all)
		return NULL;
	return counts_find(&peer->counts, call->prog, call->vers, call->proc);
}

/* --- Counting --------------------------------------------------------------------- */

static enum dist_outcome
outcome_of_denied(const struct dist_reply_header *header)
{
	return header->reject == AUTH_ERROR ? DIST_OUTCOME_AUTH_ERROR
	                                    : DIST_OUTCOME_OTHER_ERROR;
}

/* A node that does not run a call says SYSTEM_ERR, and why. */
static enum dist_outcome
outcome_of_system_error(const struct dist_reply_header *header)
{
	switch (header->has_meta ? header->meta.not_run : DIST_RAN) {
	case DIST_NOT_RUN_BUSY:
		return DIST_OUTCOME_BUSY;
	case DIST_NOT_RUN_DRAINING:
		return DIST_OUTCOME_DRAINING;
	case DIST_NOT_RUN_CANCELLED:
		return DIST_OUTCOME_EXPIRED;
	default:
		return DIST_OUTCOME_SYSTEM_ERROR;
	}
}

static enum dist_outcome
outcome_of_reply(const struct dist_reply_header *header)
{
	if (header->stat != MSG_ACCEPTED)
		return outcome_of_denied(header);
	if (header->accept == SYSTEM_ERR)
		return outcome_of_system_error(header);
	return dist_outcome_of_accepted(header->accept);
}

static void
counts_retry(struct dist_procedure_counts *counts, const struct dist_call *call)
{
	dist_count_add(&counts->retries, 1);
	if (call->hedging == DIST_HEDGE_SECOND)
		dist_count_add(&counts->hedges, 1);
}

static void
counts_try(struct dist_procedure_counts *counts, const struct dist_call *call,
           enum dist_outcome outcome)
{
	dist_count_add(&counts->outcomes[outcome], 1);
	if (outcome != DIST_OUTCOME_NOT_SENT)
		dist_count_add(&counts->call_bytes, call->sent_bytes);
	if (call->n_sent > 1)
		counts_retry(counts, call);
}

void
dist_stats_over(struct dist_peer *peer, const struct dist_call *call,
                enum dist_outcome outcome)
{
	struct dist_procedure_counts *counts = counts_of_call(peer, call);

	if (counts)
		counts_try(counts, call, outcome);
}

void
dist_stats_hedge_won(struct dist_peer *peer, const struct dist_call *second)
{
	struct dist_procedure_counts *counts = counts_of_call(peer, second);

	if (counts)
		dist_count_add(&counts->hedges_won, 1);
}

void
dist_stats_undecodable(struct dist_peer *peer, const struct dist_call *call)
{
	struct dist_procedure_counts *counts = counts_of_call(peer, call);

	if (counts)
		dist_count_add(&counts->undecodable, 1);
}

/* Those that the node refused unrun, or that were given up, say nothing of it. */
static void
totals_add(struct dist_outlier_counts *totals, const struct dist_procedure_counts *counts)
{
	static const bool no_answer[DIST_N_OUTCOMES] = {
		[DIST_OUTCOME_BUSY] = true,      [DIST_OUTCOME_DRAINING] = true,
		[DIST_OUTCOME_EXPIRED] = true,   [DIST_OUTCOME_CANCELLED] = true,
		[DIST_OUTCOME_LOST] = true,      [DIST_OUTCOME_NOT_SENT] = true,
	};

	for (unsigned i = 0; i < DIST_N_OUTCOMES; i++)
		totals->answered += no_answer[i] ? 0 : dist_count_get(&counts->outcomes[i]);
	totals->failed += dist_count_get(&counts->outcomes[DIST_OUTCOME_LOST]) +
	                  dist_count_get(&counts->outcomes[DIST_OUTCOME_EXPIRED]);
}

struct dist_outlier_counts
dist_stats_totals(struct dist_peer_counts *counts)
{
	struct dist_outlier_counts totals = { 0 };

	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		const struct dist_procedure_counts *procedure =
			atomic_load_explicit(&counts->slots[i], memory_order_acquire);

		for (; procedure; procedure = procedure->next)
			totals_add(&totals, procedure);
	}
	return totals;
}

/* --- A tally ---------------------------------------------------------------------- */

static void
tally_flush_times(struct dist_tally *tally)
{
	if (tally->n_timed)
		dist_histogram_add(tally->counts->latency, tally->bucket,
		                   tally->n_timed, tally->sum_ns, tally->max_ns);
	tally->n_timed = tally->sum_ns = tally->max_ns = 0;
}

void
dist_tally_flush(struct dist_tally *tally)
{
	struct dist_procedure_counts *counts = tally->counts;

	if (!counts || !tally->n_ok)
		return;
	dist_count_add(&counts->outcomes[DIST_OUTCOME_OK], tally->n_ok);
	dist_count_add(&counts->call_bytes, tally->call_bytes);
	dist_count_add(&counts->reply_bytes, tally->reply_bytes);
	tally_flush_times(tally);
	tally->n_ok = tally->call_bytes = tally->reply_bytes = 0;
}

/* The procedure that the tally is of becomes that of @call; false: it is not counted.
 */
static bool
tally_turn_to(struct dist_tally *tally, const struct dist_call *call)
{
	const struct dist_procedure_counts *counts = tally->counts;

	if (counts && counts->proc == call->proc && counts->prog == call->prog &&
	    counts->vers == call->vers)
		return true;
	dist_tally_flush(tally);
	tally->counts = counts_of_call(tally->peer, call);
	return tally->counts != NULL;
}

static void
tally_time(struct dist_tally *tally, const struct dist_call *call)
{
	int64_t ns;
	unsigned bucket;

	if (!tally->now_ns)
		tally->now_ns = dist_clock_ns();
	/* One that was sent after the clock was looked at: as good as nothing. */
	ns = DIST_MAX(tally->now_ns - call->sent_ns, 0);
	bucket = dist_histogram_bucket(ns);
	if (bucket != tally->bucket)
		tally_flush_times(tally);
	tally->bucket = bucket;
	tally->n_timed += call->sent_weight;
	tally->sum_ns += call->sent_weight * (uint64_t)ns;
	tally->max_ns = DIST_MAX(tally->max_ns, (uint64_t)ns);
}

void
dist_tally_reply(struct dist_tally *tally, const struct dist_call *call,
                 const struct dist_reply_header *header, size_t length)
{
	enum dist_outcome outcome = outcome_of_reply(header);

	if (!tally_turn_to(tally, call))
		return;
	if (outcome != DIST_OUTCOME_OK) {
		counts_try(tally->counts, call, outcome);
		return;
	}
	if (call->n_sent > 1)
		counts_retry(tally->counts, call);
	tally->n_ok++;
	tally->call_bytes += call->sent_bytes;
	tally->reply_bytes += DIST_RECORD_MARK_SIZE + length;
	if (call->sent_ns && tally->counts->latency)
		tally_time(tally, call);
}

/* --- Peers that come and go ------------------------------------------------------- */

void
dist_client_counts_init(struct dist_client_counts *all)
{
	*all = (struct dist_client_counts){ .gone = { .all = all } };
	dist_mutex_init(&all->lock, DIST_RANK_LEAF);
	dist_list_init(&all->peers);
}

static void
peer_counts_fini(struct dist_peer_counts *peer)
{
	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		struct dist_procedure_counts *counts = atomic_load(&peer->slots[i]);

		while (counts) {
			struct dist_procedure_counts *next = counts->next;

			counts_free(peer->all, counts);
			counts = next;
		}
	}
}

void
dist_client_counts_fini(struct dist_client_counts *all)
{
	peer_counts_fini(&all->gone);
	dist_mutex_fini(&all->lock);
}

void
dist_peer_counts_begin(struct dist_peer *peer, struct dist_client_counts *all)
{
	peer->counts.all = all;
	dist_list_init(&peer->counts.link);
	dist_lock(&all->lock);
	dist_list_append(&all->peers, &peer->counts.link);
	dist_unlock(&all->lock);
}

static void
counts_move(dist_count *to, const dist_count *from)
{
	dist_count_add(to, dist_count_get(from));
}

void
dist_procedure_counts_add(struct dist_procedure_counts *to,
                        const struct dist_procedure_counts *from)
{
	for (unsigned i = 0; i < DIST_N_OUTCOMES; i++)
		counts_move(&to->outcomes[i], &from->outcomes[i]);
	counts_move(&to->call_bytes, &from->call_bytes);
	counts_move(&to->reply_bytes, &from->reply_bytes);
	counts_move(&to->retries, &from->retries);
	counts_move(&to->undecodable, &from->undecodable);
	counts_move(&to->hedges, &from->hedges);
	counts_move(&to->hedges_won, &from->hedges_won);
	if (to->latency && from->latency)
		dist_histogram_merge(to->latency, from->latency);
}

void
dist_peer_counts_add(struct dist_peer_counts *to, struct dist_peer_counts *from)
{
	for (unsigned i = 0; i < DIST_PEER_COUNTS_SLOTS; i++) {
		const struct dist_procedure_counts *counts =
			atomic_load_explicit(&from->slots[i], memory_order_acquire);

		for (; counts; counts = counts->next) {
			struct dist_procedure_counts *sum = counts_find(
				to, counts->prog, counts->vers, counts->proc);

			if (sum)
				dist_procedure_counts_add(sum, counts);
		}
	}
	counts_move(&to->late, &from->late);
	counts_move(&to->set_aside, &from->set_aside);
	counts_move(&to->stray, &from->stray);
	counts_move(&to->over_budget, &from->over_budget);
}

void
dist_peer_counts_end(struct dist_peer *peer)
{
	struct dist_client_counts *all = peer->counts.all;

	if (!all)
		return;
	dist_lock(&all->lock);
	dist_list_remove(&peer->counts.link);
	dist_peer_counts_add(&all->gone, &peer->counts);
	dist_unlock(&all->lock);
	peer_counts_fini(&peer->counts);
}
