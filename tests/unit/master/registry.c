#include "unit/master/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
hollow_dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp;
	svcerr_noproc(xprt);
}

const struct dist_service hollow_service = {
	.size = sizeof(struct dist_service),
	.program = 0x20000099,
	.version = 1,
	.program_name = "HOLLOW_PROG",
	.version_name = "HOLLOW_V1",
	.dispatch = hollow_dispatch,
};

static CLIENT *
client_of(struct dist_peer *peer)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	CLIENT *clnt =
		dist_peer_client(peer, DIST_REGISTRY, DIST_REGISTRY_V1, &options);

	assert_non_null(clnt);
	return clnt;
}

void
registry_open(struct registry *registry, const struct dist_master_options *options)
{
	struct dist_master_options all =
		options ? *options : (struct dist_master_options){ 0 };

	if (!all.listen)
		all.listen = "127.0.0.1:0";
	all.no_rpcbind = true;
	assert_ok(dist_master_start(&registry->master, &all));
	assert_ok(dist_runtime_start(&registry->runtime, "test"));
	registry->peer = registry_dial(registry);
	registry->clnt = client_of(registry->peer);
}

void
registry_close(struct registry *registry)
{
	clnt_destroy(registry->clnt);
	dist_peer_close(registry->peer);
	dist_runtime_stop(registry->runtime);
	dist_master_stop(registry->master);
}

struct dist_peer *
registry_dial(struct registry *registry)
{
	struct dist_sockaddr address;
	struct dist_peer *peer = NULL;

	assert_true(dist_sockaddr_from_numeric(
		"127.0.0.1", (int)dist_master_port(registry->master), &address));
	assert_ok(dist_peer_open(&peer, registry->runtime, &address, NULL));
	return peer;
}

static void
assert_success(enum clnt_stat stat)
{
	if (stat != RPC_SUCCESS)
		fail_msg("%s", dist_error_text());
}

dist_view
registry_list(struct registry *registry, bool with_gone)
{
	dist_view view = { .full = FALSE };

	assert_success(dist_list_1(with_gone, &view, registry->clnt));
	return view;
}

dist_view
registry_watch(struct registry *registry, const dist_view *since, unsigned hold_ms)
{
	dist_watch watch = { .hold_ms = hold_ms };
	dist_view view = { .full = FALSE };

	if (since) {
		watch.epoch = since->epoch;
		memcpy(watch.master, since->master, sizeof(dist_id));
	}
	assert_success(dist_watch_1(watch, &view, registry->clnt));
	return view;
}

void
registry_free_view(dist_view *view)
{
	xdr_free((xdrproc_t)xdr_dist_view, view);
}

static unsigned
count_live(struct registry *registry)
{
	dist_view view = registry_list(registry, false);
	unsigned n = 0;

	for (unsigned i = 0; i < view.nodes.dist_node_entries_len; i++)
		n += view.nodes.dist_node_entries_val[i].state == DIST_NODE_LIVE;
	registry_free_view(&view);
	return n;
}

void
registry_await_live(struct registry *registry, unsigned n)
{
	dist_view before = registry_watch(registry, NULL, 0);

	while (count_live(registry) != n) {
		dist_view after = registry_watch(registry, &before, PATIENCE_MS);

		assert_int_not_equal(after.epoch, before.epoch);
		registry_free_view(&before);
		before = after;
	}
	registry_free_view(&before);
}

/* --- Nodes -------------------------------------------------------------------- */

void
handmade_open(struct handmade *node, struct registry *registry, unsigned number)
{
	struct dist_server_options options = { .listen = "127.0.0.1:0", .workers = 1 };
	struct dist_sockaddr any;

	*node = (struct handmade){ .as = { .capacity = 1, .lease_ms = 60000 } };
	memcpy(options.instance, &number, sizeof(number));
	assert_ok(dist_server_open(&node->server, &options));
	assert_ok(dist_server_start(node->server));
	node->peer = registry_dial(registry);
	node->clnt = client_of(node->peer);

	memcpy(node->as.instance, &number, sizeof(number));
	assert_true(dist_sockaddr_from_numeric(
		"0.0.0.0", (int)dist_server_listeners(node->server)->port, &any));
	dist_uaddr_format(&any, node->uaddr);
	node->endpoint = (dist_endpoint){ "tcp", node->uaddr };
	node->service =
		(dist_service_entry){ 0x20000099, 1, "HOLLOW_PROG", "HOLLOW_V1" };
	node->as.name = "";
	node->as.endpoints.endpoints_len = 1;
	node->as.endpoints.endpoints_val = &node->endpoint;
	node->as.services.services_len = 1;
	node->as.services.services_val = &node->service;
}

dist_registry_status
handmade_register(struct handmade *node)
{
	xdr_free((xdrproc_t)xdr_dist_registered, &node->registered);
	memset(&node->registered, 0, sizeof(node->registered));
	assert_success(dist_register_1(node->as, &node->registered, node->clnt));
	return node->registered.status;
}

dist_registry_status
handmade_beat(struct handmade *node)
{
	dist_heartbeat beat = { .session = node->registered.session };
	dist_registry_status status;

	memcpy(beat.token, node->registered.token, sizeof(dist_id));
	assert_success(dist_heartbeat_1(beat, &status, node->clnt));
	return status;
}

void
handmade_kill(struct handmade *node)
{
	dist_server_stop(DIST_TAKE(node->server));
	dist_peer_close(DIST_TAKE(node->peer));
}

void
handmade_close(struct handmade *node)
{
	clnt_destroy(node->clnt);
	handmade_kill(node);
	xdr_free((xdrproc_t)xdr_dist_registered, &node->registered);
}
