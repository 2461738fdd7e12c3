/* The table: who comes in, until when, and how it is found. */
#include "fixture.h"

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

static const struct CMUnitTest tests[] = {
	TABLE_TEST(test_a_registered_node_is_in_the_full_view),
	TABLE_TEST(test_the_term_is_what_was_asked_within_the_limits),
	TABLE_TEST(test_the_same_instance_replaces_its_session_unseen),
	TABLE_TEST(test_the_same_instance_with_other_services_is_a_change),
	TABLE_TEST(test_another_instance_at_the_same_address_replaces),
	SMALL_TABLE_TEST(test_a_full_table_refuses_new_nodes_alone),
	TABLE_TEST(test_a_lease_ends_a_term_after_the_last_heartbeat),
	TABLE_TEST(test_leases_end_in_the_order_of_their_deadlines),
	TABLE_TEST(test_only_the_tokens_holder_may_beat_or_leave),
	TABLE_TEST(test_a_heartbeat_tells_the_load_and_is_no_change),
	TABLE_TEST(test_a_gone_node_is_welcome_again),
	TABLE_TEST(test_a_node_found_dead_is_gone_unless_it_came_back),
	TABLE_TEST(test_the_order_to_drain_goes_out_with_heartbeats_and_stays),
	TABLE_TEST(test_all_nodes_of_a_name_drain),
	TABLE_TEST(test_probes_take_turns),
	TABLE_TEST(test_a_suspect_is_found_by_session_and_by_instance),
	TABLE_TEST(test_sessions_are_found_by_where_they_came_from),
	TABLE_TEST(test_ten_thousand_nodes_come_beat_and_go),
};

CHECK_MAIN(tests)
