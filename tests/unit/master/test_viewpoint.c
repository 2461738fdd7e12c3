/* Where a node of the master's host is shown, by where the asker stands. */
#include "unit/registry/sample.h"

#include "master/master_internal.h"

/* A view of one node at 127.0.0.1:4000 as @seen_at gets it: its universal address. */
static const char *
shown_at(const char *host, bool all_ipv4, bool all_ipv6)
{
	static char text[160];
	struct dist_snapshot *snapshot = NULL;
	struct dist_sockaddr seen_at;
	struct dist_entry *entry;
	struct sample sample;
	dist_endpoint *endpoint;

	sample_fill(&sample, 1);
	sample.endpoint.uaddr = "127.0.0.1.15.160";
	assert_ok(dist_entry_new(&entry, &sample.as, "127.0.0.1:4000"));
	entry->all_ipv4 = all_ipv4;
	entry->all_ipv6 = all_ipv6;
	assert_ok(dist_snapshot_new(&snapshot, 1));
	dist_snapshot_add(snapshot, entry);
	dist_entry_unref(entry);
	assert_true(dist_sockaddr_from_numeric(host, 3000, &seen_at));
	assert_ok(dist_viewpoint_apply(snapshot, &seen_at));
	endpoint = snapshot->view.nodes.dist_node_entries_val[0].endpoints.endpoints_val;
	snprintf(text, sizeof(text), "%s %s", endpoint->netid, endpoint->uaddr);
	dist_snapshot_free(snapshot);
	return text;
}

static void
test_a_node_on_all_addresses_is_where_the_master_is(void **state)
{
	(void)state;
	assert_string_equal(shown_at("192.0.2.7", true, true), "tcp 192.0.2.7.15.160");
	assert_string_equal(shown_at("192.0.2.7", true, false), "tcp 192.0.2.7.15.160");
	assert_string_equal(shown_at("2001:db8::7", true, true), "tcp6 2001:db8::7.15.160");
}

static void
test_others_stay_where_they_were_seen(void **state)
{
	static const char loopback[] = "tcp 127.0.0.1.15.160";

	(void)state;
	assert_string_equal(shown_at("127.0.0.1", true, true), loopback);
	assert_string_equal(shown_at("::1", true, true), loopback);
	assert_string_equal(shown_at("192.0.2.7", false, false), loopback);
	assert_string_equal(shown_at("2001:db8::7", true, false), loopback);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_node_on_all_addresses_is_where_the_master_is),
	cmocka_unit_test(test_others_stay_where_they_were_seen),
};

CHECK_MAIN(tests)
