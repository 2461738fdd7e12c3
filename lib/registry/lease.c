#include "registry/lease.h"
#include "base/error.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- Finding a lease ---------------------------------------------------------- */

struct dist_lease *
dist_lease_find_instance(struct dist_table *table, const dist_id instance)
{
	uint64_t hash = dist_map_hash(&table->instances, instance, sizeof(dist_id));
	struct dist_lease *lease;

	DIST_MAP_EACH (lease, &table->instances, hash, by_instance) {
		if (!memcmp(lease->entry->as.instance, instance, sizeof(dist_id)))
			return lease;
	}
	return NULL;
}

struct dist_lease *
dist_lease_find(struct dist_table *table, uint64_t session)
{
	uint64_t hash = dist_map_hash(&table->sessions, &session, sizeof(session));
	struct dist_lease *lease;

	DIST_MAP_EACH (lease, &table->sessions, hash, by_session) {
		if (lease->session == session)
			return lease;
	}
	return NULL;
}

struct dist_lease *
dist_lease_find_address(struct dist_table *table, const char *address)
{
	uint64_t hash = dist_map_hash(&table->addresses, address, strlen(address));
	struct dist_lease *lease;

	DIST_MAP_EACH (lease, &table->addresses, hash, by_address) {
		if (!strcmp(lease->entry->address, address))
			return lease;
	}
	return NULL;
}

/* The time it takes tells nothing of where two tokens differ. */
static bool
token_equal(const dist_id a, const dist_id b)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < sizeof(dist_id); i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

struct dist_lease *
dist_lease_find_holder(struct dist_table *table, const dist_heartbeat *beat)
{
	struct dist_lease *lease = dist_lease_find(table, beat->session);

	return lease && token_equal(lease->token, beat->token) ? lease : NULL;
}

/* --- Steps of a lease --------------------------------------------------------- */

/* Watchers must hear of it. */
static void
lease_changed(struct dist_table *table, struct dist_lease *lease)
{
	lease->epoch = ++table->epoch;
	dist_list_remove(&lease->by_change);
	dist_list_append(&table->changes, &lease->by_change);
}

static unsigned *
table_count_of(struct dist_table *table, dist_node_state state)
{
	return state == DIST_NODE_LIVE       ? &table->n_live
	       : state == DIST_NODE_DRAINING ? &table->n_draining
	                                     : &table->n_gone;
}

void
dist_lease_set_state(struct dist_table *table, struct dist_lease *lease,
                     dist_node_state next)
{
	--*table_count_of(table, lease->state);
	lease->state = next;
	++*table_count_of(table, next);
	lease_changed(table, lease);
}

static void
table_forget(struct dist_table *table, struct dist_lease *lease)
{
	assert(lease->state == DIST_NODE_GONE);
	if (lease->epoch > table->forgotten)
		table->forgotten = lease->epoch;
	table->n_gone--;
	dist_list_remove(&lease->by_gone);
	dist_list_remove(&lease->by_change);
	dist_map_remove(&table->instances, &lease->by_instance);
	dist_lease_free(lease);
}

void
dist_lease_forget_old(struct dist_table *table, int64_t now_ns)
{
	int64_t since = now_ns - table->options.gone_kept_ms * NS_PER_MS;
	struct dist_lease *lease, *next;

	DIST_LIST_EACH (lease, next, &table->gone, by_gone) {
		if (table->n_gone <= table->options.max_gone && lease->gone_ns > since)
			break;
		table_forget(table, lease);
	}
}

/* What only a lease with a session has. */
static void
lease_leave_indexes(struct dist_table *table, struct dist_lease *lease)
{
	dist_deadlines_remove(&table->deadlines, &lease->deadline);
	dist_list_remove(&lease->by_probe);
	dist_map_remove(&table->sessions, &lease->by_session);
	dist_map_remove(&table->addresses, &lease->by_address);
	dist_map_remove(&table->origins, &lease->by_origin);
}

void
dist_lease_end(struct dist_table *table, struct dist_lease *lease, const char *why,
               int64_t now_ns)
{
	lease_leave_indexes(table, lease);
	lease->session = 0;
	lease->gone_ns = now_ns;
	lease->gone_why = why;
	dist_lease_set_state(table, lease, DIST_NODE_GONE);
	dist_list_append(&table->gone, &lease->by_gone);
	dist_log_notice("node-gone", "name=\"%s\" address=%s why=%s nodes=%u",
	                lease->entry->as.name, lease->entry->address, why,
	                table->n_live + table->n_draining);
}

unsigned
dist_lease_term_ms(const struct dist_table *table, unsigned asked_ms)
{
	int64_t lease_ms = asked_ms ? asked_ms : table->options.default_lease_ms;

	lease_ms = DIST_MAX(lease_ms, table->options.min_lease_ms);
	return (unsigned)DIST_MIN(lease_ms, table->options.max_lease_ms);
}

void
dist_lease_set_origin(struct dist_table *table, struct dist_lease *lease,
                      uint64_t origin)
{
	dist_map_remove(&table->origins, &lease->by_origin);
	lease->origin = origin;
	if (origin)
		dist_map_add(&table->origins, &lease->by_origin,
		             dist_map_hash(&table->origins, &origin, sizeof(origin)));
}

void
dist_lease_begin(struct dist_table *table, struct dist_lease *lease,
                 const dist_id token, uint64_t origin, int64_t now_ns)
{
	const char *address = lease->entry->address;

	lease->session = ++table->last_session;
	memcpy(lease->token, token, sizeof(dist_id));
	lease->registered_ns = lease->heartbeat_ns = now_ns;
	lease->lease_ms = dist_lease_term_ms(table, lease->entry->as.lease_ms);
	if (lease->lease_ms > table->longest_lease_ms)
		table->longest_lease_ms = lease->lease_ms;
	dist_map_add(&table->sessions, &lease->by_session,
	             dist_map_hash(&table->sessions, &lease->session,
	                           sizeof(lease->session)));
	dist_map_add(&table->addresses, &lease->by_address,
	             dist_map_hash(&table->addresses, address, strlen(address)));
	dist_lease_set_origin(table, lease, origin);
	dist_deadlines_set(&table->deadlines, &lease->deadline,
	                   now_ns + lease->lease_ms * NS_PER_MS);
	lease->probe_ns = now_ns + table->options.probe_ms * NS_PER_MS;
	dist_list_append(&table->probes, &lease->by_probe);
}

/* --- Beginning ---------------------------------------------------------------- */

/* Room for one more that lives. */
static enum dist_err
table_reserve(struct dist_table *table)
{
	if (table->n_live + table->n_draining >= table->options.max_nodes)
		return dist_error_set(DIST_EREFUSED,
		                      "the master has %u nodes, and takes no more (max_nodes)",
		                      table->options.max_nodes);
	if (dist_deadlines_reserve(&table->deadlines))
		return dist_error_set_plain(DIST_ENOMEM);
	return DIST_OK;
}

enum dist_err
dist_lease_new(struct dist_lease **ret_lease, struct dist_table *table,
               struct dist_entry *entry)
{
	enum dist_err err = table_reserve(table);
	struct dist_lease *lease;

	if (err)
		return err;
	lease = calloc(1, sizeof(*lease));
	if (!lease)
		return dist_error_set_plain(DIST_ENOMEM);
	lease->entry = dist_entry_ref(entry);
	lease->state = DIST_NODE_LIVE;
	table->n_live++;
	dist_list_init(&lease->by_change);
	dist_list_init(&lease->by_gone);
	dist_list_init(&lease->by_probe);
	dist_map_add(
		&table->instances, &lease->by_instance,
		dist_map_hash(&table->instances, entry->as.instance, sizeof(dist_id)));
	lease_changed(table, lease);
	*ret_lease = lease;
	return DIST_OK;
}

/* A node that was given up, after SIGSTOP and SIGCONT say, is welcome again. */
static enum dist_err
lease_revive(struct dist_lease *lease, struct dist_table *table)
{
	enum dist_err err = table_reserve(table);

	if (err)
		return err;
	dist_list_remove(&lease->by_gone);
	dist_lease_set_state(table, lease, DIST_NODE_LIVE);
	return DIST_OK;
}

enum dist_err
dist_lease_renew(struct dist_lease *lease, struct dist_table *table,
                 struct dist_entry *entry)
{
	struct dist_entry *before = lease->entry;

	if (lease->state == DIST_NODE_GONE) {
		enum dist_err err = lease_revive(lease, table);

		if (err)
			return err;
	}
	/* Out of all indexes while the entry that has the keys is still there. */
	lease_leave_indexes(table, lease);
	lease->entry = dist_entry_ref(entry);
	if (!dist_entry_equal(before, entry))
		lease_changed(table, lease);
	dist_entry_unref(before);
	return DIST_OK;
}

void
dist_lease_free(struct dist_lease *lease)
{
	dist_entry_unref(lease->entry);
	free(lease);
}
