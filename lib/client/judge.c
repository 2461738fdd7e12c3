/*
 * A cluster's nodes before their judge (outlier.h). What they did is looked up without the
 * cluster's lock, which calls need; the judging itself is a little arithmetic.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/cluster.h"
#include "client/stats.h"

/* Those that take calls, each with a reference. NULL: no memory, or none does. */
static struct dist_outlier_look *
judge_list(struct dist_cluster *cluster, size_t *ret_n)
{
	struct dist_outlier_look *looks;
	size_t n = 0;

	dist_lock(&cluster->lock);
	looks = calloc(cluster->members.n ? cluster->members.n : 1, sizeof(*looks));
	for (size_t i = 0; looks && i < cluster->members.n; i++) {
		struct dist_member *member = cluster->members.list[i];

		if (member->draining)
			continue;
		looks[n].node = dist_peer_ref(member->peer);
		looks[n++].outlier = &member->peer->outlier;
	}
	dist_unlock(&cluster->lock);
	*ret_n = n;
	return looks;
}

static bool
group_has(const struct dist_group *group, const struct dist_peer *peer)
{
	for (size_t i = 0; i < group->n; i++) {
		if (group->seats[i].peer == peer)
			return true;
	}
	return false;
}

/* Of the nodes that serve one program, too, at least half stay. */
static bool
judge_may(void *node, void *arg)
{
	struct dist_cluster *cluster = arg;

	for (size_t i = 0; i < cluster->members.groups.n; i++) {
		const struct dist_group *group = &cluster->members.groups.list[i];
		size_t n_aside = 1;

		if (!group_has(group, node))
			continue;
		for (size_t at = 0; at < group->n; at++)
			n_aside += (atomic_load(&group->seats[at].peer->troubles) &
			            DIST_PEER_ASIDE) != 0;
		if (2 * n_aside > group->n)
			return false;
	}
	return true;
}

static void
judge_changed(void *node, const struct dist_outlier_change *change, void *arg)
{
	struct dist_peer *peer = node;

	(void)arg;
	if (change->state == DIST_OUTLIER_IN) {
		atomic_fetch_and(&peer->troubles, ~DIST_PEER_ASIDE);
		dist_log_notice("node-taken-back", "name=%s address=%s", peer->info.name,
		                peer->info.address);
		return;
	}
	atomic_fetch_or(&peer->troubles, DIST_PEER_ASIDE);
	dist_stats_set_aside(&peer->counts);
	if (change->n_calls)
		dist_log_warning("node-set-aside",
		                 "name=%s address=%s failed=%llu of=%llu for_ms=%lld",
		                 peer->info.name, peer->info.address,
		                 (unsigned long long)change->n_failed,
		                 (unsigned long long)change->n_calls,
		                 (long long)(change->aside_ns / DIST_NS_PER_MS));
	else
		dist_log_info("node-still-aside", "name=%s address=%s for_ms=%lld",
		              peer->info.name, peer->info.address,
		              (long long)(change->aside_ns / DIST_NS_PER_MS));
}

void
dist_cluster_judge(struct dist_cluster *cluster)
{
	struct dist_outlier_look *looks;
	bool quiet;
	size_t n;

	looks = judge_list(cluster, &n);
	if (!looks)
		return; /* no memory: in the next round */
	for (size_t i = 0; i < n; i++) {
		struct dist_peer *peer = looks[i].node;

		looks[i].now = dist_stats_totals(&peer->counts);
	}
	dist_lock(&cluster->lock);
	dist_outliers_judge(&cluster->outliers, looks, n, dist_clock_ns(), judge_may,
	                    judge_changed, cluster);
	quiet = dist_outliers_are_quiet(&cluster->outliers);
	dist_unlock(&cluster->lock);
	if (quiet)
		atomic_store(&cluster->troubled, false);
	for (size_t i = 0; i < n; i++)
		dist_peer_unref(looks[i].node);
	free(looks);
}
