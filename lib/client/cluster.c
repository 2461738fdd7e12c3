/* A cluster from birth to death (dist/cluster.h). */
#include "client/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/clnt.h"
#include "client/dispatch.h"
#include "client/harvest.h"
#include "client/inside.h"
#include "client/runtime_internal.h"
#include "io/resolve.h"

#define OPEN_TIMEOUT_MS 5000
#define MAX_RECORD_BYTES ((size_t)128 * 1024 * 1024)

/* --- The route ----------------------------------------------------------------------- */

static bool
cluster_park(struct dist_route *route, struct dist_call *call)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);
	bool open;

	dist_lock(&cluster->lock);
	open = !cluster->closed;
	if (open) {
		dist_list_append(&cluster->parked, &call->place_link);
		dist_cond_signal(&cluster->due);
	}
	dist_unlock(&cluster->lock);
	return open;
}

/*
 * Of a few nodes those that are called just now. Among many the calls are scattered: there
 * the loop reads, which is told of them all.
 */
static void
cluster_list_conns(struct dist_route *route, struct dist_harvest *harvest)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);
	struct dist_peer *peers[DIST_HARVEST_CONNS];
	unsigned n = 0;

	dist_lock(&cluster->lock);
	for (size_t i = 0; i < cluster->members.n &&
	                   cluster->members.n <= DIST_HARVEST_CONNS; i++) {
		struct dist_peer *peer = cluster->members.list[i]->peer;

		if (atomic_load(&peer->in_flight))
			peers[n++] = dist_peer_ref(peer);
	}
	dist_unlock(&cluster->lock);
	for (unsigned i = 0; i < n; i++) {
		dist_peer_list_conns(peers[i], harvest);
		dist_peer_unref(peers[i]);
	}
}

static void
cluster_failed(struct dist_route *route)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);

	if (atomic_load(&cluster->troubled) || atomic_exchange(&cluster->troubled, true))
		return;
	dist_lock(&cluster->lock);
	dist_cond_signal(&cluster->due);
	dist_unlock(&cluster->lock);
}

static void
cluster_destroy(struct dist_route *route)
{
	struct dist_cluster *cluster = DIST_CONTAINER_OF(route, struct dist_cluster, route);

	dist_members_fini(&cluster->members);
	dist_bound_fini(&cluster->route.bound);
	dist_mutex_fini(&cluster->lock);
	dist_runtime_unref(cluster->route.runtime);
	free(cluster->masters);
	free(cluster);
}

static const struct dist_route_ops cluster_route_ops = {
	.pick = dist_cluster_pick,
	.park = cluster_park,
	.failed = cluster_failed,
	.list_conns = cluster_list_conns,
	.room = dist_cluster_room,
	.destroy = cluster_destroy,
};

/* --- Opening ------------------------------------------------------------------------- */

static enum dist_err
cluster_new(struct dist_cluster **ret_cluster, const char *masters,
            const struct dist_cluster_options *options, size_t options_size)
{
	struct dist_cluster *cluster = calloc(1, sizeof(*cluster));
	enum dist_err err;

	if (!cluster)
		return dist_error_set_plain(DIST_ENOMEM);
	err = dist_options_copy(&cluster->options, sizeof(cluster->options), options,
	                        options_size);
	if (err)
		goto failed;
	cluster->masters = strdup(masters ? masters : "");
	if (!cluster->masters) {
		err = dist_error_set_plain(DIST_ENOMEM);
		goto failed;
	}
	if (getrandom(cluster->instance, sizeof(cluster->instance), 0) !=
	    sizeof(cluster->instance)) {
		err = dist_error_set(DIST_ESYSTEM, "no random numbers to be had");
		goto failed;
	}
	err = dist_runtime_start(&cluster->route.runtime, "call");
	if (err)
		goto failed;
	dist_runtime_ref(cluster->route.runtime); /* the route's, beside its stopper's */
	cluster->route.ops = &cluster_route_ops;
	cluster->route.max_record_bytes = cluster->options.max_record_bytes
	                                          ? cluster->options.max_record_bytes
	                                          : MAX_RECORD_BYTES;
	dist_bound_init(&cluster->route.bound, cluster->options.max_in_flight,
	                cluster->options.wait_for_room);
	atomic_init(&cluster->route.refs, 1);
	dist_mutex_init(&cluster->lock, DIST_RANK_CLUSTER);
	dist_cond_init(&cluster->changed);
	dist_cond_init(&cluster->due);
	dist_budget_init(&cluster->retries, cluster->options.retry_budget_percent,
	                 dist_clock_ns());
	dist_members_init(&cluster->members);
	dist_list_init(&cluster->parked);
	dist_list_init(&cluster->reports);
	dist_list_init(&cluster->departed);
	*ret_cluster = cluster;
	return DIST_OK;

failed:
	free(cluster->masters);
	free(cluster);
	return err;
}

static enum dist_err
cluster_add_server(struct dist_cluster *cluster, const struct dist_hostport *server,
                   int64_t deadline_ns)
{
	struct dist_peer_options options = {
		.connect_timeout_ms = cluster->options.connect_timeout_ms,
		.max_record_bytes = cluster->options.max_record_bytes,
		.max_unsent_bytes = cluster->options.max_unsent_bytes,
		.spin_us = cluster->options.spin_us,
		.counted = true,
	};
	struct dist_addresses addresses;
	struct dist_peer *peer;
	enum dist_err err;

	if (server->port <= 0)
		return dist_error_set(DIST_EADDRESS,
		                      "server \"%s\" has no port: write HOST:PORT",
		                      server->host);
	err = dist_resolve(server->host, server->port, deadline_ns, NULL, &addresses);
	if (!err)
		err = dist_peer_new(&peer, cluster->route.runtime, &addresses.list[0],
		                    &options);
	if (err)
		return err;
	dist_lock(&cluster->lock);
	err = dist_members_add_fixed(&cluster->members, peer);
	dist_unlock(&cluster->lock);
	return err;
}

static enum dist_err
cluster_add_servers(struct dist_cluster *cluster, int64_t deadline_ns)
{
	struct dist_hostport *list = NULL;
	size_t n = 0;
	enum dist_err err = DIST_OK;

	if (!cluster->options.servers)
		return DIST_OK;
	err = dist_hostport_parse_list(cluster->options.servers, &list, &n);
	for (size_t i = 0; !err && i < n; i++)
		err = cluster_add_server(cluster, &list[i], deadline_ns);
	free(list);
	cluster->options.servers = NULL; /* it was borrowed */
	return err;
}

static enum dist_err
cluster_follow(struct dist_cluster *cluster, const struct dist_hostport *master,
               const struct dist_view_source *source)
{
	struct dist_follower *follower;
	enum dist_err err;

	if (cluster->n_followers == DIST_FOLLOWERS_MAX)
		return dist_error_set(DIST_EINVAL, "more than %d masters",
		                      DIST_FOLLOWERS_MAX);
	err = dist_follower_start(&follower, cluster, cluster->n_followers, master, source);
	if (!err)
		cluster->followers[cluster->n_followers++] = follower;
	return err;
}

static enum dist_err
cluster_follow_all(struct dist_cluster *cluster, const char *masters)
{
	struct dist_hostport *list = NULL;
	size_t n = 0;
	enum dist_err err = DIST_OK;

	if (!masters)
		return DIST_OK;
	err = dist_hostport_parse_list(masters, &list, &n);
	for (size_t i = 0; !err && i < n; i++)
		err = cluster_follow(cluster, &list[i], NULL);
	free(list);
	return err;
}

static bool
cluster_wait_locked(struct dist_cluster *cluster, int64_t deadline_ns)
	DIST_REQUIRES(&cluster->lock)
{
	return dist_cond_wait_until(&cluster->changed, &cluster->lock, deadline_ns);
}

/* The first master's view suffices; when none came, what each of them said. */
static enum dist_err
cluster_wait_first_view(struct dist_cluster *cluster, int64_t deadline_ns)
{
	char said[DIST_ERROR_TEXT_MAX] = "";
	enum dist_err err = DIST_OK;

	dist_lock(&cluster->lock);
	while (cluster->n_views == 0 && cluster_wait_locked(cluster, deadline_ns))
		;
	if (cluster->n_views == 0) {
		for (unsigned i = 0; i < cluster->n_followers; i++) {
			size_t used = strlen(said);

			snprintf(said + used, sizeof(said) - used, "%s%s", used ? "; " : "",
			         dist_follower_trouble_locked(cluster->followers[i]));
		}
		err = dist_error_set(DIST_ENOMASTER, "no master answers at %s: %s",
		                     cluster->masters, said);
	}
	dist_unlock(&cluster->lock);
	return err;
}

static enum dist_err
cluster_open(struct dist_cluster **ret_cluster, const char *masters,
             struct dist_view_source *source,
             const struct dist_cluster_options *options, size_t options_size)
{
	struct dist_cluster *cluster = NULL;
	int64_t deadline_ns;
	enum dist_err err;

	err = cluster_new(&cluster, masters, options, options_size);
	if (err)
		return err;
	deadline_ns = dist_deadline_in_ms(cluster->options.open_timeout_ms
	                                          ? cluster->options.open_timeout_ms
	                                          : OPEN_TIMEOUT_MS);
	if (!masters && !source && !cluster->options.servers)
		err = dist_error_set(DIST_EINVAL, "neither masters nor servers were given");
	if (!err)
		err = cluster_add_servers(cluster, deadline_ns);
	if (!err)
		err = dist_thread_start(&cluster->keeper, "dist-keeper", dist_keeper_main,
		                        cluster);
	if (err) {
		cluster->closed = true; /* no thread of it runs */
		dist_runtime_stop(cluster->route.runtime);
		dist_route_unref(&cluster->route);
		return err;
	}
	err = cluster_follow_all(cluster, masters);
	if (!err && source) {
		err = cluster_follow(cluster, NULL, source);
		if (!err)
			source->release = NULL; /* the follower has it */
	}
	if (!err && cluster->n_followers)
		err = cluster_wait_first_view(cluster, deadline_ns);
	if (err) {
		char text[DIST_ERROR_TEXT_MAX];

		snprintf(text, sizeof(text), "%s", dist_error_text());
		dist_cluster_close(cluster);
		return dist_error_set(err, "%s", text);
	}
	*ret_cluster = cluster;
	return DIST_OK;
}

enum dist_err
dist_cluster_open_sized(struct dist_cluster **ret_cluster, const char *masters,
                        const struct dist_cluster_options *options, size_t options_size)
{
	return cluster_open(ret_cluster, masters, NULL, options, options_size);
}

enum dist_err
dist_cluster_open_source(struct dist_cluster **ret_cluster, struct dist_view_source source,
                         const struct dist_cluster_options *options, size_t options_size)
{
	enum dist_err err =
		cluster_open(ret_cluster, NULL, &source, options, options_size);

	if (source.release)
		source.release(source.arg);
	return err;
}

/* --- Closing ------------------------------------------------------------------------- */

static void
cluster_end_parked(struct dist_cluster *cluster)
{
	struct dist_list mine, *link;

	dist_list_init(&mine);
	dist_lock(&cluster->lock);
	dist_list_move_all(&cluster->parked, &mine);
	dist_unlock(&cluster->lock);
	while ((link = dist_list_pop(&mine)))
		dist_dispatch_place(DIST_CONTAINER_OF(link, struct dist_call, place_link));
}

static void
cluster_end_peers(struct dist_cluster *cluster)
{
	struct dist_peer **peers;
	size_t n;

	/* Nothing is added any more: the followers are gone. */
	dist_lock(&cluster->lock);
	n = cluster->members.n;
	peers = calloc(n ? n : 1, sizeof(struct dist_peer *));
	for (size_t i = 0; peers && i < n; i++)
		peers[i] = dist_peer_ref(cluster->members.list[i]->peer);
	dist_unlock(&cluster->lock);
	for (size_t i = 0; i < n; i++) {
		/* Without memory for the list, one by one: no lock may be held here. */
		struct dist_peer *peer = peers ? peers[i] : cluster->members.list[i]->peer;

		dist_peer_on_gone(peer, NULL, NULL);
		dist_peer_shut(peer, DIST_ECLOSED);
		if (peers)
			dist_peer_unref(peer);
	}
	free(peers);
}

void
dist_cluster_close(struct dist_cluster *cluster)
{
	if (!cluster || dist_runtime_forked(cluster->route.runtime))
		return;
	dist_account_tell_last(cluster);
	dist_lock(&cluster->lock);
	cluster->closed = true;
	atomic_store(&cluster->stopping, true);
	dist_cond_broadcast(&cluster->changed);
	dist_cond_signal(&cluster->due);
	dist_unlock(&cluster->lock);

	for (unsigned i = 0; i < cluster->n_followers; i++)
		dist_follower_interrupt(cluster->followers[i]);
	pthread_join(cluster->keeper, NULL);
	for (unsigned i = 0; i < cluster->n_followers; i++)
		dist_follower_free(cluster->followers[i]);
	cluster->n_followers = 0;
	cluster_end_parked(cluster);
	cluster_end_peers(cluster);
	dist_keeper_fini(cluster);
	dist_runtime_stop(cluster->route.runtime);
	dist_route_unref(&cluster->route);
}

/* --- The view ------------------------------------------------------------------------ */

void
dist_cluster_view_changed(struct dist_cluster *cluster)
{
	struct dist_list mine, *link;

	dist_list_init(&mine);
	dist_lock(&cluster->lock);
	dist_list_move_all(&cluster->parked, &mine);
	dist_cond_broadcast(&cluster->changed);
	if (cluster->members.n_grace)
		dist_cond_signal(&cluster->due);
	dist_unlock(&cluster->lock);
	while ((link = dist_list_pop(&mine)))
		dist_dispatch_place(DIST_CONTAINER_OF(link, struct dist_call, place_link));
}

/* Not by their group, which takes memory: without any, a wait would go on for nothing. */
static unsigned
count_live_locked(struct dist_cluster *cluster, uint32_t prog, uint32_t vers)
	DIST_REQUIRES(&cluster->lock)
{
	struct dist_group *group = dist_groups_find(&cluster->members.groups, prog, vers);
	bool any = prog == 0 && vers == 0;
	unsigned n = 0;

	if (group)
		return (unsigned)group->n;
	for (size_t i = 0; i < cluster->members.n; i++) {
		const struct dist_member *member = cluster->members.list[i];

		n += !member->draining &&
		     (any || dist_member_serves(member, prog, vers));
	}
	return n;
}

static enum dist_err
say_too_few(unsigned n, unsigned n_wanted, uint32_t prog, uint32_t vers)
{
	char serve[64] = "";

	if (prog || vers)
		snprintf(serve, sizeof(serve), " serve program %#x version %u", prog, vers);
	return dist_error_set(DIST_ETIMEDOUT,
	                      "too few live nodes%s: %u, and %u wanted; start some with "
	                      "distnode, or see distctl services",
	                      serve, n, n_wanted);
}

enum dist_err
dist_cluster_wait_nodes(struct dist_cluster *cluster, rpcprog_t prog, rpcvers_t vers,
                        unsigned n_nodes, int64_t timeout_ms)
{
	int64_t deadline_ns = dist_deadline_in_ms(timeout_ms);
	struct dist_inside before;
	enum dist_err err = DIST_OK;
	unsigned n;

	if (dist_runtime_forked(cluster->route.runtime))
		return dist_error_set_plain(DIST_EFORKED);
	dist_thread_will_block();
	before = dist_inside_enter();
	dist_route_ref(&cluster->route); /* closing it ends this wait */
	dist_lock(&cluster->lock);
	while ((n = count_live_locked(cluster, (uint32_t)prog, (uint32_t)vers)) < n_nodes &&
	       !cluster->closed && cluster_wait_locked(cluster, deadline_ns))
		;
	dist_inside_leave(before);
	if (cluster->closed)
		err = dist_error_set_plain(DIST_ECLOSED);
	else if (n < n_nodes)
		err = say_too_few(n, n_nodes, (uint32_t)prog, (uint32_t)vers);
	dist_unlock(&cluster->lock);
	dist_route_unref(&cluster->route);
	return err;
}

/* A node as it was when a look at all began. */
struct listed {
	struct dist_peer *peer; /* holds a reference */
	bool draining;
};

/* By name; those of one name by instance, which does not change with their order. */
static int
listed_compare(const void *a, const void *b)
{
	const struct dist_node_info *left = &((const struct listed *)a)->peer->info;
	const struct dist_node_info *right = &((const struct listed *)b)->peer->info;
	int order = strcmp(left->name, right->name);

	if (order == 0)
		order = memcmp(left->instance, right->instance, sizeof(left->instance));
	return order ? order : strcmp(left->address, right->address);
}

enum dist_err
dist_cluster_each_node(struct dist_cluster *cluster, dist_node_info_fn *fn, void *arg)
{
	struct listed *list;
	enum dist_err err = DIST_OK;
	size_t n;

	if (dist_runtime_forked(cluster->route.runtime))
		return dist_error_set_plain(DIST_EFORKED);
	dist_lock(&cluster->lock);
	n = cluster->members.n;
	list = calloc(n ? n : 1, sizeof(*list));
	for (size_t i = 0; list && i < n; i++) {
		list[i].peer = dist_peer_ref(cluster->members.list[i]->peer);
		list[i].draining = cluster->members.list[i]->draining;
	}
	dist_unlock(&cluster->lock);
	if (!list)
		return dist_error_set_plain(DIST_ENOMEM);
	qsort(list, n, sizeof(*list), listed_compare);
	for (size_t i = 0; i < n; i++) {
		struct dist_node_info info = list[i].peer->info;

		info.draining = list[i].draining;
		info.in_flight = atomic_load(&list[i].peer->in_flight);
		info.set_aside = atomic_load(&list[i].peer->troubles) & DIST_PEER_ASIDE;
		if (!err)
			err = fn(&info, arg);
		dist_peer_unref(list[i].peer);
	}
	free(list);
	return err;
}

/* --- CLIENTs ------------------------------------------------------------------------- */

CLIENT *
dist_client_create_sized(struct dist_cluster *cluster, rpcprog_t prog, rpcvers_t vers,
                         const struct dist_call_options *options, size_t options_size)
{
	struct dist_call_options copy;

	if (!cluster) {
		dist_error_set(DIST_EINVAL, "no cluster to make a CLIENT for");
		return NULL;
	}
	if (dist_options_copy(&copy, sizeof(copy), options, options_size))
		return NULL;
	if (copy.hedge_after_ms < 0 || (copy.hedge_after_ms && !copy.idempotent)) {
		dist_error_set(DIST_EINVAL,
		               "hedge_after_ms is %" PRId64 ": %s", copy.hedge_after_ms,
		               copy.hedge_after_ms < 0
		                       ? "it must not be below 0"
		                       : "it sends a call to two nodes, so the CLIENT must "
		                         "say that its calls are idempotent");
		return NULL;
	}
	return dist_clnt_new(&cluster->route, prog, vers, &copy);
}
