/* What watchers see: the leases that changed after an epoch, or all of them. */
#include "base/cleanup.h"
#include "registry/lease.h"

#include <string.h>

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
	                               : dist_lease_term_ms(table, 0);
}

static unsigned
ms_between(int64_t from_ns, int64_t to_ns)
{
	int64_t ms = (to_ns - from_ns) / NS_PER_MS;

	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

/* DIST_ENOMEM. */
static enum dist_err
view_add(struct dist_snapshot *snapshot, const struct dist_lease *lease, int64_t now_ns)
{
	dist_node_entry *node = dist_snapshot_add(snapshot, lease->entry);

	node->state = lease->state;
	node->in_flight = lease->in_flight;
	node->queued = lease->queued;
	node->lease_ms = lease->lease_ms;
	node->age_ms = ms_between(lease->registered_ns, now_ns);
	node->idle_ms = ms_between(lease->heartbeat_ns, now_ns);
	if (lease->state != DIST_NODE_GONE)
		return DIST_OK;
	return dist_snapshot_add_attr(snapshot, node, "gone", lease->gone_why);
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
	DIST_CLEANUP(dist_snapshot_freep) struct dist_snapshot *snapshot = NULL;
	struct dist_lease *lease, *next;
	enum dist_err err;

	err = dist_snapshot_new(&snapshot, table->n_live + table->n_draining +
	                                           (with_gone ? table->n_gone : 0));
	if (err)
		return err;
	view_head(table, true, now_ns, &snapshot->view);
	DIST_LIST_EACH (lease, next, &table->changes, by_change) {
		if (with_gone || lease->state != DIST_NODE_GONE)
			err = view_add(snapshot, lease, now_ns);
		if (err)
			return err;
	}
	*ret_snapshot = DIST_TAKE(snapshot);
	return DIST_OK;
}

static struct dist_lease *
table_last_changed_before(struct dist_table *table, struct dist_list *link)
{
	return link->prev == &table->changes
	               ? NULL
	               : DIST_CONTAINER_OF(link->prev, struct dist_lease, by_change);
}

enum dist_err
dist_table_view(struct dist_table *table, const dist_id master, uint64_t epoch,
                int64_t now_ns, struct dist_snapshot **ret_snapshot)
{
	DIST_CLEANUP(dist_snapshot_freep) struct dist_snapshot *snapshot = NULL;
	struct dist_lease *lease;
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
	for (; !err && lease && lease->epoch > epoch;
	     lease = table_last_changed_before(table, &lease->by_change))
		err = view_add(snapshot, lease, now_ns);
	if (err)
		return err;
	*ret_snapshot = DIST_TAKE(snapshot);
	return DIST_OK;
}
