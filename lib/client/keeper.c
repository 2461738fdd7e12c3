/*
 * The keeper: a cluster's thread for what is due now and then. It tells the masters of
 * nodes that could not be reached; it sees to those that left the view while calls are
 * on them, which go on while the node answers its pings; it looks after calls that wait
 * for a node, and after nodes that a restarted master has not listed again. While calls
 * fail it judges whether some nodes fail much more than the others (judge.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/large.h"
#include "base/log.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/dispatch.h"
#include "idl/node.h"

#define TICK_NS (50 * DIST_NS_PER_MS)
#define REPORT_TIMEOUT_MS 1000
#define LEASE_MIN_MS 300

/* An instance that is to be probed. */
struct dist_report_due {
	struct dist_list link;
	dist_report report;
};

/* A peer that left the view. */
struct dist_departed {
	struct dist_list link;
	struct dist_peer *peer; /* holds a reference */
	int64_t lease_ms;
	dist_ping_result ping_result;
	struct dist_waiter *ping; /* on its way; NULL */
	CLIENT *clnt;
	int64_t ping_at_ns;
};

/* --- Reports ------------------------------------------------------------------------- */

void
dist_keeper_report(struct dist_cluster *cluster, const uint8_t instance[16])
{
	struct dist_report_due *due = calloc(1, sizeof(*due)), *other, *next;

	if (!due)
		return; /* the masters probe by themselves, a little later */
	memcpy(due->report.instance, instance, sizeof(due->report.instance));
	dist_lock(&cluster->lock);
	DIST_LIST_EACH (other, next, &cluster->reports, link) {
		if (memcmp(other->report.instance, instance, sizeof(dist_id)) == 0) {
			dist_list_remove(&other->link);
			free(other);
		}
	}
	dist_list_append(&cluster->reports, &due->link);
	dist_cond_signal(&cluster->due);
	dist_unlock(&cluster->lock);
}

static void
report_send(struct dist_cluster *cluster, const struct dist_report_due *due)
{
	struct dist_call_options options = { .timeout_ms = REPORT_TIMEOUT_MS };

	for (unsigned i = 0; i < cluster->n_followers; i++) {
		struct dist_peer *master = dist_follower_master(cluster->followers[i]);
		CLIENT *clnt;

		if (!master) {
			(void)dist_follower_report(cluster->followers[i],
			                           due->report.instance);
			continue;
		}
		clnt = dist_peer_client(master, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
		if (clnt && dist_report_1(due->report, NULL, clnt) != RPC_SUCCESS)
			dist_log_debug("report-failed", "master=%s why=\"%s\"",
			               master->info.address, dist_error_text());
		if (clnt)
			clnt_destroy(clnt);
		dist_peer_unref(master);
	}
}

/* --- Peers that left ----------------------------------------------------------------- */

void
dist_keeper_depart(struct dist_cluster *cluster, struct dist_peer *peer, int64_t lease_ms)
{
	struct dist_departed *departed = NULL;

	dist_log_info("node-left", "name=%s address=%s in_flight=%u", peer->info.name,
	              peer->info.address, atomic_load(&peer->in_flight));
	dist_peer_on_gone(peer, NULL, NULL);
	dist_peer_leave(peer);
	/* No call is on it and none will be: of many nodes that come and go, most. */
	if (atomic_load(&peer->in_flight))
		departed = calloc(1, sizeof(*departed));
	if (!departed) {
		dist_peer_shut(peer, DIST_ECONNRESET);
		dist_peer_unref(peer);
		return;
	}
	departed->peer = peer;
	departed->lease_ms = DIST_MAX(lease_ms, LEASE_MIN_MS);
	dist_lock(&cluster->lock);
	dist_list_append(&cluster->departed, &departed->link);
	dist_cond_signal(&cluster->due);
	dist_unlock(&cluster->lock);
}

static void
departed_free(struct dist_departed *departed)
{
	dist_waiter_free(departed->ping);
	if (departed->clnt)
		clnt_destroy(departed->clnt);
	dist_peer_shut(departed->peer, DIST_ECONNRESET);
	dist_peer_unref(departed->peer);
	free(departed);
}

static void
departed_ping(struct dist_departed *departed)
{
	struct dist_call_options options = { .timeout_ms = departed->lease_ms };

	if (!departed->clnt)
		departed->clnt = dist_peer_client(departed->peer, DIST_NODE, DIST_NODE_V1,
		                                  &options);
	if (!departed->clnt)
		return;
	departed->ping = dist_go(departed->clnt, dist_node_ping_1, &departed->ping_result);
	departed->ping_at_ns = dist_deadline_in_ms(departed->lease_ms / 3);
}

/* Whether it is done with: no call is on it, or it did not answer for a lease. */
static bool
departed_is_over(struct dist_departed *departed)
{
	unsigned own = departed->ping && !dist_waiter_done(departed->ping) ? 1 : 0;

	if (atomic_load(&departed->peer->in_flight) <= own)
		return true;
	if (departed->ping && dist_waiter_done(departed->ping)) {
		bool silent = dist_waiter_status(departed->ping) == RPC_TIMEDOUT;

		dist_waiter_free(departed->ping);
		departed->ping = NULL;
		if (silent) {
			dist_log_warning("node-silent", "name=%s address=%s",
			                 departed->peer->info.name,
			                 departed->peer->info.address);
			return true;
		}
	}
	if (!departed->ping && departed->ping_at_ns <= dist_clock_ns())
		departed_ping(departed);
	return false;
}

static void
keeper_see_departed(struct dist_cluster *cluster)
{
	struct dist_departed *departed, *next;
	struct dist_list mine;

	dist_list_init(&mine);
	dist_lock(&cluster->lock);
	dist_list_move_all(&cluster->departed, &mine);
	dist_unlock(&cluster->lock);
	DIST_LIST_EACH (departed, next, &mine, link) {
		if (!departed_is_over(departed))
			continue;
		dist_list_remove(&departed->link);
		departed_free(departed);
	}
	dist_lock(&cluster->lock);
	dist_list_move_all(&mine, &cluster->departed);
	dist_unlock(&cluster->lock);
}

/* --- Calls that wait for a node ------------------------------------------------------ */

static void
keeper_place_parked(struct dist_cluster *cluster)
{
	struct dist_list mine, *link;

	dist_list_init(&mine);
	dist_lock(&cluster->lock);
	dist_list_move_all(&cluster->parked, &mine);
	dist_unlock(&cluster->lock);
	while ((link = dist_list_pop(&mine))) {
		struct dist_call *call =
			DIST_CONTAINER_OF(link, struct dist_call, place_link);

		dist_call_forget_tried(call);
		dist_dispatch_place(call);
	}
}

/* --- The thread ---------------------------------------------------------------------- */

static void
keeper_expire_members(struct dist_cluster *cluster)
{
	struct dist_leavers leavers = { 0 };

	dist_lock(&cluster->lock);
	dist_members_expire(&cluster->members, dist_clock_ns(), &leavers);
	dist_unlock(&cluster->lock);
	for (size_t i = 0; i < leavers.n; i++)
		dist_keeper_depart(cluster, leavers.list[i], leavers.lease_ms[i]);
	if (leavers.n)
		dist_cluster_view_changed(cluster);
	free(leavers.list);
	free(leavers.lease_ms);
}

/* Sleep until something is due; a report to send, or NULL. */
static struct dist_report_due *
keeper_sleep(struct dist_cluster *cluster)
{
	struct dist_report_due *due = NULL;
	struct dist_list *link;
	int64_t now_ns = dist_clock_ns();
	struct dist_leavers none = { 0 };

	dist_lock(&cluster->lock);
	while (!atomic_load(&cluster->stopping) && dist_list_empty(&cluster->reports)) {
		bool tick = !dist_list_empty(&cluster->parked) ||
		            !dist_list_empty(&cluster->departed) ||
		            dist_members_expire(&cluster->members, 0, &none) != DIST_NEVER;
		int64_t until_ns = tick ? now_ns + TICK_NS : DIST_NEVER;

		if (!tick && atomic_load(&cluster->troubled))
			until_ns = now_ns + DIST_OUTLIER_TICK_NS;

		if (!dist_cond_wait_until(&cluster->due, &cluster->lock, until_ns))
			break;
	}
	link = dist_list_pop(&cluster->reports);
	dist_unlock(&cluster->lock);
	if (link)
		due = DIST_CONTAINER_OF(link, struct dist_report_due, link);
	return due;
}

void *
dist_keeper_main(void *arg)
{
	struct dist_cluster *cluster = arg;
	int64_t judge_at_ns = 0;

	dist_large_begin();
	while (!atomic_load(&cluster->stopping)) {
		struct dist_report_due *due = keeper_sleep(cluster);

		if (due && !atomic_load(&cluster->stopping))
			report_send(cluster, due);
		free(due);
		keeper_see_departed(cluster);
		keeper_expire_members(cluster);
		keeper_place_parked(cluster);
		if (atomic_load(&cluster->troubled) && judge_at_ns <= dist_clock_ns()) {
			dist_cluster_judge(cluster);
			judge_at_ns = dist_clock_ns() + DIST_OUTLIER_TICK_NS;
		}
		dist_large_trim(dist_clock_ns());
	}
	dist_large_end();
	return NULL;
}

void
dist_keeper_fini(struct dist_cluster *cluster)
{
	struct dist_list *link;

	while ((link = dist_list_pop(&cluster->reports)))
		free(DIST_CONTAINER_OF(link, struct dist_report_due, link));
	while ((link = dist_list_pop(&cluster->departed)))
		departed_free(DIST_CONTAINER_OF(link, struct dist_departed, link));
}
