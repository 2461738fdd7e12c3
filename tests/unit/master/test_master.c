#include "unit/master/registry.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static int
setup(void **state)
{
	static struct registry registry;

	registry_open(&registry, NULL);
	*state = &registry;
	return 0;
}

static int
teardown(void **state)
{
	registry_close(*state);
	return 0;
}

/* --- Registration ------------------------------------------------------------- */

static void
test_a_node_is_listed_where_it_came_from(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	char expected[64];
	dist_view view;

	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	assert_int_equal(node.registered.lease_ms, 60000);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	view = registry_list(registry, false);
	assert_int_equal(view.nodes.dist_node_entries_len, 1);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u",
	         dist_server_listeners(node.server)->port);
	assert_string_equal(view.nodes.dist_node_entries_val[0].name, expected);
	assert_string_equal(
		view.nodes.dist_node_entries_val[0].endpoints.endpoints_val[0].uaddr,
		node.registered.seen_as.uaddr);
	assert_memory_equal(view.master, node.registered.master, sizeof(dist_id));
	registry_free_view(&view);
	handmade_close(&node);
}

static void
test_a_node_that_cannot_be_called_back_is_not_admitted(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	char address[64];

	handmade_open(&node, registry, 1);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(node.server)->port);
	dist_server_stop(DIST_TAKE(node.server));
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_UNREACHABLE);
	assert_non_null(strstr(node.registered.reason, address));
	assert_non_null(strstr(node.registered.reason, "--advertise"));
	assert_int_equal(dist_master_n_nodes(registry->master), 0);
	handmade_close(&node);
}

static void
test_another_process_at_the_address_is_noticed(void **state)
{
	struct registry *registry = *state;
	struct handmade node;

	handmade_open(&node, registry, 1);
	node.as.instance[0] = 2;
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_UNREACHABLE);
	assert_non_null(strstr(node.registered.reason, "another process"));
	handmade_close(&node);
}

static void
test_a_malformed_registration_is_refused_with_a_reason(void **state)
{
	struct registry *registry = *state;
	struct handmade node;

	handmade_open(&node, registry, 1);
	node.as.services.services_len = 0;
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_REFUSED);
	assert_non_null(strstr(node.registered.reason, "serves nothing"));
	node.as.services.services_len = 1;
	strcpy(node.uaddr, "127.0.0.1.1");
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_REFUSED);
	assert_non_null(strstr(node.registered.reason, "127.0.0.1.1"));
	handmade_close(&node);
}

static void
test_no_more_nodes_than_allowed_are_taken(void **state)
{
	const struct dist_master_options options = { .max_nodes = 1 };
	struct registry registry;
	struct handmade one, two;

	(void)state;
	registry_open(&registry, &options);
	handmade_open(&one, &registry, 1);
	handmade_open(&two, &registry, 2);
	assert_int_equal(handmade_register(&one), DIST_REGISTRY_OK);
	assert_int_equal(handmade_register(&two), DIST_REGISTRY_REFUSED);
	assert_non_null(strstr(two.registered.reason, "1 node"));
	handmade_close(&one);
	handmade_close(&two);
	registry_close(&registry);
}

static void
expect_refused(struct handmade *node, const char *limit)
{
	assert_int_equal(handmade_register(node), DIST_REGISTRY_REFUSED);
	if (!strstr(node->registered.reason, limit))
		fail_msg("\"%s\" does not name %s", node->registered.reason, limit);
}

static void
test_a_registration_over_a_limit_is_told_which(void **state)
{
	const struct dist_master_options options = { .max_services = 1,
		                                     .max_attributes = 1,
		                                     .max_name_bytes = 8,
		                                     .max_nodes_per_connection = 1 };
	dist_service_entry services[2] = { { 1, 1, "A", "B" }, { 2, 1, "A", "B" } };
	dist_attr attrs[2] = { { "one", "1" }, { "two", "2" } };
	struct registry registry;
	struct handmade node, other;
	CLIENT *clnt;

	(void)state;
	registry_open(&registry, &options);
	handmade_open(&node, &registry, 1);
	node.as.services.services_val = services;
	node.as.services.services_len = 2;
	expect_refused(&node, "max_services");
	node.as.services.services_len = 1;
	node.as.attrs.dist_attrs_val = attrs;
	node.as.attrs.dist_attrs_len = 2;
	expect_refused(&node, "max_attributes");
	node.as.attrs.dist_attrs_len = 1;
	node.as.name = "123456789";
	expect_refused(&node, "max_name_bytes");
	node.as.name = "12345678";
	services[0].vers_name = "123456789";
	expect_refused(&node, "max_name_bytes");
	services[0].vers_name = "";
	attrs[0].name = "123456789";
	expect_refused(&node, "max_name_bytes");
	attrs[0].name = "one";
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);

	/* The same node may come again, another one not by the same way. */
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	handmade_open(&other, &registry, 2);
	other.as.name = "";
	other.service.prog_name = other.service.vers_name = "";
	clnt = other.clnt;
	other.clnt = node.clnt;
	expect_refused(&other, "max_nodes_per_connection");
	other.clnt = clnt;
	assert_int_equal(handmade_register(&other), DIST_REGISTRY_OK);
	node.as.attrs.dist_attrs_len = 0;
	handmade_close(&node);
	handmade_close(&other);
	registry_close(&registry);
}

static void
test_no_more_watchers_than_allowed_are_held(void **state)
{
	const struct dist_master_options options = { .max_watchers = 1 };
	struct registry registry;
	dist_watch watch = { .hold_ms = 60000 };
	dist_view view, none = { .epoch = 0 }, refused = { .epoch = 0 };
	struct dist_waiter *first, *second;

	(void)state;
	registry_open(&registry, &options);
	view = registry_list(&registry, false);
	memcpy(watch.master, view.master, sizeof(dist_id));
	watch.epoch = view.epoch;
	registry_free_view(&view);
	first = dist_go(registry.clnt, dist_watch_1, watch, &none);
	second = dist_go(registry.clnt, dist_watch_1, watch, &refused);
	assert_non_null(first);
	assert_non_null(second);
	assert_err(dist_waiter_wait(second, PATIENCE_MS), DIST_ERPC);
	dist_waiter_free(first);
	dist_waiter_free(second);
	registry_close(&registry);
}

/* --- Life and death ----------------------------------------------------------- */

static void
test_a_killed_node_is_gone_long_before_its_lease(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	dist_view before, after;

	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	before = registry_watch(registry, NULL, 0);
	assert_int_equal(before.nodes.dist_node_entries_len, 1);
	handmade_kill(&node);
	after = registry_watch(registry, &before, PATIENCE_MS);
	assert_false(after.full);
	assert_int_equal(after.nodes.dist_node_entries_len, 1);
	assert_int_equal(after.nodes.dist_node_entries_val[0].state, DIST_NODE_GONE);
	registry_free_view(&before);
	registry_free_view(&after);
	handmade_close(&node);
}

static void
test_a_node_whose_connection_broke_keeps_its_lease(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	dist_view before, after;

	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	before = registry_watch(registry, NULL, 0);
	dist_peer_close(node.peer);
	after = registry_watch(registry, &before, 300);
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	registry_free_view(&before);
	registry_free_view(&after);

	/* And over a new connection it goes on beating; the end of that one counts. */
	clnt_destroy(node.clnt);
	node.peer = registry_dial(registry);
	node.clnt = dist_peer_client(node.peer, DIST_REGISTRY, DIST_REGISTRY_V1, NULL);
	assert_int_equal(handmade_beat(&node), DIST_REGISTRY_OK);
	handmade_kill(&node);
	registry_await_live(registry, 0);
	handmade_close(&node);
}

static void
test_a_silent_node_is_gone_with_its_lease(void **state)
{
	struct registry *registry = *state;
	struct handmade node;

	handmade_open(&node, registry, 1);
	node.as.lease_ms = 300;
	/* On a busy machine it may be over before the first beat. */
	do
		assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	while (handmade_beat(&node) != DIST_REGISTRY_OK);
	registry_await_live(registry, 0);
	assert_int_equal(handmade_beat(&node), DIST_REGISTRY_UNKNOWN);
	node.as.lease_ms = 60000;
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	handmade_close(&node);
}

static void
test_a_reported_node_that_is_dead_is_gone(void **state)
{
	struct registry *registry = *state;
	struct handmade alive, dead;
	dist_report report = { { 0 } };

	handmade_open(&alive, registry, 1);
	handmade_open(&dead, registry, 2);
	assert_int_equal(handmade_register(&alive), DIST_REGISTRY_OK);
	assert_int_equal(handmade_register(&dead), DIST_REGISTRY_OK);
	/* Its registration's connection stays: only the report tells. */
	dist_server_stop(DIST_TAKE(dead.server));
	for (unsigned i = 1; i <= 3; i++) {
		report.instance[0] = (char)i;
		assert_int_equal(dist_report_1(report, NULL, registry->clnt),
		                 RPC_SUCCESS);
	}
	registry_await_live(registry, 1);
	assert_int_equal(handmade_beat(&alive), DIST_REGISTRY_OK);
	assert_int_equal(handmade_beat(&dead), DIST_REGISTRY_UNKNOWN);
	handmade_close(&alive);
	handmade_close(&dead);
}

static void
test_quiet_nodes_are_probed_in_turn(void **state)
{
	const struct dist_master_options options = { .probe_ms = 50 };
	struct registry registry;
	struct handmade node;

	(void)state;
	registry_open(&registry, &options);
	handmade_open(&node, &registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	dist_server_stop(DIST_TAKE(node.server));
	registry_await_live(&registry, 0);
	handmade_close(&node);
	registry_close(&registry);
}

static void
test_a_node_leaves_when_it_says_so(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	dist_heartbeat beat;
	dist_registry_status status;
	dist_view view;

	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	beat = (dist_heartbeat){ .session = node.registered.session };
	assert_int_equal(dist_deregister_1(beat, &status, node.clnt), RPC_SUCCESS);
	assert_int_equal(status, DIST_REGISTRY_UNKNOWN);
	memcpy(beat.token, node.registered.token, sizeof(dist_id));
	assert_int_equal(dist_deregister_1(beat, &status, node.clnt), RPC_SUCCESS);
	assert_int_equal(status, DIST_REGISTRY_OK);
	assert_int_equal(dist_master_n_nodes(registry->master), 0);

	view = registry_list(registry, false);
	assert_int_equal(view.nodes.dist_node_entries_len, 0);
	registry_free_view(&view);
	view = registry_list(registry, true);
	assert_int_equal(view.nodes.dist_node_entries_len, 1);
	assert_int_equal(view.nodes.dist_node_entries_val[0].state, DIST_NODE_GONE);
	registry_free_view(&view);
	handmade_close(&node);
}

/* --- Watching ----------------------------------------------------------------- */

static void
test_a_watch_is_held_until_something_changes(void **state)
{
	struct registry *registry = *state;
	struct dist_waiter *waiter;
	struct handmade node;
	dist_watch watch = { .hold_ms = PATIENCE_MS };
	dist_view before = registry_watch(registry, NULL, 0), after = { .full = FALSE };

	assert_true(before.full);
	watch.epoch = before.epoch;
	memcpy(watch.master, before.master, sizeof(dist_id));
	waiter = dist_go(registry->clnt, dist_watch_1, watch, &after);
	assert_non_null(waiter);
	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	assert_ok(dist_waiter_wait(waiter, PATIENCE_MS));
	assert_false(after.full);
	assert_int_equal(after.nodes.dist_node_entries_len, 1);
	assert_int_equal(after.nodes.dist_node_entries_val[0].state, DIST_NODE_LIVE);
	dist_waiter_free(waiter);
	registry_free_view(&before);
	registry_free_view(&after);
	handmade_close(&node);
}

static void
test_a_watch_without_news_ends_after_its_time(void **state)
{
	struct registry *registry = *state;
	dist_view before = registry_watch(registry, NULL, 0), after;
	int64_t start_ns = dist_clock_ns();

	after = registry_watch(registry, &before, 100);
	assert_true(dist_clock_ns() - start_ns >= 100 * DIST_NS_PER_MS);
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(after.nodes.dist_node_entries_len, 0);
	registry_free_view(&before);
	registry_free_view(&after);
}

static void
test_a_watcher_of_another_master_is_told_all_at_once(void **state)
{
	struct registry *registry = *state;
	dist_view before = registry_watch(registry, NULL, 0), after;
	struct handmade node;

	handmade_open(&node, registry, 1);
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	before.master[0] ^= 1;
	after = registry_watch(registry, &before, PATIENCE_MS);
	assert_true(after.full);
	assert_int_equal(after.nodes.dist_node_entries_len, 1);
	registry_free_view(&before);
	registry_free_view(&after);
	handmade_close(&node);
}

static void
test_a_held_watch_ends_when_the_master_stops(void **state)
{
	struct registry registry;
	struct dist_waiter *waiter;
	dist_watch watch = { .hold_ms = PATIENCE_MS };
	dist_view before, after = { .full = FALSE };

	(void)state;
	registry_open(&registry, NULL);
	before = registry_watch(&registry, NULL, 0);
	watch.epoch = before.epoch;
	memcpy(watch.master, before.master, sizeof(dist_id));
	waiter = dist_go(registry.clnt, dist_watch_1, watch, &after);
	assert_non_null(waiter);
	/* It is there once a later call has been answered on the same connection. */
	registry_free_view(&before);
	before = registry_list(&registry, false);
	dist_master_stop(DIST_TAKE(registry.master));
	assert_int_not_equal(dist_waiter_wait(waiter, PATIENCE_MS), DIST_OK);
	assert_true(dist_waiter_done(waiter));
	dist_waiter_free(waiter);
	registry_free_view(&before);
	registry_close(&registry);
}

/* --- Draining and starting ---------------------------------------------------- */

static void
test_the_order_to_drain_reaches_the_node(void **state)
{
	struct registry *registry = *state;
	struct handmade node;
	bool_t known = TRUE;
	dist_view view;

	handmade_open(&node, registry, 1);
	node.as.name = "worker";
	assert_int_equal(handmade_register(&node), DIST_REGISTRY_OK);
	assert_int_equal(dist_drain_1("nobody", &known, registry->clnt), RPC_SUCCESS);
	assert_false(known);
	assert_int_equal(handmade_beat(&node), DIST_REGISTRY_OK);
	assert_int_equal(dist_drain_1("worker", &known, registry->clnt), RPC_SUCCESS);
	assert_true(known);
	assert_int_equal(handmade_beat(&node), DIST_REGISTRY_DRAIN);
	view = registry_list(registry, false);
	assert_int_equal(view.nodes.dist_node_entries_val[0].state, DIST_NODE_DRAINING);
	assert_int_equal(dist_master_n_nodes(registry->master), 0);
	registry_free_view(&view);
	handmade_close(&node);
}

static void
test_options_that_contradict_are_refused(void **state)
{
	struct dist_master *master = NULL;

	(void)state;
	assert_err(
		dist_master_start(&master,
	                          &(struct dist_master_options){ .min_lease_ms = 500,
	                                                         .max_lease_ms = 100 }),
		DIST_EINVAL);
	assert_err(dist_master_start(&master,
	                             &(struct dist_master_options){ .probe_ms = -1 }),
	           DIST_EINVAL);
	assert_err(dist_master_start(&master,
	                             &(struct dist_master_options){
					     .listen = "no such place:1" }),
	           DIST_EADDRESS);
	assert_null(master);
	dist_master_stop(NULL);
}

static void
test_a_port_that_is_taken_is_named(void **state)
{
	struct registry *registry = *state;
	struct dist_master *master = NULL;
	char listen[32];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u",
	         dist_master_port(registry->master));
	assert_err(dist_master_start(&master,
	                             &(struct dist_master_options){
					     .listen = listen, .no_rpcbind = true }),
	           DIST_EADDRINUSE);
	assert_non_null(strstr(dist_error_text(), listen));
}

#define MASTER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	MASTER_TEST(test_a_node_is_listed_where_it_came_from),
	MASTER_TEST(test_a_node_that_cannot_be_called_back_is_not_admitted),
	MASTER_TEST(test_another_process_at_the_address_is_noticed),
	MASTER_TEST(test_a_malformed_registration_is_refused_with_a_reason),
	cmocka_unit_test(test_no_more_nodes_than_allowed_are_taken),
	cmocka_unit_test(test_a_registration_over_a_limit_is_told_which),
	cmocka_unit_test(test_no_more_watchers_than_allowed_are_held),
	MASTER_TEST(test_a_killed_node_is_gone_long_before_its_lease),
	MASTER_TEST(test_a_node_whose_connection_broke_keeps_its_lease),
	MASTER_TEST(test_a_silent_node_is_gone_with_its_lease),
	MASTER_TEST(test_a_reported_node_that_is_dead_is_gone),
	cmocka_unit_test(test_quiet_nodes_are_probed_in_turn),
	MASTER_TEST(test_a_node_leaves_when_it_says_so),
	MASTER_TEST(test_a_watch_is_held_until_something_changes),
	MASTER_TEST(test_a_watch_without_news_ends_after_its_time),
	MASTER_TEST(test_a_watcher_of_another_master_is_told_all_at_once),
	cmocka_unit_test(test_a_held_watch_ends_when_the_master_stops),
	MASTER_TEST(test_the_order_to_drain_reaches_the_node),
	cmocka_unit_test(test_options_that_contradict_are_refused),
	MASTER_TEST(test_a_port_that_is_taken_is_named),
};

CHECK_MAIN(tests)
