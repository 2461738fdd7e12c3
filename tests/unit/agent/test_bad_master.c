/*
 * A master that is broken, or is none: what it tells harms neither a cluster that
 * watches it nor a node that registers with it.
 */
#include "support/check.h"

#include "base/clock.h"
#include "idl/registry.h"
#include "server/server.h"

#include <dist/cluster.h>
#include <dist/node.h>
#include <dist/waiter.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Longer than anything here takes. */
#define PATIENCE_MS 20000

/* --- The master --------------------------------------------------------------- */

/* What it answers every WATCH with, at once; one may still be answered when its cluster is
 * closed, so what it refers to stays. */
static dist_view view;
static pthread_mutex_t view_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned lease_ms;
static atomic_uint n_watches, n_beats;

static void
bad_dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	dist_registered registered = { .reason = "",
		                       .session = 1,
		                       .lease_ms = lease_ms,
		                       .seen_as = { .netid = "", .uaddr = "" } };
	dist_registry_status status = DIST_REGISTRY_OK;
	dist_view answer;

	switch (rqstp->rq_proc) {
	case NULLPROC:
		svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
		return;
	case DIST_REGISTER:
		svc_sendreply(xprt, (xdrproc_t)xdr_dist_registered, &registered);
		return;
	case DIST_HEARTBEAT:
		atomic_fetch_add(&n_beats, 1);
		svc_sendreply(xprt, (xdrproc_t)xdr_dist_registry_status, &status);
		return;
	case DIST_DEREGISTER:
		svc_sendreply(xprt, (xdrproc_t)xdr_dist_registry_status, &status);
		return;
	case DIST_WATCH:
		atomic_fetch_add(&n_watches, 1);
		pthread_mutex_lock(&view_lock);
		answer = view;
		pthread_mutex_unlock(&view_lock);
		svc_sendreply(xprt, (xdrproc_t)xdr_dist_view, &answer);
		return;
	default:
		svcerr_noproc(xprt);
	}
}

static const struct dist_service bad_registry = {
	.size = sizeof(struct dist_service),
	.program = DIST_REGISTRY,
	.version = DIST_REGISTRY_V1,
	.dispatch = bad_dispatch,
};

static void
hollow_dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp;
	svcerr_noproc(xprt);
}

static const struct dist_service hollow = {
	.size = sizeof(struct dist_service),
	.program = 0x20000099,
	.version = 1,
	.dispatch = hollow_dispatch,
};

static struct dist_server *master;
static char master_text[32];

static int
setup(void **state)
{
	const struct dist_server_options options = { .listen = "127.0.0.1:0",
		                                     .workers = 2 };

	(void)state;
	memset(&view, 0, sizeof(view));
	memset(view.master, 1, sizeof(view.master));
	view.epoch = 1;
	view.lease_ms = 3000;
	view.full = TRUE;
	lease_ms = 3000;
	atomic_store(&n_watches, 0);
	atomic_store(&n_beats, 0);
	assert_ok(dist_server_open(&master, &options));
	assert_ok(dist_server_add(master, &bad_registry));
	assert_ok(dist_server_start(master));
	snprintf(master_text, sizeof(master_text), "127.0.0.1:%u",
	         dist_server_listeners(master)->port);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dist_server_stop(master);
	return 0;
}

static void
await(atomic_uint *count, unsigned n)
{
	while (atomic_load(count) < n)
		sched_yield();
}

/* --- Clusters ----------------------------------------------------------------- */

/* It need not be held: the next one may come at once. But not ten thousand a second. */
static void
assert_watched_at_leisure(void)
{
	enum { N = 40 };
	struct dist_cluster *cluster = NULL;
	int64_t began_ns = dist_clock_ns();

	assert_ok(dist_cluster_open(&cluster, master_text, CHECK_PATIENT));
	await(&n_watches, N);
	/* The first is a question of its own, and the first WATCH comes at once. */
	assert_true(dist_clock_ns() - began_ns >= (N - 3) * 5 * DIST_NS_PER_MS);
	dist_cluster_close(cluster);
}

static void
test_a_master_that_holds_no_watch_keeps_nobody_busy(void **state)
{
	(void)state;
	assert_watched_at_leisure(); /* all nodes, again and again */
	pthread_mutex_lock(&view_lock);
	view.full = FALSE;
	pthread_mutex_unlock(&view_lock);
	atomic_store(&n_watches, 0);
	assert_watched_at_leisure(); /* nothing new, again and again */
}

static enum dist_err
note_node(const struct dist_node_info *info, void *arg)
{
	char *names = arg;

	strcat(names, info->name);
	strcat(names, ";");
	return DIST_OK;
}

/* One may be of a release to come, with a netid that is not known yet. */
static void
test_a_node_without_an_address_is_left_out_and_the_others_are_there(void **state)
{
	static dist_endpoint good = { "tcp", "127.0.0.1.4.1" };
	static dist_endpoint strange[] = { { "local", "/run/x" }, { "tcp", "1.2.3" } };
	static dist_node_entry nodes[3] = { { .name = "no-endpoint" },
		                            { .name = "strange" },
		                            { .name = "good" } };
	struct dist_cluster *cluster = NULL;
	char names[256] = "";

	(void)state;
	for (int i = 0; i < 3; i++) {
		memset(nodes[i].instance, i + 1, sizeof(nodes[i].instance));
		nodes[i].capacity = 1;
	}
	nodes[1].endpoints.endpoints_len = 2;
	nodes[1].endpoints.endpoints_val = strange;
	nodes[2].endpoints.endpoints_len = 1;
	nodes[2].endpoints.endpoints_val = &good;
	pthread_mutex_lock(&view_lock);
	view.nodes.dist_node_entries_len = 3;
	view.nodes.dist_node_entries_val = nodes;
	pthread_mutex_unlock(&view_lock);
	assert_ok(dist_cluster_open(&cluster, master_text, CHECK_PATIENT));
	assert_ok(dist_cluster_each_node(cluster, note_node, names));
	assert_string_equal(names, "good;");
	await(&n_watches, 5); /* and it goes on being watched */
	dist_cluster_close(cluster);
}

/* --- Nodes -------------------------------------------------------------------- */

/* A term of nothing is beaten for as often as that is worth it. */
static void
test_a_lease_of_nothing_keeps_no_node_busy(void **state)
{
	enum { N = 30 };
	const struct dist_service *const services[] = { &hollow, NULL };
	const struct dist_node_options options = { .masters = master_text,
		                                   .listen = "127.0.0.1:0",
		                                   .no_rpcbind = true };
	struct dist_node *node = NULL;
	int64_t began_ns = dist_clock_ns();

	(void)state;
	lease_ms = 0;
	assert_ok(dist_node_start(&node, services, &options));
	assert_ok(dist_node_wait_registered(node, 1, PATIENCE_MS));
	await(&n_beats, N);
	assert_true(dist_clock_ns() - began_ns >= (N - 1) * 10 * DIST_NS_PER_MS);
	dist_node_stop(node);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_a_master_that_holds_no_watch_keeps_nobody_busy),
	TEST(test_a_node_without_an_address_is_left_out_and_the_others_are_there),
	TEST(test_a_lease_of_nothing_keeps_no_node_busy),
};

CHECK_MAIN(tests)
