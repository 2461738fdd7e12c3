/* What nodes ask and what the master finds out, as steps of leases (lease.h). */
#include "registry/table.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/lease.h"

#include <stdlib.h>
#include <string.h>

/* Deadlines that are nearer are brought up to date. Many at a time: each time costs the
 * caller a wake-up. */
#define REFRESH_NS (100 * NS_PER_MS)

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
	if (!options->max_of_origin)
		options->max_of_origin = 64;
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

void
dist_table_free(struct dist_table *table)
{
	struct dist_lease *lease, *next;

	if (!table)
		return;
	DIST_LIST_EACH (lease, next, &table->changes, by_change)
		dist_lease_free(lease);
	dist_deadlines_fini(&table->deadlines);
	dist_map_fini(&table->instances);
	dist_map_fini(&table->sessions);
	dist_map_fini(&table->addresses);
	dist_map_fini(&table->origins);
	free(table);
}

/* --- What nodes ask ----------------------------------------------------------- */

/* Whether one more session from @origin is one too many; @lease: the same node's. */
static enum dist_err
check_origin(struct dist_table *table, uint64_t origin, const struct dist_lease *lease)
{
	uint64_t hash = dist_map_hash(&table->origins, &origin, sizeof(origin));
	const struct dist_lease *other;
	unsigned n = 0;

	if (origin == 0)
		return DIST_OK;
	DIST_MAP_EACH (other, &table->origins, hash, by_origin)
		n += other->origin == origin && other != lease;
	if (n < table->options.max_of_origin)
		return DIST_OK;
	return dist_error_set(DIST_EREFUSED,
	                      "%u nodes are registered over this connection, and this "
	                      "master takes no more (max_nodes_per_connection)",
	                      n);
}

enum dist_err
dist_table_register(struct dist_table *table, struct dist_entry *entry,
                    const dist_id token, uint64_t origin, int64_t now_ns,
                    struct dist_grant *ret_grant)
{
	struct dist_lease *lease = dist_lease_find_instance(table, entry->as.instance);
	struct dist_lease *former = dist_lease_find_address(table, entry->address);
	enum dist_err err = check_origin(table, origin, lease);

	if (err)
		return err;
	/* Who was there before cannot be there any more: the port is another's now. */
	if (former && former != lease)
		dist_lease_end(table, former, "replaced", now_ns);
	err = lease ? dist_lease_renew(lease, table, entry)
	            : dist_lease_new(&lease, table, entry);
	if (err)
		return err;
	dist_lease_begin(table, lease, token, origin, now_ns);
	dist_lease_forget_old(table, now_ns);
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
	struct dist_lease *lease = dist_lease_find_holder(table, beat);

	if (!lease)
		return DIST_REGISTRY_UNKNOWN;
	lease->heartbeat_ns = now_ns;
	lease->in_flight = beat->in_flight;
	lease->queued = beat->queued;
	if (lease->origin != origin)
		dist_lease_set_origin(table, lease, origin);
	return lease->state == DIST_NODE_DRAINING ? DIST_REGISTRY_DRAIN
	                                          : DIST_REGISTRY_OK;
}

dist_registry_status
dist_table_deregister(struct dist_table *table, const dist_heartbeat *beat,
                      int64_t now_ns)
{
	struct dist_lease *lease = dist_lease_find_holder(table, beat);

	if (!lease)
		return DIST_REGISTRY_UNKNOWN;
	dist_lease_end(table, lease, "left", now_ns);
	dist_lease_forget_old(table, now_ns);
	return DIST_REGISTRY_OK;
}

/* --- What the master finds out ------------------------------------------------ */

static int64_t
table_next_deadline(const struct dist_table *table)
{
	struct dist_deadline *first = dist_deadlines_first(&table->deadlines);
	int64_t next_ns = first ? first->at_ns : INT64_MAX;

	if (!dist_list_empty(&table->gone)) {
		struct dist_lease *oldest =
			DIST_CONTAINER_OF(table->gone.next, struct dist_lease, by_gone);
		int64_t forget_ns =
			oldest->gone_ns + table->options.gone_kept_ms * NS_PER_MS;

		next_ns = DIST_MIN(next_ns, forget_ns);
	}
	return next_ns;
}

static void
lease_expire(struct dist_table *table, struct dist_lease *lease, int64_t now_ns)
{
	dist_log_notice("lease-expired", "name=\"%s\" address=%s lease_ms=%u",
	                lease->entry->as.name, lease->entry->address, lease->lease_ms);
	dist_lease_end(table, lease, "lease-expired", now_ns);
}

/*
 * A heartbeat leaves its lease's place in the heap alone; deadlines are brought up to
 * date here, shortly before they would be over, so that each moves once in a lease.
 */
int64_t
dist_table_expire(struct dist_table *table, int64_t now_ns)
{
	struct dist_deadline *first;

	while ((first = dist_deadlines_first(&table->deadlines)) &&
	       first->at_ns <= now_ns + REFRESH_NS) {
		struct dist_lease *lease =
			DIST_CONTAINER_OF(first, struct dist_lease, deadline);
		int64_t over_ns = lease->heartbeat_ns + lease->lease_ms * NS_PER_MS;

		if (over_ns <= now_ns)
			lease_expire(table, lease, now_ns);
		else if (over_ns != first->at_ns)
			dist_deadlines_set(&table->deadlines, first, over_ns);
		else
			break; /* up to date, so no other is over earlier */
	}
	dist_lease_forget_old(table, now_ns);
	return table_next_deadline(table);
}

bool
dist_table_drop(struct dist_table *table, uint64_t session, const char *why,
                int64_t now_ns)
{
	struct dist_lease *lease = dist_lease_find(table, session);

	if (!lease)
		return false;
	dist_lease_end(table, lease, why, now_ns);
	dist_lease_forget_old(table, now_ns);
	return true;
}

static bool
lease_is_called(const struct dist_lease *lease, const char *name)
{
	return lease->state != DIST_NODE_GONE &&
	       (!strcmp(lease->entry->as.name, name) ||
	        !strcmp(lease->entry->address, name));
}

unsigned
dist_table_drain(struct dist_table *table, const char *name)
{
	uint64_t epoch = table->epoch;
	struct dist_lease *lease, *next;
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
		dist_lease_set_state(table, lease, DIST_NODE_DRAINING);
		dist_log_notice("node-draining", "name=\"%s\" address=%s",
		                lease->entry->as.name, lease->entry->address);
	}
	return n;
}

static bool
suspect_from(const struct dist_lease *lease, struct dist_suspect *ret_suspect)
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
	return suspect_from(dist_lease_find(table, session), ret_suspect);
}

bool
dist_table_find_instance(struct dist_table *table, const dist_id instance,
                         struct dist_suspect *ret_suspect)
{
	return suspect_from(dist_lease_find_instance(table, instance), ret_suspect);
}

uint64_t
dist_table_next_of(struct dist_table *table, uint64_t origin, uint64_t after)
{
	uint64_t hash = dist_map_hash(&table->origins, &origin, sizeof(origin));
	uint64_t next = 0;
	struct dist_lease *lease;

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
	struct dist_lease *lease;

	if (dist_list_empty(&table->probes)) {
		*ret_due_ns = INT64_MAX;
		return false;
	}
	lease = DIST_CONTAINER_OF(table->probes.next, struct dist_lease, by_probe);
	if (lease->probe_ns > now_ns) {
		*ret_due_ns = lease->probe_ns;
		return false;
	}
	lease->probe_ns = now_ns + table->options.probe_ms * NS_PER_MS;
	dist_list_remove(&lease->by_probe);
	dist_list_append(&table->probes, &lease->by_probe);
	return suspect_from(lease, ret_suspect);
}
