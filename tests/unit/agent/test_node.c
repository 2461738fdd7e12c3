/* Nodes as programs start them, with masters in this same process. */
#include "unit/master/registry.h"

#include "base/clock.h"

#include <dist/log.h>
#include <dist/node.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct dist_service *const services[] = { &hollow_service, NULL };

/* "127.0.0.1:PORT" of the registry's master. */
static const char *
master_text(struct registry *registry)
{
	static char text[32];

	snprintf(text, sizeof(text), "127.0.0.1:%u",
	         dist_master_port(registry->master));
	return text;
}

/* For nodes that a busy machine may keep from beating for longer than they ask for. */
#define PATIENT .min_lease_ms = PATIENCE_MS

static int
setup(void **state)
{
	static struct registry registry;

	registry_open(&registry, &(struct dist_master_options){ PATIENT });
	*state = &registry;
	return 0;
}

static int
teardown(void **state)
{
	registry_close(*state);
	return 0;
}

/* A node that beats fast, registered at the masters of @options. */
static struct dist_node *
start(const struct dist_node_options *options, unsigned n_masters)
{
	struct dist_node_options all = *options;
	struct dist_node *node = NULL;

	all.no_rpcbind = true;
	all.workers = 2;
	if (!all.heartbeat_ms)
		all.heartbeat_ms = 100;
	assert_ok(dist_node_start(&node, services, &all));
	assert_ok(dist_node_wait_registered(node, n_masters, PATIENCE_MS));
	return node;
}

/* --- Registering -------------------------------------------------------------- */

static void
test_a_node_is_listed_as_it_describes_itself(void **state)
{
	static const struct dist_attribute attributes[] = { { "rack", "7" },
		                                            { NULL, NULL } };
	struct registry *registry = *state;
	struct dist_node *node =
		start(&(struct dist_node_options){ .masters = master_text(registry),
	                                           .name = "worker",
	                                           .heartbeat_ms = 10000,
	                                           .attributes = attributes },
	              1);
	dist_view view = registry_list(registry, false);
	dist_node_entry *entry = view.nodes.dist_node_entries_val;

	assert_int_equal(view.nodes.dist_node_entries_len, 1);
	assert_string_equal(entry->name, "worker");
	assert_int_equal(entry->capacity, 2);
	assert_int_equal(entry->lease_ms, 30000);
	assert_int_equal(entry->services.services_val[0].prog, hollow_service.program);
	assert_string_equal(entry->services.services_val[0].prog_name, "HOLLOW_PROG");
	assert_string_equal(entry->attrs.dist_attrs_val[0].name, "rack");
	assert_string_equal(dist_node_name(node), "worker");
	registry_free_view(&view);
	dist_node_stop(node);
	assert_int_equal(dist_master_n_nodes(registry->master), 0);
}

static void
test_a_node_on_all_addresses_learns_its_name(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node =
		start(&(struct dist_node_options){ .masters = master_text(registry),
	                                           .listen = ":0" },
	              1);
	char expected[32];

	snprintf(expected, sizeof(expected), "127.0.0.1:%u", dist_node_port(node));
	assert_string_equal(dist_node_name(node), expected);
	dist_node_stop(node);
}

static void
test_heartbeats_hold_the_lease(void **state)
{
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	dist_view before, after;
	struct registry registry;
	struct dist_node *node;

	(void)state;
	registry_open(&registry, NULL);
	node = start(&(struct dist_node_options){ .masters = master_text(&registry) }, 1);
	after = registry_watch(&registry, NULL, 0);
	/* Three leases without a change. A busy machine may let one end: then the next. */
	do {
		before = after;
		after = registry_watch(&registry, &before, 900);
		registry_free_view(&before);
		assert_false(dist_deadline_passed(until_ns));
	} while (after.epoch != before.epoch ||
	         dist_master_n_nodes(registry.master) != 1);
	registry_free_view(&after);
	dist_node_stop(node);
	registry_close(&registry);
}

static void
test_a_master_that_comes_back_finds_its_nodes(void **state)
{
	struct registry registry, again;
	struct dist_node *nodes[3];
	char listen[32];

	(void)state;
	registry_open(&registry, &(struct dist_master_options){ PATIENT });
	strcpy(listen, master_text(&registry));
	for (int i = 0; i < 3; i++)
		nodes[i] = start(&(struct dist_node_options){ .masters = listen }, 1);
	assert_int_equal(dist_master_n_nodes(registry.master), 3);
	registry_close(&registry);

	registry_open(&again, &(struct dist_master_options){ .listen = listen });
	registry_await_live(&again, 3);
	for (int i = 0; i < 3; i++)
		dist_node_stop(nodes[i]);
	registry_close(&again);
}

static void
test_an_instance_cannot_be_taken_over_from_elsewhere(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node = start(
		&(struct dist_node_options){ .masters = master_text(registry) }, 1);
	dist_view before = registry_list(registry, false), after;
	struct handmade thief;

	handmade_open(&thief, registry, 9);
	memcpy(thief.as.instance, before.nodes.dist_node_entries_val[0].instance,
	       sizeof(dist_id));
	assert_int_equal(handmade_register(&thief), DIST_REGISTRY_UNREACHABLE);
	handmade_close(&thief);
	after = registry_watch(registry, &before, 300);
	assert_int_equal(after.epoch, before.epoch);
	registry_free_view(&before);
	registry_free_view(&after);
	dist_node_stop(node);
}

static void
test_two_masters_hold_one_node(void **state)
{
	struct registry *registry = *state, second;
	struct dist_node *node;
	char masters[80];

	registry_open(&second, &(struct dist_master_options){ PATIENT });
	snprintf(masters, sizeof(masters), "127.0.0.1:%u, 127.0.0.1:%u",
	         dist_master_port(registry->master), dist_master_port(second.master));
	node = start(&(struct dist_node_options){ .masters = masters }, 2);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	assert_int_equal(dist_master_n_nodes(second.master), 1);
	registry_close(&second);
	assert_ok(dist_node_wait_registered(node, 1, PATIENCE_MS));
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	dist_node_stop(node);
}

static void
count_registered(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level;
	(void)text;
	if (!strcmp(id, "node-registered"))
		atomic_fetch_add((atomic_uint *)arg, 1);
}

static void
test_one_master_under_two_names_is_one(void **state)
{
	struct registry *registry = *state;
	unsigned port = dist_master_port(registry->master);
	struct dist_node *node;
	dist_view before, after;
	atomic_uint n_registered = 0;
	char masters[80];

	dist_log_set_sink(count_registered, &n_registered, DIST_LOG_NOTICE);
	snprintf(masters, sizeof(masters), "127.0.0.1:%u,localhost:%u", port, port);
	node = start(&(struct dist_node_options){ .masters = masters }, 2);
	before = registry_watch(registry, NULL, 0);
	after = registry_watch(registry, &before, 1000);
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	/* Ten beats: each agent once, and the first once more to have it back. */
	dist_log_set_sink(NULL, NULL, DIST_LOG_NOTICE);
	assert_in_range(n_registered, 2, 4);
	registry_free_view(&before);
	registry_free_view(&after);
	dist_node_stop(node);
}

/* --- What goes wrong ---------------------------------------------------------- */

static void
test_an_absent_master_is_not_an_end(void **state)
{
	struct registry registry;
	struct dist_node *node = NULL;
	char listen[32];

	(void)state;
	registry_open(&registry, NULL);
	strcpy(listen, master_text(&registry));
	registry_close(&registry);
	assert_ok(dist_node_start(&node, services,
	                          &(struct dist_node_options){ .masters = listen,
	                                                       .heartbeat_ms = 100,
	                                                       .no_rpcbind = true }));
	assert_err(dist_node_wait_registered(node, 1, 50), DIST_ETIMEDOUT);
	registry_open(&registry,
	              &(struct dist_master_options){ .listen = listen, PATIENT });
	assert_ok(dist_node_wait_registered(node, 1, PATIENCE_MS));
	assert_int_equal(dist_master_n_nodes(registry.master), 1);
	dist_node_stop(node);
	registry_close(&registry);
}

static void
test_a_refusal_is_told_with_its_reason(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node = NULL;

	/* Port 1 of loopback: nobody answers there. */
	assert_ok(dist_node_start(
		&node, services,
		&(struct dist_node_options){ .masters = master_text(registry),
	                                     .advertise = "127.0.0.1:1",
	                                     .heartbeat_ms = 100,
	                                     .no_rpcbind = true }));
	assert_err(dist_node_wait_registered(node, 1, PATIENCE_MS), DIST_EREFUSED);
	assert_non_null(strstr(dist_error_text(), "127.0.0.1:1"));
	dist_node_stop(node);
}

static void
test_loopback_alone_is_no_use_to_a_master_elsewhere(void **state)
{
	struct dist_node *node = NULL;

	(void)state;
	assert_err(dist_node_start(
			   &node, services,
			   &(struct dist_node_options){ .masters = "192.0.2.1:3000",
	                                                .no_rpcbind = true }),
	           DIST_EINVAL);
	assert_non_null(strstr(dist_error_text(), "--listen"));
	assert_non_null(strstr(dist_error_text(), "192.0.2.1"));
	assert_null(node);
}

static void
test_what_cannot_be_served_is_refused(void **state)
{
	static const struct dist_service *const nothing[] = { NULL };
	static const struct dist_service *const twice[] = { &hollow_service,
		                                            &hollow_service, NULL };
	struct dist_node *node = NULL;

	(void)state;
	assert_err(dist_node_start(&node, nothing, NULL), DIST_EINVAL);
	assert_err(dist_node_start(&node, NULL, NULL), DIST_EINVAL);
	assert_err(dist_node_start(&node, twice, NULL), DIST_EINVAL);
	assert_err(dist_node_start(&node, services,
	                           &(struct dist_node_options){ .masters = "a:b:c" }),
	           DIST_EADDRESS);
	assert_err(dist_node_start(&node, services,
	                           &(struct dist_node_options){ .heartbeat_ms = -1 }),
	           DIST_EINVAL);
	assert_null(node);
}

static void
test_a_node_without_masters_just_serves(void **state)
{
	struct dist_node *node = NULL;

	(void)state;
	assert_ok(dist_node_start(&node, services,
	                          &(struct dist_node_options){ .no_rpcbind = true }));
	assert_true(dist_node_port(node) > 0);
	assert_ok(dist_node_wait_registered(node, 0, 0));
	assert_err(dist_node_wait_registered(node, 1, 0), DIST_EINVAL);
	assert_ok(dist_node_drain(node, PATIENCE_MS));
	dist_node_stop(node);
}

static void
test_the_child_of_a_fork_is_told_so(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node =
		start(&(struct dist_node_options){ .masters = master_text(registry) }, 1);
	int status = -1;
	pid_t child;

	child = fork();
	assert_return_code(child, 0);
	if (child == 0) {
		bool told = dist_node_drain(node, 0) == DIST_EFORKED &&
		            dist_node_wait_registered(node, 1, 0) == DIST_EFORKED &&
		            dist_master_n_nodes(registry->master) == 0;

		dist_node_stop(node);
		dist_master_stop(registry->master);
		_exit(told ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(dist_master_n_nodes(registry->master), 1);
	dist_node_stop(node);
}

/* --- Draining ----------------------------------------------------------------- */

static void
test_a_drained_node_has_left_the_registry(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node = start(
		&(struct dist_node_options){ .masters = master_text(registry) }, 1);

	assert_ok(dist_node_drain(node, PATIENCE_MS));
	assert_int_equal(dist_master_n_nodes(registry->master), 0);
	assert_ok(dist_node_drain(node, PATIENCE_MS));
	dist_node_stop(node);
}

static void
test_the_order_to_drain_wakes_whoever_polls(void **state)
{
	struct registry *registry = *state;
	struct dist_node *node = start(
		&(struct dist_node_options){ .masters = master_text(registry) }, 1);
	struct pollfd pollfd = { .fd = dist_node_drain_fd(node), .events = POLLIN };
	char name[64];
	bool_t known;

	assert_int_equal(poll(&pollfd, 1, 0), 0);
	assert_false(dist_node_drain_asked(node));
	snprintf(name, sizeof(name), "%s", dist_node_name(node));
	assert_int_equal(dist_drain_1(name, &known, registry->clnt), RPC_SUCCESS);
	assert_true(known);
	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	assert_true(dist_node_drain_asked(node));
	dist_node_stop(node);
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	NODE_TEST(test_a_node_is_listed_as_it_describes_itself),
	NODE_TEST(test_a_node_on_all_addresses_learns_its_name),
	cmocka_unit_test(test_heartbeats_hold_the_lease),
	cmocka_unit_test(test_a_master_that_comes_back_finds_its_nodes),
	NODE_TEST(test_an_instance_cannot_be_taken_over_from_elsewhere),
	NODE_TEST(test_two_masters_hold_one_node),
	NODE_TEST(test_one_master_under_two_names_is_one),
	cmocka_unit_test(test_an_absent_master_is_not_an_end),
	NODE_TEST(test_a_refusal_is_told_with_its_reason),
	cmocka_unit_test(test_loopback_alone_is_no_use_to_a_master_elsewhere),
	cmocka_unit_test(test_what_cannot_be_served_is_refused),
	cmocka_unit_test(test_a_node_without_masters_just_serves),
	NODE_TEST(test_the_child_of_a_fork_is_told_so),
	NODE_TEST(test_a_drained_node_has_left_the_registry),
	NODE_TEST(test_the_order_to_drain_wakes_whoever_polls),
};

CHECK_MAIN(tests)
