/* The table, with a clock that the tests set: times are milliseconds. */
#include "registry/table.h"

#include "sample.h"

#include <stdlib.h>

static const dist_id MASTER = "master-one-here";
static const dist_id TOKEN = "token-one-secre";

struct fixture {
	struct dist_table *table;
	int64_t now_ms;
};

static int64_t
now_ns(const struct fixture *fixture)
{
	return fixture->now_ms * 1000000;
}

static int
setup_with(void **state, const struct dist_table_options *options)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->now_ms = 1000;
	assert_ok(dist_table_new(&fixture->table, MASTER, now_ns(fixture), options));
	*state = fixture;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, NULL);
}

static int
setup_small(void **state)
{
	return setup_with(
		state, &(struct dist_table_options){ .max_nodes = 2, .max_gone = 2 });
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	dist_table_free(fixture->table);
	free(fixture);
	return 0;
}

/* --- Shorthand ---------------------------------------------------------------- */

static enum dist_err
add_entry(struct fixture *fixture, struct dist_entry *entry, uint64_t origin,
          struct dist_grant *ret_grant)
{
	enum dist_err err = dist_table_register(fixture->table, entry, TOKEN, origin,
	                                        now_ns(fixture), ret_grant);

	dist_entry_unref(entry);
	return err;
}

/* Registers node @n; its session. */
static uint64_t
add(struct fixture *fixture, unsigned n)
{
	struct dist_grant grant;

	assert_ok(add_entry(fixture, sample_entry(n), 0, &grant));
	return grant.session;
}

static dist_heartbeat
beat_of(uint64_t session)
{
	dist_heartbeat beat = { .session = session };

	memcpy(beat.token, TOKEN, sizeof(beat.token));
	return beat;
}

static dist_registry_status
beat(struct fixture *fixture, uint64_t session)
{
	dist_heartbeat heartbeat = beat_of(session);

	return dist_table_heartbeat(fixture->table, &heartbeat, 0, now_ns(fixture));
}

static dist_registry_status
leave(struct fixture *fixture, uint64_t session)
{
	dist_heartbeat heartbeat = beat_of(session);

	return dist_table_deregister(fixture->table, &heartbeat, now_ns(fixture));
}

/* The view since @epoch as text, in order of change: "full node-1 node-2" or
 * "since node-1:gone". */
static const char *
view_text(struct fixture *fixture, uint64_t epoch)
{
	static const char *const states[] = { "", ":draining", ":gone" };
	static char text[256];
	struct dist_snapshot *snapshot;
	dist_node_entries *nodes;

	assert_ok(dist_table_view(fixture->table, MASTER, epoch, now_ns(fixture),
	                          &snapshot));
	nodes = &snapshot->view.nodes;
	strcpy(text, snapshot->view.full ? "full" : "since");
	for (unsigned i = 0; i < nodes->dist_node_entries_len; i++) {
		/* A delta begins with the newest change. */
		unsigned at =
			snapshot->view.full ? i : nodes->dist_node_entries_len - 1 - i;
		dist_node_entry *node = &nodes->dist_node_entries_val[at];

		strcat(strcat(strcat(text, " "), node->name), states[node->state]);
	}
	dist_snapshot_free(snapshot);
	return text;
}

/* --- Registration ------------------------------------------------------------- */

static void
test_a_registered_node_is_in_the_full_view(void **state)
{
	struct fixture *fixture = *state;
	struct dist_snapshot *snapshot;
	dist_node_entry *node;

	assert_string_equal(view_text(fixture, 0), "full");
	add(fixture, 1);
	fixture->now_ms += 500;
	add(fixture, 2);
	assert_string_equal(view_text(fixture, 0), "full node-1 node-2");
	assert_int_equal(dist_table_n_live(fixture->table), 2);

	assert_ok(
		dist_table_view(fixture->table, MASTER, 0, now_ns(fixture), &snapshot));
	node = snapshot->view.nodes.dist_node_entries_val;
	assert_int_equal(node->age_ms, 500);
	assert_int_equal(node->idle_ms, 500);
	assert_int_equal(node->lease_ms, 3000);
	assert_int_equal(node->services.services_len, 2);
	assert_string_equal(node->services.services_val[0].prog_name, "ARITH_PROG");
	assert_int_equal(snapshot->view.uptime_ms, 500);
	assert_memory_equal(snapshot->view.master, MASTER, sizeof(MASTER));
	dist_snapshot_free(snapshot);
}

static void
test_the_term_is_what_was_asked_within_the_limits(void **state)
{
	static const unsigned asked[] = { 0, 1, 300, 5000, 60000, 4000000000 };
	static const unsigned granted[] = { 3000, 300, 300, 5000, 60000, 60000 };
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < DIST_ARRAY_SIZE(asked); i++) {
		struct dist_grant grant;
		struct dist_entry *entry;
		struct sample sample;

		sample_fill(&sample, i + 1)->lease_ms = asked[i];
		assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
		assert_ok(add_entry(fixture, entry, 0, &grant));
		assert_int_equal(grant.lease_ms, granted[i]);
	}
}

static void
test_the_same_instance_replaces_its_session_unseen(void **state)
{
	struct fixture *fixture = *state;
	uint64_t first = add(fixture, 1), epoch = dist_table_epoch(fixture->table);
	uint64_t second = add(fixture, 1);

	assert_int_not_equal(first, second);
	assert_int_equal(dist_table_epoch(fixture->table), epoch);
	assert_int_equal(beat(fixture, first), DIST_REGISTRY_UNKNOWN);
	assert_int_equal(beat(fixture, second), DIST_REGISTRY_OK);
	assert_int_equal(leave(fixture, first), DIST_REGISTRY_UNKNOWN);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
}

static void
test_the_same_instance_with_other_services_is_a_change(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epoch;
	struct dist_grant grant;
	struct dist_entry *entry;
	struct sample sample;

	add(fixture, 1);
	epoch = dist_table_epoch(fixture->table);
	sample_fill(&sample, 1)->services.services_len = 1;
	assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
	assert_ok(add_entry(fixture, entry, 0, &grant));
	assert_string_equal(view_text(fixture, epoch), "since node-1");
}

static void
test_another_instance_at_the_same_address_replaces(void **state)
{
	struct fixture *fixture = *state;
	uint64_t first = add(fixture, 1), epoch = dist_table_epoch(fixture->table);
	struct dist_grant grant;
	struct dist_entry *entry;
	struct sample sample;

	sample_fill(&sample, 1);
	sample.as.instance[0] = 99;
	sample.as.name = "reborn";
	assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
	assert_ok(add_entry(fixture, entry, 0, &grant));
	assert_string_equal(view_text(fixture, epoch), "since node-1:gone reborn");
	assert_int_equal(beat(fixture, first), DIST_REGISTRY_UNKNOWN);
	assert_int_equal(beat(fixture, grant.session), DIST_REGISTRY_OK);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
}

static void
test_a_full_table_refuses_new_nodes_alone(void **state)
{
	struct fixture *fixture = *state;
	struct dist_grant grant;
	uint64_t first = add(fixture, 1);

	add(fixture, 2);
	assert_err(add_entry(fixture, sample_entry(3), 0, &grant), DIST_EREFUSED);
	assert_non_null(strstr(dist_error_text(), "2 nodes"));
	first = add(fixture, 1);
	assert_int_equal(leave(fixture, first), DIST_REGISTRY_OK);
	add(fixture, 3);
	assert_err(add_entry(fixture, sample_entry(1), 0, &grant), DIST_EREFUSED);
	assert_int_equal(dist_table_n_live(fixture->table), 2);
}

/* --- Leases ------------------------------------------------------------------- */

static void
test_a_lease_ends_a_term_after_the_last_heartbeat(void **state)
{
	struct fixture *fixture = *state;
	uint64_t session = add(fixture, 1), epoch;

	assert_int_equal(dist_table_expire(fixture->table, now_ns(fixture)),
	                 now_ns(fixture) + 3000 * INT64_C(1000000));
	fixture->now_ms += 2999;
	assert_int_equal(beat(fixture, session), DIST_REGISTRY_OK);
	fixture->now_ms += 2999;
	dist_table_expire(fixture->table, now_ns(fixture));
	epoch = dist_table_epoch(fixture->table);
	assert_string_equal(view_text(fixture, 0), "full node-1");

	fixture->now_ms += 1;
	dist_table_expire(fixture->table, now_ns(fixture));
	assert_string_equal(view_text(fixture, epoch), "since node-1:gone");
	assert_string_equal(view_text(fixture, 0), "full");
	assert_int_equal(beat(fixture, session), DIST_REGISTRY_UNKNOWN);
}

static void
test_leases_end_in_the_order_of_their_deadlines(void **state)
{
	struct fixture *fixture = *state;
	uint64_t sessions[100];
	int64_t next;

	for (unsigned i = 0; i < 100; i++) {
		fixture->now_ms += 10;
		sessions[i] = add(fixture, i + 1);
	}
	/* The odd ones are heard of again, the last of them first. */
	for (unsigned i = 100; i-- > 0;) {
		if (i % 2)
			assert_int_equal(beat(fixture, sessions[i]), DIST_REGISTRY_OK);
	}
	next = dist_table_expire(fixture->table, now_ns(fixture));
	assert_int_equal(next, (1010 + 3000) * INT64_C(1000000));
	fixture->now_ms = 1000 + 500 + 3000;
	dist_table_expire(fixture->table, now_ns(fixture));
	assert_int_equal(dist_table_n_live(fixture->table), 75);
	fixture->now_ms = 1000 + 1000 + 3000 - 1;
	dist_table_expire(fixture->table, now_ns(fixture));
	assert_int_equal(dist_table_n_live(fixture->table), 50);
	fixture->now_ms++;
	dist_table_expire(fixture->table, now_ns(fixture));
	assert_int_equal(dist_table_n_live(fixture->table), 0);
}

static void
test_only_the_tokens_holder_may_beat_or_leave(void **state)
{
	struct fixture *fixture = *state;
	dist_heartbeat forged = beat_of(add(fixture, 1));

	forged.token[15] ^= 1;
	assert_int_equal(dist_table_heartbeat(fixture->table, &forged, 0, now_ns(fixture)),
	                 DIST_REGISTRY_UNKNOWN);
	assert_int_equal(
		dist_table_deregister(fixture->table, &forged, now_ns(fixture)),
		DIST_REGISTRY_UNKNOWN);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
}

static void
test_a_heartbeat_tells_the_load_and_is_no_change(void **state)
{
	struct fixture *fixture = *state;
	dist_heartbeat heartbeat = beat_of(add(fixture, 1));
	uint64_t epoch = dist_table_epoch(fixture->table);
	struct dist_snapshot *snapshot;
	dist_node_entry *node;

	heartbeat.in_flight = 3;
	heartbeat.queued = 7;
	fixture->now_ms += 1000;
	assert_int_equal(
		dist_table_heartbeat(fixture->table, &heartbeat, 0, now_ns(fixture)),
		DIST_REGISTRY_OK);
	assert_int_equal(dist_table_epoch(fixture->table), epoch);
	assert_ok(dist_table_list(fixture->table, false, now_ns(fixture), &snapshot));
	node = snapshot->view.nodes.dist_node_entries_val;
	assert_int_equal(node->in_flight, 3);
	assert_int_equal(node->queued, 7);
	assert_int_equal(node->idle_ms, 0);
	assert_int_equal(node->age_ms, 1000);
	dist_snapshot_free(snapshot);
}

static void
test_a_gone_node_is_welcome_again(void **state)
{
	struct fixture *fixture = *state;
	uint64_t session = add(fixture, 1), epoch;

	fixture->now_ms += 3000;
	dist_table_expire(fixture->table, now_ns(fixture));
	epoch = dist_table_epoch(fixture->table);
	session = add(fixture, 1);
	assert_string_equal(view_text(fixture, epoch), "since node-1");
	assert_int_equal(beat(fixture, session), DIST_REGISTRY_OK);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
}

static void
test_a_node_found_dead_is_gone_unless_it_came_back(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = add(fixture, 1), after = add(fixture, 1);

	assert_false(dist_table_drop(fixture->table, before, "unreachable",
	                             now_ns(fixture)));
	assert_int_equal(dist_table_n_live(fixture->table), 1);
	assert_true(
		dist_table_drop(fixture->table, after, "unreachable", now_ns(fixture)));
	assert_false(
		dist_table_drop(fixture->table, after, "unreachable", now_ns(fixture)));
	assert_int_equal(dist_table_n_live(fixture->table), 0);
}

/* --- Views -------------------------------------------------------------------- */

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

/* --- Draining, probes, origins ------------------------------------------------ */

static void
test_the_order_to_drain_goes_out_with_heartbeats_and_stays(void **state)
{
	struct fixture *fixture = *state;
	uint64_t session = add(fixture, 1);

	add(fixture, 2);
	assert_int_equal(dist_table_drain(fixture->table, "nobody"), 0);
	assert_int_equal(dist_table_drain(fixture->table, "10.0.0.1:1001"), 1);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
	assert_int_equal(beat(fixture, session), DIST_REGISTRY_DRAIN);
	/* Again is no change; neither does a new session undo it. */
	assert_int_equal(dist_table_drain(fixture->table, "node-1"), 1);
	session = add(fixture, 1);
	assert_int_equal(beat(fixture, session), DIST_REGISTRY_DRAIN);
	assert_int_equal(dist_table_n_live(fixture->table), 1);
	assert_int_equal(leave(fixture, session), DIST_REGISTRY_OK);
	assert_int_equal(dist_table_drain(fixture->table, "node-1"), 0);
	/* The same process is welcome as what it was at first. */
	assert_int_equal(beat(fixture, add(fixture, 1)), DIST_REGISTRY_OK);
}

static void
test_all_nodes_of_a_name_drain(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 1; i <= 3; i++) {
		struct dist_grant grant;
		struct dist_entry *entry;
		struct sample sample;

		sample_fill(&sample, i)->name = i == 2 ? "two" : "same";
		assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
		assert_ok(add_entry(fixture, entry, 0, &grant));
	}
	assert_int_equal(dist_table_drain(fixture->table, "same"), 2);
	assert_string_equal(view_text(fixture, 0),
	                    "full two same:draining same:draining");
}

static void
test_probes_take_turns(void **state)
{
	struct fixture *fixture = *state;
	struct dist_suspect suspect;
	int64_t due;

	assert_false(
		dist_table_take_probe(fixture->table, now_ns(fixture), &suspect, &due));
	assert_int_equal(due, INT64_MAX);
	add(fixture, 1);
	fixture->now_ms += 100;
	add(fixture, 2);
	assert_false(
		dist_table_take_probe(fixture->table, now_ns(fixture), &suspect, &due));
	assert_int_equal(due, 11000 * INT64_C(1000000));

	fixture->now_ms = 11100;
	for (unsigned i = 1; i <= 2; i++) {
		assert_true(dist_table_take_probe(fixture->table, now_ns(fixture),
		                                  &suspect, &due));
		assert_int_equal(suspect.entry->as.instance[0], i);
		dist_entry_unref(suspect.entry);
	}
	assert_false(
		dist_table_take_probe(fixture->table, now_ns(fixture), &suspect, &due));
	assert_int_equal(due, 21100 * INT64_C(1000000));
}

static void
test_a_suspect_is_found_by_session_and_by_instance(void **state)
{
	struct fixture *fixture = *state;
	uint64_t session = add(fixture, 7);
	struct dist_suspect suspect;
	dist_id instance = { 7 };

	assert_true(dist_table_find(fixture->table, session, &suspect));
	assert_string_equal(suspect.entry->as.name, "node-7");
	assert_int_equal(suspect.heartbeat_ns, now_ns(fixture));
	dist_entry_unref(suspect.entry);
	assert_true(dist_table_find_instance(fixture->table, instance, &suspect));
	assert_int_equal(suspect.session, session);
	dist_entry_unref(suspect.entry);
	leave(fixture, session);
	assert_false(dist_table_find(fixture->table, session, &suspect));
	assert_false(dist_table_find_instance(fixture->table, instance, &suspect));
}

static void
test_sessions_are_found_by_where_they_came_from(void **state)
{
	struct fixture *fixture = *state;
	struct dist_grant one, two, other;
	dist_heartbeat moved;

	assert_ok(add_entry(fixture, sample_entry(1), 5, &one));
	assert_ok(add_entry(fixture, sample_entry(2), 6, &other));
	assert_ok(add_entry(fixture, sample_entry(3), 5, &two));
	assert_int_equal(dist_table_next_of(fixture->table, 5, 0), one.session);
	assert_int_equal(dist_table_next_of(fixture->table, 5, one.session),
	                 two.session);
	assert_int_equal(dist_table_next_of(fixture->table, 5, two.session), 0);
	leave(fixture, one.session);
	assert_int_equal(dist_table_next_of(fixture->table, 5, 0), two.session);
	/* A heartbeat over another connection moves its session there. */
	moved = beat_of(two.session);
	assert_int_equal(
		dist_table_heartbeat(fixture->table, &moved, 7, now_ns(fixture)),
		DIST_REGISTRY_OK);
	assert_int_equal(dist_table_next_of(fixture->table, 5, 0), 0);
	assert_int_equal(dist_table_next_of(fixture->table, 7, 0), two.session);
	assert_int_equal(dist_table_next_of(fixture->table, 0, 0), 0);
}

static void
test_ten_thousand_nodes_come_beat_and_go(void **state)
{
	struct fixture *fixture = *state;
	uint64_t *sessions = calloc(10000, sizeof(*sessions));

	assert_non_null(sessions);
	for (unsigned i = 0; i < 10000; i++)
		sessions[i] = add(fixture, i + 1);
	for (unsigned round = 0; round < 5; round++) {
		fixture->now_ms += 1000;
		for (unsigned i = round; i < 10000; i++)
			assert_int_equal(beat(fixture, sessions[i]), DIST_REGISTRY_OK);
		dist_table_expire(fixture->table, now_ns(fixture));
	}
	assert_int_equal(dist_table_n_live(fixture->table), 9998);
	fixture->now_ms += 3000;
	dist_table_expire(fixture->table, now_ns(fixture));
	assert_int_equal(dist_table_n_live(fixture->table), 0);
	free(sessions);
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TABLE_TEST(test_a_registered_node_is_in_the_full_view),
	TABLE_TEST(test_the_term_is_what_was_asked_within_the_limits),
	TABLE_TEST(test_the_same_instance_replaces_its_session_unseen),
	TABLE_TEST(test_the_same_instance_with_other_services_is_a_change),
	TABLE_TEST(test_another_instance_at_the_same_address_replaces),
	cmocka_unit_test_setup_teardown(test_a_full_table_refuses_new_nodes_alone,
	                                setup_small, teardown),
	TABLE_TEST(test_a_lease_ends_a_term_after_the_last_heartbeat),
	TABLE_TEST(test_leases_end_in_the_order_of_their_deadlines),
	TABLE_TEST(test_only_the_tokens_holder_may_beat_or_leave),
	TABLE_TEST(test_a_heartbeat_tells_the_load_and_is_no_change),
	TABLE_TEST(test_a_gone_node_is_welcome_again),
	TABLE_TEST(test_a_node_found_dead_is_gone_unless_it_came_back),
	TABLE_TEST(test_a_delta_tells_each_changed_node_once),
	TABLE_TEST(test_strangers_get_the_full_view),
	cmocka_unit_test_setup_teardown(test_what_is_forgotten_makes_the_view_full,
	                                setup_small, teardown),
	TABLE_TEST(test_gone_nodes_are_listed_for_an_hour),
		TABLE_TEST(test_a_gone_nodes_last_attribute_is_why),
		TABLE_TEST(test_no_node_has_more_attributes_than_the_wire_takes),
	TABLE_TEST(test_a_view_outlives_its_nodes_and_the_table),
	TABLE_TEST(test_the_order_to_drain_goes_out_with_heartbeats_and_stays),
	TABLE_TEST(test_all_nodes_of_a_name_drain),
	TABLE_TEST(test_probes_take_turns),
	TABLE_TEST(test_a_suspect_is_found_by_session_and_by_instance),
	TABLE_TEST(test_sessions_are_found_by_where_they_came_from),
	TABLE_TEST(test_ten_thousand_nodes_come_beat_and_go),
};

CHECK_MAIN(tests)
