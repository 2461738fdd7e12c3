/* A table with a clock that the tests set: times are milliseconds. */
#ifndef UNIT_REGISTRY_FIXTURE_H
#define UNIT_REGISTRY_FIXTURE_H

#include "registry/table.h"

#include "sample.h"

#include <stdlib.h>
#include <string.h>

static const dist_id MASTER = "master-one-here";
static const dist_id TOKEN = "token-one-secre";

struct fixture {
	struct dist_table *table;
	int64_t now_ms;
};

static inline int64_t
now_ns(const struct fixture *fixture)
{
	return fixture->now_ms * 1000000;
}

static inline int
table_setup_with(void **state, const struct dist_table_options *options)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->now_ms = 1000;
	assert_ok(dist_table_new(&fixture->table, MASTER, now_ns(fixture), options));
	*state = fixture;
	return 0;
}

static inline int
table_setup(void **state)
{
	return table_setup_with(state, NULL);
}

static inline int
table_setup_small(void **state)
{
	return table_setup_with(
		state, &(struct dist_table_options){ .max_nodes = 2, .max_gone = 2 });
}

static inline int
table_teardown(void **state)
{
	struct fixture *fixture = *state;

	dist_table_free(fixture->table);
	free(fixture);
	return 0;
}

/* --- Shorthand ---------------------------------------------------------------- */

static inline enum dist_err
add_entry(struct fixture *fixture, struct dist_entry *entry, uint64_t origin,
          struct dist_grant *ret_grant)
{
	enum dist_err err = dist_table_register(fixture->table, entry, TOKEN, origin,
	                                        now_ns(fixture), ret_grant);

	dist_entry_unref(entry);
	return err;
}

/* Registers node @n; its session. */
static inline uint64_t
add(struct fixture *fixture, unsigned n)
{
	struct dist_grant grant;

	assert_ok(add_entry(fixture, sample_entry(n), 0, &grant));
	return grant.session;
}

static inline dist_heartbeat
beat_of(uint64_t session)
{
	dist_heartbeat beat = { .session = session };

	memcpy(beat.token, TOKEN, sizeof(beat.token));
	return beat;
}

static inline dist_registry_status
beat(struct fixture *fixture, uint64_t session)
{
	dist_heartbeat heartbeat = beat_of(session);

	return dist_table_heartbeat(fixture->table, &heartbeat, 0, now_ns(fixture));
}

static inline dist_registry_status
leave(struct fixture *fixture, uint64_t session)
{
	dist_heartbeat heartbeat = beat_of(session);

	return dist_table_deregister(fixture->table, &heartbeat, now_ns(fixture));
}

/* The view since @epoch as text, in order of change: "full node-1 node-2" or
 * "since node-1:gone". */
static inline const char *
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

#define TABLE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, table_setup, table_teardown)
/* Of two nodes that live, and two that are gone. */
#define SMALL_TABLE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, table_setup_small, table_teardown)

#endif
