/*
 * A follower: one thread that keeps a cluster's view up to date with one master. It finds
 * the master, then watches: a call that the master holds until something changes, and
 * answers with all nodes for who is new to it. When the master goes away it looks for it
 * again, and the cluster uses the last view meanwhile; if the same master is back, it
 * tells what has changed since.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "client/cluster.h"
#include "client/locate.h"
#include "client/runtime_internal.h"
#include "wire/uaddr.h"

/* Finding a master, all its candidates together. */
#define FIND_NS (5000 * DIST_NS_PER_MS)
#define PING_TIMEOUT_MS 2000
/* For a first view: thousands of nodes may be asked for by hundreds of clusters at once. */
#define VIEW_TIMEOUT_MS 30000
/* Beyond the time that a WATCH is held: then the master is silent. */
#define WATCH_SLACK_MS 5000
#define HOLD_MIN_MS 300
#define HOLD_MAX_MS 60000
/* Between two attempts: the first pause, doubled up to the longest. */
#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS 1000
/* Between two questions to a master: ours gather changes for nearly as long, and one that
 * answers at once, whatever it is asked, must not keep this process busy. */
#define ROUND_MIN_NS (5 * DIST_NS_PER_MS)

struct dist_follower {
	/* Set by dist_follower_start(), then read-only. */
	struct dist_cluster *cluster;
	unsigned index;
	struct dist_hostport address;
	struct dist_view_source source; /* .next NULL: over the network */
	char name[DIST_HOST_MAX + 16];  /* "HOST:PORT" as given */
	pthread_t thread;

	/* The thread's alone. */
	dist_id master_id; /* of the last view; zero before the first */
	uint64_t epoch;
	int64_t lease_ms;
	unsigned n_failures;

	/* Guarded by the cluster's lock. */
	struct dist_peer *peer; /* the master; holds a reference */
	struct dist_account_turn turn;
	char trouble[DIST_ERROR_TEXT_MAX];
};

static void *follower_main(void *arg);

enum dist_err
dist_follower_start(struct dist_follower **ret_follower, struct dist_cluster *cluster,
                    unsigned index, const struct dist_hostport *master,
                    const struct dist_view_source *source)
{
	struct dist_follower *follower = calloc(1, sizeof(*follower));
	enum dist_err err;

	if (!follower)
		return dist_error_set_plain(DIST_ENOMEM);
	follower->cluster = cluster;
	follower->index = index;
	if (source)
		follower->source = *source;
	if (master) {
		follower->address = *master;
		if (master->port >= 0)
			snprintf(follower->name, sizeof(follower->name), "%s:%d",
			         master->host, master->port);
		else
			snprintf(follower->name, sizeof(follower->name), "%s",
			         master->host);
	}
	snprintf(follower->trouble, sizeof(follower->trouble), "%s: no answer yet",
	         follower->name);
	err = dist_thread_start(&follower->thread, "dist-follow", follower_main, follower);
	if (err) {
		free(follower);
		return err;
	}
	*ret_follower = follower;
	return DIST_OK;
}

void
dist_follower_interrupt(struct dist_follower *follower)
{
	struct dist_peer *peer = dist_follower_master(follower);

	if (follower->source.interrupt)
		follower->source.interrupt(follower->source.arg);
	if (peer)
		dist_peer_shut(peer, DIST_ECLOSED);
	dist_peer_unref(peer);
}

void
dist_follower_free(struct dist_follower *follower)
{
	pthread_join(follower->thread, NULL);
	if (follower->source.release)
		follower->source.release(follower->source.arg);
	free(follower);
}

bool
dist_follower_report(struct dist_follower *follower, const dist_id instance)
{
	if (!follower->source.report)
		return false;
	follower->source.report(follower->source.arg, instance);
	return true;
}

void
dist_follower_account(struct dist_follower *follower, const dist_account *account)
{
	if (follower->source.account)
		(void)follower->source.account(follower->source.arg, account);
}

struct dist_account_turn *
dist_follower_turn(struct dist_follower *follower)
{
	return &follower->turn;
}

const char *
dist_follower_trouble_locked(const struct dist_follower *follower)
{
	return follower->trouble;
}

struct dist_peer *
dist_follower_master(struct dist_follower *follower)
{
	struct dist_peer *peer;

	dist_lock(&follower->cluster->lock);
	peer = follower->peer ? dist_peer_ref(follower->peer) : NULL;
	dist_unlock(&follower->cluster->lock);
	return peer;
}

static bool
follower_stopping(struct dist_follower *follower)
{
	return atomic_load(&follower->cluster->stopping);
}

/* --- Views to members ---------------------------------------------------------------- */

static bool
entry_address(const dist_node_entry *entry, struct dist_sockaddr *ret_address)
{
	for (u_int i = 0; i < entry->endpoints.endpoints_len; i++) {
		const dist_endpoint *endpoint = &entry->endpoints.endpoints_val[i];

		if (dist_uaddr_parse(endpoint->netid, endpoint->uaddr, ret_address) ==
		    DIST_OK)
			return true;
	}
	return false;
}

static void
node_connection_gone(struct dist_peer *peer, void *arg)
{
	dist_keeper_report(arg, peer->info.instance);
}

static struct dist_peer *
make_node(const dist_node_entry *entry, void *arg)
{
	struct dist_cluster *cluster = arg;
	struct dist_peer_options options = {
		.name = entry->name,
		.capacity = entry->capacity,
		.features = entry->features,
		.connect_timeout_ms = cluster->options.connect_timeout_ms,
		.max_record_bytes = cluster->options.max_record_bytes,
		.max_unsent_bytes = cluster->options.max_unsent_bytes,
		.spin_us = cluster->options.spin_us,
		.counted = true,
	};
	struct dist_sockaddr address;
	struct dist_peer *peer;

	if (!entry_address(entry, &address)) {
		dist_log_warning("node-not-callable",
		                 "name=\"%s\" why=\"none of its addresses can be called\"",
		                 entry->name);
		dist_error_set_plain(DIST_EADDRESS);
		return NULL;
	}
	memcpy(options.instance, entry->instance, sizeof(options.instance));
	if (dist_peer_new(&peer, cluster->route.runtime, &address, &options))
		return NULL;
	dist_peer_on_gone(peer, node_connection_gone, cluster);
	dist_log_info("node-seen", "name=%s address=%s capacity=%u", peer->info.name,
	              peer->info.address, peer->info.capacity);
	return peer;
}

/*
 * DIST_ENOMEM: what could not be taken in is missing, so the view does not count as seen:
 * it is asked for once more, and what was taken in already is found as it is.
 */
static enum dist_err
follower_apply(struct dist_follower *follower, const dist_view *view)
{
	static const dist_id nobody;
	struct dist_cluster *cluster = follower->cluster;
	struct dist_leavers leavers = { 0 };
	bool first = memcmp(follower->master_id, nobody, sizeof(nobody)) == 0;
	bool restarted =
		!first && memcmp(follower->master_id, view->master, sizeof(dist_id)) != 0;
	enum dist_err err;

	dist_lock(&cluster->lock);
	err = dist_members_apply(&cluster->members, follower->index, view, restarted,
	                         dist_clock_ns(), make_node, cluster, &leavers);
	if (!err && first)
		cluster->n_views++;
	if (!err)
		follower->trouble[0] = '\0';
	dist_unlock(&cluster->lock);

	if (err) {
		dist_log_warning("view-incomplete", "master=%s why=\"%s\"", follower->name,
		                 dist_error_text());
	} else {
		memcpy(follower->master_id, view->master, sizeof(dist_id));
		follower->epoch = view->epoch;
		follower->lease_ms = view->lease_ms;
		follower->n_failures = 0;
	}
	for (size_t i = 0; i < leavers.n; i++)
		dist_keeper_depart(cluster, leavers.list[i], leavers.lease_ms[i]);
	free(leavers.list);
	free(leavers.lease_ms);
	dist_cluster_view_changed(cluster);
	return err;
}

/* --- A master over the network ------------------------------------------------------- */

static int64_t
follower_hold_ms(const struct dist_follower *follower)
{
	return DIST_MAX(HOLD_MIN_MS, DIST_MIN(follower->lease_ms, HOLD_MAX_MS));
}

/* The same, but not beyond the time when there is an account to be told. */
static int64_t
follower_quiet_ms(const struct dist_follower *follower)
{
	int64_t due_ns = dist_account_due_ns(follower->cluster, &follower->turn);
	int64_t hold_ms = follower_hold_ms(follower);

	if (due_ns == DIST_NEVER)
		return hold_ms;
	return DIST_MAX(0, DIST_MIN(hold_ms, dist_deadline_poll_ms(due_ns)));
}

/* Whether a master answers there. */
static enum dist_err
follower_ping(struct dist_peer *peer)
{
	struct dist_call_options options = { .timeout_ms = PING_TIMEOUT_MS };
	CLIENT *clnt = dist_peer_client(peer, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	static const struct timeval unused = { 0, 0 };
	enum dist_err err = DIST_OK;

	if (!clnt)
		return dist_error_last();
	if (clnt_call(clnt, NULLPROC, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL,
	              unused) != RPC_SUCCESS)
		err = dist_error_last();
	clnt_destroy(clnt);
	return err;
}

/* One WATCH of at most @hold_ms, applied where it tells anything. */
static enum dist_err
follower_ask(struct dist_follower *follower, CLIENT *clnt, int64_t hold_ms)
{
	dist_watch watch = { .epoch = follower->epoch, .hold_ms = (u_int)hold_ms };
	dist_view view = { 0 };
	enum dist_err err = DIST_OK;

	memcpy(watch.master, follower->master_id, sizeof(dist_id));
	if (dist_watch_1(watch, &view, clnt) != RPC_SUCCESS)
		return dist_error_last();
	if (view.full || view.epoch != follower->epoch)
		err = follower_apply(follower, &view);
	xdr_free((xdrproc_t)xdr_dist_view, &view);
	if (!err)
		follower->n_failures = 0;
	return err;
}

/* What is new, without waiting for more: for who comes the first time, all nodes. */
static enum dist_err
follower_catch_up(struct dist_follower *follower, struct dist_peer *peer)
{
	struct dist_call_options options = { .timeout_ms = VIEW_TIMEOUT_MS };
	CLIENT *clnt = dist_peer_client(peer, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	enum dist_err err;

	if (!clnt)
		return dist_error_last();
	err = follower_ask(follower, clnt, 0);
	clnt_destroy(clnt);
	return err;
}

/* A moment, with nobody waiting: it is not worth to be woken from. */
static void
follower_rest_until(int64_t until_ns)
{
	struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };

	if (dist_clock_ns() < until_ns)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static enum dist_err
follower_watch(struct dist_follower *follower, struct dist_peer *peer)
{
	struct dist_call_options options = {
		.timeout_ms = follower_hold_ms(follower) + WATCH_SLACK_MS,
	};
	CLIENT *clnt = dist_peer_client(peer, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	enum dist_err err = DIST_OK;
	int64_t next_ns = 0;

	if (!clnt)
		return dist_error_last();
	dist_account_anew(follower->cluster, &follower->turn, follower->master_id);
	dist_account_tell(follower->cluster, &follower->turn, peer);
	while (!err && !follower_stopping(follower)) {
		follower_rest_until(next_ns);
		next_ns = dist_clock_ns() + ROUND_MIN_NS;
		err = follower_ask(follower, clnt, follower_quiet_ms(follower));
		if (!err)
			dist_account_tell(follower->cluster, &follower->turn, peer);
	}
	clnt_destroy(clnt);
	return err;
}

static void
follower_set_peer(struct dist_follower *follower, struct dist_peer *peer)
{
	dist_lock(&follower->cluster->lock);
	follower->peer = peer;
	dist_unlock(&follower->cluster->lock);
}

/* One place where the master may be, until it does not answer any more. */
static enum dist_err
follower_try(struct dist_follower *follower, const struct dist_candidate *candidate)
{
	struct dist_peer *peer;
	enum dist_err err;

	err = dist_peer_open(&peer, follower->cluster->route.runtime, &candidate->address,
	                     NULL);
	if (err)
		return err;
	follower_set_peer(follower, peer);
	/* Interrupted before it was there to be shut: look once more. */
	err = follower_stopping(follower) ? DIST_ECLOSED : follower_ping(peer);
	if (!err)
		err = follower_catch_up(follower, peer);
	if (!err) {
		dist_log_info("master-followed", "address=%s found=%s", peer->info.address,
		              dist_located_name(candidate->how));
		err = follower_watch(follower, peer);
		if (err && !follower_stopping(follower))
			dist_log_warning("master-lost", "address=%s why=\"%s\"",
			                 peer->info.address, dist_error_text());
	}
	follower_set_peer(follower, NULL);
	dist_peer_close(peer);
	return err;
}

/* Why the last round came to nothing, unless a view is there, for dist_cluster_open(). */
static void
follower_set_trouble(struct dist_follower *follower, const char *prefix)
{
	dist_lock(&follower->cluster->lock);
	if (follower->lease_ms == 0)
		snprintf(follower->trouble, sizeof(follower->trouble), "%s%s%s", prefix,
		         *prefix ? "; " : "", dist_error_text());
	dist_unlock(&follower->cluster->lock);
}

static void
follower_round(struct dist_follower *follower)
{
	struct dist_candidates *candidates = calloc(1, sizeof(*candidates));
	char tried[DIST_ERROR_TEXT_MAX] = "";
	enum dist_err err;

	if (!candidates)
		return;
	err = dist_locate_master(&follower->address, dist_clock_ns() + FIND_NS,
	                         &follower->cluster->stopping, candidates);
	if (err)
		follower_set_trouble(follower, "");
	else
		snprintf(tried, sizeof(tried), "%s", candidates->rpcbind_said);
	for (unsigned i = 0; !err && i < candidates->n && !follower_stopping(follower);
	     i++) {
		size_t used = strlen(tried);

		if (follower_try(follower, &candidates->list[i]) == DIST_OK)
			break;
		follower_set_trouble(follower, tried);
		snprintf(tried + used, sizeof(tried) - used, "%s%s", used ? "; " : "",
		         dist_error_text());
	}
	free(candidates);
}

/* --- A master of this process -------------------------------------------------------- */

static enum dist_err
follower_source_round(struct dist_follower *follower)
{
	dist_view view = { 0 };
	int64_t hold_ms = follower->lease_ms ? follower_quiet_ms(follower) : 0;
	enum dist_err err;

	err = follower->source.next(follower->source.arg, follower->master_id,
	                            follower->epoch, hold_ms, &view);
	if (err)
		return err;
	if (view.full || view.epoch != follower->epoch)
		err = follower_apply(follower, &view);
	xdr_free((xdrproc_t)xdr_dist_view, &view);
	dist_account_tell_here(follower->cluster, &follower->turn, follower->source.account,
	                       follower->source.arg);
	return err;
}

/* --- The thread ---------------------------------------------------------------------- */

static void
follower_pause(struct dist_follower *follower)
{
	struct dist_cluster *cluster = follower->cluster;
	unsigned doublings = DIST_MIN(follower->n_failures, 10);
	int64_t pause_ms = DIST_MIN(PAUSE_FIRST_MS << doublings, PAUSE_MAX_MS);
	int64_t until_ns = dist_deadline_in_ms(pause_ms);

	follower->n_failures++;
	dist_lock(&cluster->lock);
	while (!follower_stopping(follower) && dist_clock_ns() < until_ns)
		(void)dist_cond_wait_until(&cluster->changed, &cluster->lock, until_ns);
	dist_unlock(&cluster->lock);
}

static void *
follower_main(void *arg)
{
	struct dist_follower *follower = arg;

	dist_account_anew(follower->cluster, &follower->turn, follower->master_id);
	while (!follower_stopping(follower)) {
		if (!follower->source.next)
			follower_round(follower);
		else if (follower_source_round(follower) == DIST_OK)
			continue;
		if (!follower_stopping(follower))
			follower_pause(follower);
	}
	return NULL;
}
