/*
 * Which node gets a call: the one with the fewest calls in flight per worker; ties go
 * round. Beyond SCAN_MAX nodes the better one of two at random is taken, which spreads
 * nearly as well and costs the same for any number. Calls with an affinity go to the node
 * whose hash with it is the highest (rendezvous hashing), so that a node that comes or
 * goes moves no call but its own.
 */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/seldom.h"
#include "client/stats.h"

#define SCAN_MAX 16
#define DRAWS_MAX 4

/* It can take the call now. What rests was unreachable a moment ago: the second choice. */
static bool
seat_fits(const struct dist_seat *seat, const struct dist_call *call, bool resting_too)
{
	struct dist_peer *peer = seat->peer;

	return !atomic_load_explicit(&peer->leaving, memory_order_relaxed) &&
	       !dist_call_has_tried(call, peer) &&
	       !dist_peer_lacks(peer, call->prog, call->vers) &&
	       (resting_too || !dist_peer_resting(peer));
}

/* Fewer calls in flight per worker, without a division. */
static bool
seat_is_better(const struct dist_seat *a, const struct dist_seat *b)
{
	uint64_t load_a = atomic_load_explicit(&a->peer->in_flight, memory_order_relaxed);
	uint64_t load_b = atomic_load_explicit(&b->peer->in_flight, memory_order_relaxed);

	return load_a * b->capacity < load_b * a->capacity;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static const struct dist_seat *
pick_by_scan(struct dist_group *group, const struct dist_call *call, bool resting_too)
{
	const struct dist_seat *best = NULL;
	size_t at = group->turn;

	for (size_t i = 0; i < group->n; i++) {
		const struct dist_seat *seat;

		at = at + 1 < group->n ? at + 1 : 0;
		seat = &group->seats[at];
		if (!seat_fits(seat, call, resting_too) ||
		    (best && !seat_is_better(seat, best)))
			continue;
		best = seat;
		group->turn = at;
	}
	return best;
}

static const struct dist_seat *
draw(struct dist_group *group)
{
	uint64_t drawn = mix(++group->turn * UINT64_C(0x9e3779b97f4a7c15));

	return &group->seats[(size_t)((__uint128_t)drawn * group->n >> 64)];
}

/* Of many nodes none is in the cache: all draws are under way before the first is read. */
static const struct dist_seat *
pick_by_draw(struct dist_group *group, const struct dist_call *call)
{
	const struct dist_seat *drawn[DRAWS_MAX], *best = NULL;
	unsigned n_good = 0;

	for (unsigned i = 0; i < DRAWS_MAX; i++)
		drawn[i] = draw(group);
	__builtin_prefetch(drawn[0]->peer);
	__builtin_prefetch(drawn[1]->peer);
	for (unsigned i = 0; i < DRAWS_MAX && n_good < 2; i++) {
		if (!seat_fits(drawn[i], call, false))
			continue;
		n_good++;
		if (!best || seat_is_better(drawn[i], best))
			best = drawn[i];
	}
	return best;
}

static const struct dist_seat *
pick_by_affinity(struct dist_group *group, const struct dist_call *call)
{
	const struct dist_seat *best = NULL;
	uint64_t affinity = mix(call->affinity), best_value = 0;

	for (size_t i = 0; i < group->n; i++) {
		uint64_t value = mix(group->seats[i].key ^ affinity);

		if (best && value <= best_value)
			continue;
		if (!seat_fits(&group->seats[i], call, false))
			continue;
		best = &group->seats[i];
		best_value = value;
	}
	return best;
}

static struct dist_peer *
pick_locked(struct dist_group *group, const struct dist_call *call)
{
	const struct dist_seat *seat = NULL;

	if (group->n == 0)
		return NULL;
	if (call->affinity)
		seat = pick_by_affinity(group, call);
	else if (group->n > SCAN_MAX)
		seat = pick_by_draw(group, call);
	if (!seat)
		seat = pick_by_scan(group, call, false);
	if (!seat)
		seat = pick_by_scan(group, call, true);
	return seat ? seat->peer : NULL;
}

static enum dist_err
say_none(struct dist_cluster *cluster, const struct dist_call *call, const struct dist_group *group)
{
	const char *masters = *cluster->masters ? cluster->masters : "no master";

	if (group->n == 0)
		return dist_error_set(DIST_ENONODE,
		                      "no live node serves program %#x version %u (of %zu nodes "
		                      "known to %s); start one with distnode, or see "
		                      "distctl services",
		                      call->prog, call->vers, cluster->members.n, masters);
	return dist_error_set(DIST_ENONODE,
	                      "none of the %zu nodes that serve program %#x version %u can "
	                      "take the call now (masters: %s)",
	                      group->n, call->prog, call->vers, masters);
}

/*
 * A call that was lost goes out again only while the budget lasts, and so does one that is
 * hedged. What did not run at a node is no burden to another, and is not under it.
 */
static enum dist_err
pay_locked(struct dist_cluster *cluster, struct dist_call *call)
	DIST_REQUIRES(&cluster->lock)
{
	bool second = call->hedging == DIST_HEDGE_SECOND;
	unsigned n_owed = call->n_lost + second;
	struct dist_peer *lost;

	if (call->n_paid >= n_owed)
		return DIST_OK;
	if (dist_budget_draw(&cluster->retries, cluster->n_started, dist_clock_ns())) {
		call->n_paid = n_owed;
		return DIST_OK;
	}
	if (!second) {
		/* Not call->peer: that may be nobody, after a round of busy ones. */
		lost = dist_call_lost_on(call, call->n_lost - 1);
		dist_stats_over_budget(&lost->counts);
		if (dist_seldom(&cluster->retries_logged_ns))
			dist_log_warning("retry-budget-empty",
			                 "masters=%s percent=%u lost_on=%s",
			                 cluster->masters, cluster->retries.percent,
			                 lost->info.address);
	}
	return dist_error_set(DIST_ECONNRESET,
	                      "it was not sent again, as the cluster's retries are used up: "
	                      "%u %% of its calls, and %d a second (retry_budget_percent "
	                      "in struct dist_cluster_options)",
	                      cluster->retries.percent, DIST_BUDGET_A_SECOND);
}

/* One that was set aside for a while may be given this call, to see. */
static void
try_again_locked(struct dist_cluster *cluster, struct dist_peer *peer)
	DIST_REQUIRES(&cluster->lock)
{
	(void)cluster; /* whose lock it is */
	if (dist_outlier_picked(&peer->outlier, dist_stats_totals(&peer->counts),
	                        dist_clock_ns()))
		dist_log_info("node-tried-again", "name=%s address=%s", peer->info.name,
		              peer->info.address);
}

enum dist_err
dist_cluster_pick(struct dist_route *route, struct dist_call *call,
                  struct dist_peer **ret_peer)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);
	struct dist_peer *peer = NULL;
	struct dist_group *group;
	enum dist_err err = DIST_OK;

	dist_lock(&cluster->lock);
	group = cluster->closed
	                ? NULL
	                : dist_members_group(&cluster->members, call->prog, call->vers);
	if (group)
		peer = pick_locked(group, call);
	if (peer && call->n_sent)
		err = pay_locked(cluster, call);
	if (err) {
		/* There is a node, and this call is not to go there. */
	} else if (peer) {
		cluster->n_started += call->n_sent == 0;
		if (atomic_load_explicit(&peer->troubles, memory_order_relaxed))
			try_again_locked(cluster, peer);
		/* Counted under the lock, so that the next pick sees it. */
		atomic_fetch_add_explicit(&peer->in_flight, 1, memory_order_relaxed);
		*ret_peer = dist_peer_ref(peer);
	} else if (cluster->closed) {
		err = dist_error_set_plain(DIST_ECLOSED);
	} else {
		err = group ? say_none(cluster, call, group)
		            : dist_error_set_plain(DIST_ENOMEM);
	}
	dist_unlock(&cluster->lock);
	return err;
}

/* --- How much there is to pick from -------------------------------------------------- */

/* Of those that could take a call now; where none can, of those that rest, too. */
static struct dist_room
group_room(const struct dist_group *group, uint32_t prog, uint32_t vers)
{
	struct dist_room now = { 0 }, later = { 0 };

	for (size_t i = 0; i < group->n; i++) {
		const struct dist_seat *seat = &group->seats[i];
		struct dist_room *room = dist_peer_resting(seat->peer) ? &later : &now;

		if (atomic_load_explicit(&seat->peer->leaving, memory_order_relaxed) ||
		    dist_peer_lacks(seat->peer, prog, vers))
			continue;
		room->n_nodes++;
		room->n_workers += seat->capacity;
	}
	return now.n_nodes ? now : later;
}

enum dist_err
dist_cluster_room(struct dist_route *route, uint32_t prog, uint32_t vers,
                  struct dist_room *ret_room)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);
	struct dist_group *group = NULL;
	enum dist_err err = DIST_OK;

	dist_lock(&cluster->lock);
	if (!cluster->closed)
		group = dist_members_group(&cluster->members, prog, vers);
	if (group)
		*ret_room = group_room(group, prog, vers);
	else
		err = dist_error_set_plain(cluster->closed ? DIST_ECLOSED : DIST_ENOMEM);
	dist_unlock(&cluster->lock);
	return err;
}
