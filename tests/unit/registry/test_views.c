/* What a table tells those that ask: all of it, what came since, and who is gone. */
#include "fixture.h"

static void
test_a_delta_tells_each_changed_node_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t sessions[4], epoch;

	for (unsigned i = 0; i < 4; i++)
		sessions[i] = add(fixture, i + 1);
	epoch = dist_table_epoch(fixture->table);
	assert_string_equal(view_text(fixture, epoch), "since");
	assert_string_equal(view_text(fixture, epoch - 1), "since node-4");

	assert_int_equal(leave(fixture, sessions[1]), DIST_REGISTRY_OK);
	assert_int_equal(dist_table_drain(fixture->table, "node-1"), 1);
	add(fixture, 2);
	assert_int_equal(leave(fixture, sessions[3]), DIST_REGISTRY_OK);
	assert_string_equal(view_text(fixture, epoch),
	                    "since node-1:draining node-2 node-4:gone");
	assert_string_equal(view_text(fixture, epoch + 3), "since node-4:gone");
}

static void
test_strangers_get_the_full_view(void **state)
{
	static const dist_id other = "another-master!";
	struct fixture *fixture = *state;
	struct dist_snapshot *snapshot;
	uint64_t epoch;

	add(fixture, 1);
	epoch = dist_table_epoch(fixture->table);
	assert_ok(dist_table_view(fixture->table, other, epoch, now_ns(fixture),
	                          &snapshot));
	assert_true(snapshot->view.full);
	dist_snapshot_free(snapshot);
	/* An epoch that has not been yet. */
	assert_string_equal(view_text(fixture, epoch + 1), "full node-1");
}

static void
test_what_is_forgotten_makes_the_view_full(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epochs[4];

	/* Two gone nodes are remembered here: the third makes the first forgotten. */
	epochs[0] = dist_table_epoch(fixture->table);
	for (unsigned i = 1; i < 4; i++) {
		leave(fixture, add(fixture, i));
		epochs[i] = dist_table_epoch(fixture->table);
	}
	assert_string_equal(view_text(fixture, epochs[0]), "full");
	assert_string_equal(view_text(fixture, epochs[1]),
	                    "since node-2:gone node-3:gone");
	assert_string_equal(view_text(fixture, epochs[2]), "since node-3:gone");
}

static void
test_gone_nodes_are_listed_for_an_hour(void **state)
{
	struct fixture *fixture = *state;
	struct dist_snapshot *snapshot;

	leave(fixture, add(fixture, 1));
	assert_ok(dist_table_list(fixture->table, true, now_ns(fixture), &snapshot));
	assert_int_equal(snapshot->view.nodes.dist_node_entries_len, 1);
	assert_int_equal(snapshot->view.nodes.dist_node_entries_val[0].state,
	                 DIST_NODE_GONE);
	dist_snapshot_free(snapshot);

	assert_int_equal(dist_table_expire(fixture->table, now_ns(fixture)),
	                 now_ns(fixture) + 3600 * INT64_C(1000000000));
	fixture->now_ms += 3600 * 1000;
	assert_int_equal(dist_table_expire(fixture->table, now_ns(fixture)), INT64_MAX);
	assert_ok(dist_table_list(fixture->table, true, now_ns(fixture), &snapshot));
	assert_int_equal(snapshot->view.nodes.dist_node_entries_len, 0);
	dist_snapshot_free(snapshot);
}

/* Behind what it said of itself; those that live say that alone. */
static void
test_a_gone_nodes_last_attribute_is_why(void **state)
{
	static const char *const wanted[] = { "left", "silent", "lease-expired" };
	struct fixture *fixture = *state;
	struct dist_snapshot *snapshot;
	uint64_t epoch, silent;

	leave(fixture, add(fixture, 1));
	silent = add(fixture, 2);
	assert_true(dist_table_drop(fixture->table, silent, "silent", now_ns(fixture)));
	add(fixture, 3);
	fixture->now_ms += 5000;
	add(fixture, 4);
	dist_table_expire(fixture->table, now_ns(fixture));
	epoch = dist_table_epoch(fixture->table);
	leave(fixture, add(fixture, 5));

	assert_ok(dist_table_list(fixture->table, true, now_ns(fixture), &snapshot));
	for (unsigned i = 0; i < snapshot->view.nodes.dist_node_entries_len; i++) {
		const dist_node_entry *node =
			&snapshot->view.nodes.dist_node_entries_val[i];
		const dist_attr *attrs = node->attrs.dist_attrs_val;
		unsigned n = node->instance[0];

		assert_string_equal(attrs[0].name, "rack");
		assert_int_equal(node->attrs.dist_attrs_len, n == 4 ? 1 : 2);
		if (n == 4)
			continue;
		assert_string_equal(attrs[1].name, "gone");
		assert_string_equal(attrs[1].value, wanted[n == 5 ? 0 : n - 1]);
	}
	assert_int_equal(snapshot->view.nodes.dist_node_entries_len, 5);
	dist_snapshot_free(snapshot);

	assert_ok(dist_table_view(fixture->table, MASTER, epoch, now_ns(fixture),
	                          &snapshot));
	assert_int_equal(snapshot->view.nodes.dist_node_entries_len, 1);
	assert_string_equal(snapshot->view.nodes.dist_node_entries_val[0]
	                            .attrs.dist_attrs_val[1]
	                            .value,
	                    "left");
	dist_snapshot_free(snapshot);
}

/* A 65th would not encode, and with it the whole view. */
static void
test_no_node_has_more_attributes_than_the_wire_takes(void **state)
{
	struct fixture *fixture = *state;
	struct dist_snapshot *snapshot;
	struct dist_entry *entry = NULL;
	struct dist_grant grant;
	struct sample sample;
	dist_attr attrs[64];

	sample_fill(&sample, 1);
	for (unsigned i = 0; i < 64; i++)
		attrs[i] = (dist_attr){ "rack", "7" };
	sample.as.attrs.dist_attrs_val = attrs;
	sample.as.attrs.dist_attrs_len = 64;
	assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
	assert_ok(add_entry(fixture, entry, 0, &grant));
	leave(fixture, grant.session);
	assert_ok(dist_table_list(fixture->table, true, now_ns(fixture), &snapshot));
	assert_int_equal(
		snapshot->view.nodes.dist_node_entries_val[0].attrs.dist_attrs_len, 64);
	dist_snapshot_free(snapshot);
}

static void
test_a_view_outlives_its_nodes_and_the_table(void **state)
{
	struct dist_snapshot *snapshot;
	struct fixture *fixture = *state;
	struct dist_table *table;
	struct dist_grant grant;
	struct dist_entry *entry = sample_entry(1);

	assert_ok(dist_table_new(&table, MASTER, now_ns(fixture), NULL));
	assert_ok(dist_table_register(table, entry, TOKEN, 0, now_ns(fixture), &grant));
	dist_entry_unref(entry);
	assert_ok(dist_table_view(table, MASTER, 0, now_ns(fixture), &snapshot));
	dist_table_free(table);
	assert_string_equal(snapshot->view.nodes.dist_node_entries_val[0].name,
	                    "node-1");
	dist_snapshot_free(snapshot);
}

static const struct CMUnitTest tests[] = {
	TABLE_TEST(test_a_delta_tells_each_changed_node_once),
	TABLE_TEST(test_strangers_get_the_full_view),
	SMALL_TABLE_TEST(test_what_is_forgotten_makes_the_view_full),
	TABLE_TEST(test_gone_nodes_are_listed_for_an_hour),
	TABLE_TEST(test_a_gone_nodes_last_attribute_is_why),
	TABLE_TEST(test_no_node_has_more_attributes_than_the_wire_takes),
	TABLE_TEST(test_a_view_outlives_its_nodes_and_the_table),
};

CHECK_MAIN(tests)
