/* A cluster's view as it changes: who is in it, and in which groups. */
#include "support/check.h"

#include <string.h>

#include "base/clock.h"
#include "client/members.h"
#include "client/runtime.h"

#define PROG_A 0x20000001
#define PROG_B 0x20000002

struct fixture {
	struct dist_runtime *runtime;
	struct dist_members members;
	unsigned n_left;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_ok(dist_runtime_start(&f->runtime, "test"));
	dist_members_init(&f->members);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	dist_members_fini(&f->members);
	dist_runtime_stop(f->runtime);
	free(f);
	return 0;
}

static struct dist_peer *
make(const dist_node_entry *entry, void *arg)
{
	struct dist_peer_options options = { .name = entry->name, .capacity = 1 };
	struct fixture *f = arg;
	struct dist_sockaddr address;
	struct dist_peer *peer;

	memcpy(options.instance, entry->instance, sizeof(options.instance));
	assert_true(dist_sockaddr_from_numeric("127.0.0.1", 1, &address));
	assert_ok(dist_peer_new(&peer, f->runtime, &address, &options));
	return peer;
}

/* Nodes @first to @first + @n - 1 in @state, as a change or as all there are. */
static void
apply(struct fixture *f, unsigned first, unsigned n, dist_node_state node_state,
      uint32_t prog, bool full, bool restarted)
{
	dist_service_entry service = { .prog = prog, .vers = 1 };
	dist_node_entry *nodes = calloc(n + 1, sizeof(*nodes));
	dist_view view = { .lease_ms = 1000, .full = full };
	struct dist_leavers leavers = { 0 };

	for (unsigned i = 0; i < n; i++) {
		unsigned number = first + i;

		memcpy(nodes[i].instance, &number, sizeof(number));
		nodes[i].name = (char *)"node";
		nodes[i].state = node_state;
		nodes[i].services.services_len = 1;
		nodes[i].services.services_val = &service;
	}
	view.nodes.dist_node_entries_len = n;
	view.nodes.dist_node_entries_val = nodes;
	assert_ok(dist_members_apply(&f->members, 0, &view, restarted, 0, make, f,
	                             &leavers));
	f->n_left = (unsigned)leavers.n;
	for (size_t i = 0; i < leavers.n; i++)
		dist_peer_unref(leavers.list[i]);
	free(leavers.list);
	free(leavers.lease_ms);
	free(nodes);
}

static size_t
group_size(struct fixture *f, uint32_t prog)
{
	struct dist_group *group = dist_members_group(&f->members, prog, 1);

	assert_non_null(group);
	return group->n;
}

static void
test_a_change_takes_and_adds_and_leaves_the_others_alone(void **state)
{
	struct fixture *f = *state;

	apply(f, 0, 3000, DIST_NODE_LIVE, PROG_A, true, false);
	assert_int_equal(group_size(f, PROG_A), 3000);
	apply(f, 1000, 500, DIST_NODE_GONE, PROG_A, false, false);
	assert_int_equal(f->n_left, 500);
	apply(f, 3000, 700, DIST_NODE_LIVE, PROG_A, false, false);
	assert_int_equal(f->n_left, 0);
	assert_int_equal(f->members.n, 3200);
	assert_int_equal(group_size(f, PROG_A), 3200);
	assert_int_equal(group_size(f, PROG_B), 0);
}

static void
test_a_full_view_ends_whom_it_does_not_list(void **state)
{
	struct fixture *f = *state;

	apply(f, 0, 100, DIST_NODE_LIVE, PROG_A, true, false);
	apply(f, 90, 20, DIST_NODE_LIVE, PROG_A, true, false);
	assert_int_equal(f->n_left, 90);
	assert_int_equal(f->members.n, 20);
	assert_int_equal(group_size(f, PROG_A), 20);
}

static void
test_a_node_that_drains_is_in_no_group(void **state)
{
	struct fixture *f = *state;

	apply(f, 0, 10, DIST_NODE_LIVE, PROG_A, true, false);
	assert_int_equal(group_size(f, PROG_A), 10);
	apply(f, 4, 1, DIST_NODE_DRAINING, PROG_A, false, false);
	assert_int_equal(f->members.n, 10);
	assert_int_equal(group_size(f, PROG_A), 9);
}

static void
test_a_node_that_serves_something_else_changes_its_group(void **state)
{
	struct fixture *f = *state;

	apply(f, 0, 10, DIST_NODE_LIVE, PROG_A, true, false);
	assert_int_equal(group_size(f, PROG_A), 10);
	assert_int_equal(group_size(f, PROG_B), 0);
	apply(f, 0, 3, DIST_NODE_LIVE, PROG_B, false, false);
	assert_int_equal(group_size(f, PROG_A), 7);
	assert_int_equal(group_size(f, PROG_B), 3);
}

static void
test_after_a_restart_nodes_have_a_lease_to_come_back(void **state)
{
	struct fixture *f = *state;
	struct dist_leavers leavers = { 0 };

	apply(f, 0, 10, DIST_NODE_LIVE, PROG_A, true, false);
	apply(f, 0, 4, DIST_NODE_LIVE, PROG_A, true, true);
	assert_int_equal(f->n_left, 0);
	assert_int_equal(group_size(f, PROG_A), 10);

	assert_int_equal(dist_members_expire(&f->members, 0, &leavers),
	                 1000 * DIST_NS_PER_MS);
	assert_int_equal(leavers.n, 0);
	assert_int_equal(
		dist_members_expire(&f->members, 1000 * DIST_NS_PER_MS, &leavers),
		DIST_NEVER);
	assert_int_equal(leavers.n, 6);
	assert_int_equal(f->members.n, 4);
	assert_int_equal(group_size(f, PROG_A), 4);
	for (size_t i = 0; i < leavers.n; i++)
		dist_peer_unref(leavers.list[i]);
	free(leavers.list);
	free(leavers.lease_ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_change_takes_and_adds_and_leaves_the_others_alone, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_full_view_ends_whom_it_does_not_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_node_that_drains_is_in_no_group,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_node_that_serves_something_else_changes_its_group, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_after_a_restart_nodes_have_a_lease_to_come_back, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
