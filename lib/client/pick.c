/*
 * Which node gets a call: the one with the fewest calls in flight per worker; ties go
 * round. Beyond SCAN_MAX nodes the better one of two at random is taken, which spreads
 * nearly as well and costs the same for any number. Calls with an affinity go to the node
 * whose hash with it is the highest (rendezvous hashing), so that a node that comes or
 * goes moves no call but its own.
 */
#include <string.h>

#include "base/error.h"
#include "client/call.h"
#include "client/cluster.h"

#define SCAN_MAX 16
#define DRAWS_MAX 4

/* It can take the call now. What rests was unreachable a moment ago: the second choice. */
static bool
member_fits(const struct dist_member *member, const struct dist_call *call, bool resting_too)
{
	return !member->draining &&
	       !atomic_load_explicit(&member->peer->leaving, memory_order_relaxed) &&
	       !dist_call_has_tried(call, member->peer) &&
	       !dist_peer_lacks(member->peer, call->prog, call->vers) &&
	       (resting_too || !dist_peer_resting(member->peer));
}

/* Fewer calls in flight per worker, without a division. */
static bool
member_is_better(const struct dist_member *a, const struct dist_member *b)
{
	uint64_t load_a = atomic_load_explicit(&a->peer->in_flight, memory_order_relaxed);
	uint64_t load_b = atomic_load_explicit(&b->peer->in_flight, memory_order_relaxed);

	return load_a * b->peer->info.capacity < load_b * a->peer->info.capacity;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static struct dist_member *
pick_by_scan(struct dist_group *group, const struct dist_call *call, bool resting_too)
{
	struct dist_member *best = NULL;
	size_t at = group->turn;

	for (size_t i = 0; i < group->n; i++) {
		struct dist_member *member;

		at = at + 1 < group->n ? at + 1 : 0;
		member = group->members[at];
		if (!member_fits(member, call, resting_too) ||
		    (best && !member_is_better(member, best)))
			continue;
		best = member;
		group->turn = at;
	}
	return best;
}

static struct dist_member *
pick_by_draw(struct dist_group *group, const struct dist_call *call)
{
	struct dist_member *best = NULL;
	unsigned n_good = 0;

	for (unsigned i = 0; i < DRAWS_MAX && n_good < 2; i++) {
		uint64_t draw = mix(++group->turn * UINT64_C(0x9e3779b97f4a7c15));
		struct dist_member *member =
			group->members[(size_t)((__uint128_t)draw * group->n >> 64)];

		if (!member_fits(member, call, false))
			continue;
		n_good++;
		if (!best || member_is_better(member, best))
			best = member;
	}
	return best;
}

static uint64_t
member_affinity(const struct dist_member *member, uint64_t affinity)
{
	uint64_t high = 0;

	/* A fixed server has no instance: its address stays the same. */
	if (member->fixed) {
		for (const char *c = member->peer->info.address; *c; c++)
			high = mix(high ^ (uint8_t)*c);
	} else {
		memcpy(&high, member->peer->info.instance, sizeof(high));
	}
	return mix(high ^ mix(affinity));
}

static struct dist_member *
pick_by_affinity(struct dist_group *group, const struct dist_call *call)
{
	struct dist_member *best = NULL;
	uint64_t best_value = 0;

	for (size_t i = 0; i < group->n; i++) {
		uint64_t value = member_affinity(group->members[i], call->affinity);

		if (best && value <= best_value)
			continue;
		if (!member_fits(group->members[i], call, false))
			continue;
		best = group->members[i];
		best_value = value;
	}
	return best;
}

static struct dist_member *
pick_locked(struct dist_group *group, const struct dist_call *call)
{
	struct dist_member *member = NULL;

	if (group->n == 0)
		return NULL;
	if (call->affinity)
		member = pick_by_affinity(group, call);
	else if (group->n > SCAN_MAX)
		member = pick_by_draw(group, call);
	if (!member)
		member = pick_by_scan(group, call, false);
	if (!member)
		member = pick_by_scan(group, call, true);
	return member;
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

enum dist_err
dist_cluster_pick(struct dist_route *route, struct dist_call *call,
                  struct dist_peer **ret_peer)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);
	struct dist_member *member = NULL;
	struct dist_group *group;
	enum dist_err err = DIST_OK;

	dist_lock(&cluster->lock);
	group = cluster->closed
	                ? NULL
	                : dist_members_group(&cluster->members, call->prog, call->vers);
	if (group)
		member = pick_locked(group, call);
	if (member) {
		/* Counted under the lock, so that the next pick sees it. */
		atomic_fetch_add_explicit(&member->peer->in_flight, 1, memory_order_relaxed);
		*ret_peer = dist_peer_ref(member->peer);
	} else if (cluster->closed) {
		err = dist_error_set_plain(DIST_ECLOSED);
	} else {
		err = group ? say_none(cluster, call, group)
		            : dist_error_set_plain(DIST_ENOMEM);
	}
	dist_unlock(&cluster->lock);
	return err;
}
