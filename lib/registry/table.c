/*
 * A lease is in the table from its registration until it is forgotten:
 *
 *   (new) --> LIVE --> DRAINING --> GONE --> (forgotten)
 *               |                    ^ |
 *               +--------------------+ +--> LIVE again: the same instance registers
 *
 *   LIVE, DRAINING  it has a session and a deadline, and is found by instance, session,
 *                   address and origin.
 *   GONE            found by instance alone; kept so that watchers hear of it.
 *
 * All leases stand in one list in the order in which they changed, each with the epoch
 * of its last change, so what changed after an epoch is the list's end. When a gone
 * lease is forgotten, epochs before its own cannot be told what changed any more: they
 * are given the full view (table.forgotten).
 */
#include "registry/table.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "registry/deadlines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

struct lease {
	struct dist_entry *entry;
	dist_node_state state;
	uint64_t session;
	dist_id token;
	uint64_t origin;
	unsigned lease_ms;
	unsigned in_flight, queued;
	int64_t registered_ns, heartbeat_ns, gone_ns;

	uint64_t epoch;             /* of its last change */
	struct dist_list by_change; /* table.changes */
	struct dist_list by_gone;   /* table.gone, while GONE */
	struct dist_list by_probe;  /* table.probes, while not GONE */
	int64_t probe_ns;           /* when its next probe is due */
	struct dist_deadline deadline;
	struct dist_map_link by_instance, by_session, by_address, by_origin;
};

struct dist_table {
	struct dist_table_options options;
	dist_id master;
	int64_t started_ns;
	uint64_t epoch;
	uint64_t forgotten; /* deltas from before this epoch would miss gone nodes */
	uint64_t last_session;
	unsigned longest_lease_ms;
	unsigned n_live, n_draining, n_gone;

	struct dist_list changes, gone, probes;
	struct dist_deadlines deadlines;
	struct dist_map instances, sessions, addresses, origins;
};

/* --- Birth and death ---------------------------------------------------------- */

static void
options_fill(struct dist_table_options *options)
{
	if (!options->min_lease_ms)
		options->min_lease_ms = 300;
	if (!options->max_lease_ms)
		options->max_lease_ms = 60000;
	if (!options->default_lease_ms)
		options->default_lease_ms = 3000;
	if (!options->max_nodes)
		options->max_nodes = 20000;
	if (!options->max_gone)
		options->max_gone = 4096;
	if (!options->gone_kept_ms)
		options->gone_kept_ms = 3600 * 1000;
	if (!options->probe_ms)
		options->probe_ms = 10000;
}

static enum dist_err
table_init_maps(struct dist_table *table)
{
	uint64_t seed;
	enum dist_err err;

	memcpy(&seed, table->master, sizeof(seed));
	err = dist_map_init(&table->instances, seed);
	if (!err)
		err = dist_map_init(&table->sessions, seed);
	if (!err)
		err = dist_map_init(&table->addresses, seed);
	if (!err)
		err = dist_map_init(&table->origins, seed);
	return err ? dist_error_set_plain(err) : DIST_OK;
}

enum dist_err
dist_table_new(struct dist_table **ret_table, const dist_id master, int64_t now_ns,
               const struct dist_table_options *options)
{
	DIST_CLEANUP(dist_table_freep) struct dist_table *table = NULL;
	enum dist_err err;

	table = calloc(1, sizeof(*table));
	if (!table)
		return dist_error_set_plain(DIST_ENOMEM);
	if (options)
		table->options = *options;
	options_fill(&table->options);
	memcpy(table->master, master, sizeof(dist_id));
	table->started_ns = now_ns;
	table->epoch = 1;
	dist_list_init(&table->changes);
	dist_list_init(&table->gone);
	dist_list_init(&table->probes);
	dist_deadlines_init(&table->deadlines);
	err = table_init_maps(table);
	if (err)
		return err;
	*ret_table = DIST_TAKE(table);
	return DIST_OK;
}

static void
lease_free(struct lease *lease)
{
	dist_entry_unref(lease->entry);
	free(lease);
}

void
dist_table_free(struct dist_table *table)
{
	struct lease *lease, *next;

	if (!table)
		return;
	DIST_LIST_EACH (lease, next, &table->changes, by_change)
		lease_free(lease);
	dist_deadlines_fini(&table->deadlines);
	dist_map_fini(&table->instances);
	dist_map_fini(&table->sessions);
	dist_map_fini(&table->addresses);
	dist_map_fini(&table->origins);
	free(table);
}

/* --- Finding a lease ---------------------------------------------------------- */

static struct lease *
find_instance(struct dist_table *table, const dist_id instance)
{
	uint64_t hash = dist_map_hash(&table->instances, instance, sizeof(dist_id));
	struct lease *lease;

	DIST_MAP_EACH (lease, &table->instances, hash, by_instance) {
		if (!memcmp(lease->entry->as.instance, instance, sizeof(dist_id)))
			return lease;
	}
	return NULL;
}

static struct lease *
find_session(struct dist_table *table, uint64_t session)
{
	uint64_t hash = dist_map_hash(&table->sessions, &session, sizeof(session));
	struct lease *lease;

	DIST_MAP_EACH (lease, &table->sessions, hash, by_session) {
		if (lease->session == session)
			return lease;
	}
	return NULL;
}

static struct lease *
find_address(struct dist_table *table, const char *address)
{
	uint64_t hash = dist_map_hash(&table->addresses, address, strlen(address));
	struct lease *lease;

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

static struct lease *
find_holder(struct dist_table *table, const dist_heartbeat *beat)
{
	struct lease *lease = find_session(table, beat->session);

	return lease && token_equal(lease->token, beat->token) ? lease : NULL;
}

/* --- Steps of a lease --------------------------------------------------------- */

/* Watchers must hear of it. */
static void
lease_changed(struct dist_table *table, struct lease *lease)
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

static void
lease_set_state(struct dist_table *table, struct lease *lease, dist_node_state next)
{
	--*table_count_of(table, lease->state);
	lease->state = next;
	++*table_count_of(table, next);
	lease_changed(table, lease);
}

static void
table_forget(struct dist_table *table, struct lease *lease)
{
	assert(lease->state == DIST_NODE_GONE);
	if (lease->epoch > table->forgotten)
		table->forgotten = lease->epoch;
	table->n_gone--;
	dist_list_remove(&lease->by_gone);
	dist_list_remove(&lease->by_change);
	dist_map_remove(&table->instances, &lease->by_instance);
	lease_free(lease);
}

static void
table_forget_old(struct dist_table *table, int64_t now_ns)
{
	int64_t since = now_ns - table->options.gone_kept_ms * NS_PER_MS;
	struct lease *lease, *next;

	DIST_LIST_EACH (lease, next, &table->gone, by_gone) {
		if (table->n_gone <= table->options.max_gone && lease->gone_ns > since)
			break;
		table_forget(table, lease);
	}
}

/* What only a lease with a session has. */
static void
lease_leave_indexes(struct dist_table *table, struct lease *lease)
{
	dist_deadlines_remove(&table->deadlines, &lease->deadline);
	dist_list_remove(&lease->by_probe);
	dist_map_remove(&table->sessions, &lease->by_session);
	dist_map_remove(&table->addresses, &lease->by_address);
	dist_map_remove(&table->origins, &lease->by_origin);
}

/* Any number may follow: the caller sees to table_forget_old(). */
static void
lease_end(struct dist_table *table, struct lease *lease, const char *why,
          int64_t now_ns)
{
	lease_leave_indexes(table, lease);
	lease->session = 0;
	lease->gone_ns = now_ns;
	lease_set_state(table, lease, DIST_NODE_GONE);
	dist_list_append(&table->gone, &lease->by_gone);
	dist_log_notice("node-gone", "name=\"%s\" address=%s why=%s nodes=%u",
	                lease->entry->as.name, lease->entry->address, why,
	                table->n_live + table->n_draining);
}

static unsigned
table_clamp_lease(const struct dist_table *table, unsigned asked_ms)
{
	int64_t lease_ms = asked_ms ? asked_ms : table->options.default_lease_ms;

	lease_ms = DIST_MAX(lease_ms, table->options.min_lease_ms);
	return (unsigned)DIST_MIN(lease_ms, table->options.max_lease_ms);
}

static void
lease_set_origin(struct dist_table *table, struct lease *lease, uint64_t origin)
{
	dist_map_remove(&table->origins, &lease->by_origin);
	lease->origin = origin;
	if (origin)
		dist_map_add(&table->origins, &lease->by_origin,
		             dist_map_hash(&table->origins, &origin, sizeof(origin)));
}

/* A lease, new or had before, begins a session. */
static void
lease_begin(struct dist_table *table, struct lease *lease, const dist_id token,
            uint64_t origin, int64_t now_ns)
{
	const char *address = lease->entry->address;

	lease->session = ++table->last_session;
	memcpy(lease->token, token, sizeof(dist_id));
	lease->registered_ns = lease->heartbeat_ns = now_ns;
	lease->lease_ms = table_clamp_lease(table, lease->entry->as.lease_ms);
	if (lease->lease_ms > table->longest_lease_ms)
		table->longest_lease_ms = lease->lease_ms;
	dist_map_add(&table->sessions, &lease->by_session,
	             dist_map_hash(&table->sessions, &lease->session,
	                           sizeof(lease->session)));
	dist_map_add(&table->addresses, &lease->by_address,
	             dist_map_hash(&table->addresses, address, strlen(address)));
	lease_set_origin(table, lease, origin);
	dist_deadlines_set(&table->deadlines, &lease->deadline,
	                   now_ns + lease->lease_ms * NS_PER_MS);
	lease->probe_ns = now_ns + table->options.probe_ms * NS_PER_MS;
	dist_list_append(&table->probes, &lease->by_probe);
}

/* --- What nodes ask ----------------------------------------------------------- */

static enum dist_err
lease_new(struct lease **ret_lease, struct dist_table *table, struct dist_entry *entry)
{
	struct lease *lease;

	if (table->n_live + table->n_draining >= table->options.max_nodes)
		return dist_error_set(DIST_EREFUSED,
		                      "the master has %u nodes, and takes no more",
		                      table->options.max_nodes);
	if (dist_deadlines_reserve(&table->deadlines))
		return dist_error_set_plain(DIST_ENOMEM);
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
lease_revive(struct lease *lease, struct dist_table *table)
{
	if (table->n_live + table->n_draining >= table->options.max_nodes)
		return dist_error_set(DIST_EREFUSED,
		                      "the master has %u nodes, and takes no more",
		                      table->options.max_nodes);
	if (dist_deadlines_reserve(&table->deadlines))
		return dist_error_set_plain(DIST_ENOMEM);
	dist_list_remove(&lease->by_gone);
	lease_set_state(table, lease, DIST_NODE_LIVE);
	return DIST_OK;
}

/* @lease is that of the same instance. */
static enum dist_err
lease_renew(struct lease *lease, struct dist_table *table, struct dist_entry *entry)
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

enum dist_err
dist_table_register(struct dist_table *table, struct dist_entry *entry,
                    const dist_id token, uint64_t origin, int64_t now_ns,
                    struct dist_grant *ret_grant)
{
	struct lease *lease = find_instance(table, entry->as.instance);
	struct lease *former = find_address(table, entry->address);
	enum dist_err err;

	/* Who was there before cannot be there any more: the port is another's now. */
	if (former && former != lease)
		lease_end(table, former, "replaced", now_ns);
	err = lease ? lease_renew(lease, table, entry)
	            : lease_new(&lease, table, entry);
	if (err)
		return err;
	lease_begin(table, lease, token, origin, now_ns);
	table_forget_old(table, now_ns);
	dist_log_notice(
		"node-registered",
		"name=\"%s\" address=%s services=%u capacity=%u lease_ms=%u nodes=%u",
		entry->as.name, entry->address, entry->as.services.services_len,
		entry->as.capacity, lease->lease_ms, table->n_live + table->n_draining);
	ret_grant->session = lease->session;
	ret_grant->lease_ms = lease->lease_ms;
	return DIST_OK;
}

dist_registry_status
dist_table_heartbeat(struct dist_table *table, const dist_heartbeat *beat,
                     uint64_t origin, int64_t now_ns)
{
	struct lease *lease = find_holder(table, beat);

	if (!lease)
		return DIST_REGISTRY_UNKNOWN;
	lease->heartbeat_ns = now_ns;
	lease->in_flight = beat->in_flight;
	lease->queued = beat->queued;
	if (lease->origin != origin)
		lease_set_origin(table, lease, origin);
	dist_deadlines_set(&table->deadlines, &lease->deadline,
	                   now_ns + lease->lease_ms * NS_PER_MS);
	return lease->state == DIST_NODE_DRAINING ? DIST_REGISTRY_DRAIN
	                                          : DIST_REGISTRY_OK;
}

dist_registry_status
dist_table_deregister(struct dist_table *table, const dist_heartbeat *beat,
                      int64_t now_ns)
{
	struct lease *lease = find_holder(table, beat);

	if (!lease)
		return DIST_REGISTRY_UNKNOWN;
	lease_end(table, lease, "left", now_ns);
	table_forget_old(table, now_ns);
	return DIST_REGISTRY_OK;
}

/* --- What the master finds out ------------------------------------------------ */

static int64_t
table_next_deadline(const struct dist_table *table)
{
	struct dist_deadline *first = dist_deadlines_first(&table->deadlines);
	int64_t next_ns = first ? first->at_ns : INT64_MAX;

	if (!dist_list_empty(&table->gone)) {
		struct lease *oldest =
			DIST_CONTAINER_OF(table->gone.next, struct lease, by_gone);
		int64_t forget_ns =
			oldest->gone_ns + table->options.gone_kept_ms * NS_PER_MS;

		next_ns = DIST_MIN(next_ns, forget_ns);
	}
	return next_ns;
}

int64_t
dist_table_expire(struct dist_table *table, int64_t now_ns)
{
	struct dist_deadline *first;

	while ((first = dist_deadlines_first(&table->deadlines)) &&
	       first->at_ns <= now_ns) {
		struct lease *lease = DIST_CONTAINER_OF(first, struct lease, deadline);

		dist_log_notice("lease-expired", "name=\"%s\" address=%s lease_ms=%u",
		                lease->entry->as.name, lease->entry->address,
		                lease->lease_ms);
		lease_end(table, lease, "lease-expired", now_ns);
	}
	table_forget_old(table, now_ns);
	return table_next_deadline(table);
}

bool
dist_table_drop(struct dist_table *table, uint64_t session, const char *why,
                int64_t now_ns)
{
	struct lease *lease = find_session(table, session);

	if (!lease)
		return false;
	lease_end(table, lease, why, now_ns);
	table_forget_old(table, now_ns);
	return true;
}

static bool
lease_is_called(const struct lease *lease, const char *name)
{
	return lease->state != DIST_NODE_GONE &&
	       (!strcmp(lease->entry->as.name, name) ||
	        !strcmp(lease->entry->address, name));
}

unsigned
dist_table_drain(struct dist_table *table, const char *name)
{
	uint64_t epoch = table->epoch;
	struct lease *lease, *next;
	unsigned n = 0;

	DIST_LIST_EACH (lease, next, &table->changes, by_change) {
		/* Those that change move to the list's end: they are not for us again.
		 */
		if (lease->epoch > epoch)
			break;
		if (!lease_is_called(lease, name))
			continue;
		n++;
		if (lease->state == DIST_NODE_DRAINING)
			continue;
		lease_set_state(table, lease, DIST_NODE_DRAINING);
		dist_log_notice("node-draining", "name=\"%s\" address=%s",
		                lease->entry->as.name, lease->entry->address);
	}
	return n;
}

static bool
suspect_from(const struct lease *lease, struct dist_suspect *ret_suspect)
{
	if (!lease || lease->state == DIST_NODE_GONE)
		return false;
	ret_suspect->session = lease->session;
	ret_suspect->entry = dist_entry_ref(lease->entry);
	ret_suspect->heartbeat_ns = lease->heartbeat_ns;
	return true;
}

bool
dist_table_find(struct dist_table *table, uint64_t session,
                struct dist_suspect *ret_suspect)
{
	return suspect_from(find_session(table, session), ret_suspect);
}

bool
dist_table_find_instance(struct dist_table *table, const dist_id instance,
                         struct dist_suspect *ret_suspect)
{
	return suspect_from(find_instance(table, instance), ret_suspect);
}

uint64_t
dist_table_next_of(struct dist_table *table, uint64_t origin, uint64_t after)
{
	uint64_t hash = dist_map_hash(&table->origins, &origin, sizeof(origin));
	uint64_t next = 0;
	struct lease *lease;

	/* In order of session, which is stable however the map is laid out. */
	DIST_MAP_EACH (lease, &table->origins, hash, by_origin) {
		if (lease->origin == origin && lease->session > after &&
		    (!next || lease->session < next))
			next = lease->session;
	}
	return next;
}

bool
dist_table_take_probe(struct dist_table *table, int64_t now_ns,
                      struct dist_suspect *ret_suspect, int64_t *ret_due_ns)
{
	struct lease *lease;

	if (dist_list_empty(&table->probes)) {
		*ret_due_ns = INT64_MAX;
		return false;
	}
	lease = DIST_CONTAINER_OF(table->probes.next, struct lease, by_probe);
	if (lease->probe_ns > now_ns) {
		*ret_due_ns = lease->probe_ns;
		return false;
	}
	lease->probe_ns = now_ns + table->options.probe_ms * NS_PER_MS;
	dist_list_remove(&lease->by_probe);
	dist_list_append(&table->probes, &lease->by_probe);
	return suspect_from(lease, ret_suspect);
}

/* --- What watchers see -------------------------------------------------------- */

uint64_t
dist_table_epoch(const struct dist_table *table)
{
	return table->epoch;
}

unsigned
dist_table_n_live(const struct dist_table *table)
{
	return table->n_live;
}

unsigned
dist_table_longest_lease_ms(const struct dist_table *table)
{
	return table->longest_lease_ms ? table->longest_lease_ms
	                               : table_clamp_lease(table, 0);
}

static unsigned
ms_between(int64_t from_ns, int64_t to_ns)
{
	int64_t ms = (to_ns - from_ns) / NS_PER_MS;

	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

static void
view_add(struct dist_snapshot *snapshot, const struct lease *lease, int64_t now_ns)
{
	dist_node_entry *node = dist_snapshot_add(snapshot, lease->entry);

	node->state = lease->state;
	node->in_flight = lease->in_flight;
	node->queued = lease->queued;
	node->lease_ms = lease->lease_ms;
	node->age_ms = ms_between(lease->registered_ns, now_ns);
	node->idle_ms = ms_between(lease->heartbeat_ns, now_ns);
}

static void
view_head(const struct dist_table *table, bool full, int64_t now_ns,
          dist_view *ret_view)
{
	memcpy(ret_view->master, table->master, sizeof(dist_id));
	ret_view->epoch = table->epoch;
	ret_view->lease_ms = dist_table_longest_lease_ms(table);
	ret_view->uptime_ms = ms_between(table->started_ns, now_ns);
	ret_view->full = full;
}

enum dist_err
dist_table_list(struct dist_table *table, bool with_gone, int64_t now_ns,
                struct dist_snapshot **ret_snapshot)
{
	struct dist_snapshot *snapshot;
	struct lease *lease, *next;
	enum dist_err err;

	err = dist_snapshot_new(&snapshot, table->n_live + table->n_draining +
	                                           (with_gone ? table->n_gone : 0));
	if (err)
		return err;
	view_head(table, true, now_ns, &snapshot->view);
	DIST_LIST_EACH (lease, next, &table->changes, by_change) {
		if (with_gone || lease->state != DIST_NODE_GONE)
			view_add(snapshot, lease, now_ns);
	}
	*ret_snapshot = snapshot;
	return DIST_OK;
}

static struct lease *
table_last_changed_before(struct dist_table *table, struct dist_list *link)
{
	return link->prev == &table->changes
	               ? NULL
	               : DIST_CONTAINER_OF(link->prev, struct lease, by_change);
}

enum dist_err
dist_table_view(struct dist_table *table, const dist_id master, uint64_t epoch,
                int64_t now_ns, struct dist_snapshot **ret_snapshot)
{
	struct dist_snapshot *snapshot;
	struct lease *lease;
	size_t n = 0;
	enum dist_err err;

	if (memcmp(master, table->master, sizeof(dist_id)) || !epoch ||
	    epoch > table->epoch || epoch < table->forgotten)
		return dist_table_list(table, false, now_ns, ret_snapshot);

	lease = table_last_changed_before(table, &table->changes);
	for (; lease && lease->epoch > epoch; n++)
		lease = table_last_changed_before(table, &lease->by_change);
	err = dist_snapshot_new(&snapshot, n);
	if (err)
		return err;
	view_head(table, false, now_ns, &snapshot->view);
	lease = table_last_changed_before(table, &table->changes);
	for (; lease && lease->epoch > epoch;
	     lease = table_last_changed_before(table, &lease->by_change))
		view_add(snapshot, lease, now_ns);
	*ret_snapshot = snapshot;
	return DIST_OK;
}
