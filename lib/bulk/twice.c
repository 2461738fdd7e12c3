/*
 * Stragglers. Near the end, when no item is left to be started and workers have nothing
 * to do, an item that takes much longer than others do is sent to a second node: its
 * node may be slow, or have stopped. It costs nothing that would be used otherwise. The
 * first answer counts, and the other node is told, as for any hedged call (hedge.h).
 */
#include "base/clock.h"
#include "bulk/bulk.h"
#include "client/call.h"
#include "client/hedge.h"

/* How much longer is much longer; and that it is never less than this. */
#define TOO_LONG          2
#define TOO_LONG_LEAST_NS (10 * DIST_NS_PER_MS)

/* Look again so soon at those for which no worker was left. */
#define LOOK_AGAIN_NS (10 * DIST_NS_PER_MS)

/* Workers with nothing to do, as nothing is left to be started; and there is a second
 * node. */
static uint64_t
bulk_idle_workers(const struct dist_mapping *mapping)
{
	const struct dist_bulk_window *window = &mapping->window;
	uint64_t n_away = DIST_MIN(window->n_away, mapping->n_flying);
	uint64_t n_busy = mapping->n_flying - n_away + mapping->n_twice_flying;
	uint64_t n_workers = window->room.n_workers;

	/* What a node has that is not there any more can go to the only one that is. */
	if (mapping->stop || !dist_list_empty(&mapping->held) ||
	    dist_bulk_has_next(mapping) || n_busy >= n_workers ||
	    window->room.n_nodes + (n_away > 0) < 2)
		return 0;
	return n_workers - n_busy;
}

/* It may have been before, if its second was lost. */
static bool
item_run_twice(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	item->looked_ns = mapping->now_ns;
	if (!dist_hedge_now(dist_call_of(item->waiter)))
		return false;
	if (!item->twice) {
		item->twice = true;
		mapping->n_twice_flying++;
		mapping->n_twice++;
	}
	return true;
}

int64_t
dist_bulk_run_twice(struct dist_mapping *mapping)
{
	struct dist_bulk_item *item, *next;
	uint64_t n_idle = mapping->may_run_twice ? bulk_idle_workers(mapping) : 0;
	int64_t too_long_ns, due_ns;

	if (n_idle == 0 || mapping->window.mean_ns == 0) {
		mapping->twice_due_ns = 0;
		return DIST_NEVER;
	}
	if (mapping->now_ns < mapping->twice_due_ns)
		return mapping->twice_due_ns;
	too_long_ns = DIST_MAX((int64_t)(TOO_LONG * mapping->window.mean_ns),
	                       TOO_LONG_LEAST_NS);
	due_ns = DIST_NEVER;
	DIST_LIST_EACH(item, next, &mapping->flying, link) {
		if (n_idle == 0) {
			due_ns = DIST_MIN(due_ns, mapping->now_ns + LOOK_AGAIN_NS);
			break;
		}
		if (DIST_MAX(item->started_ns, item->looked_ns) + too_long_ns <=
		    mapping->now_ns)
			n_idle -= item_run_twice(mapping, item);
		due_ns = DIST_MIN(due_ns, DIST_MAX(item->started_ns, item->looked_ns) +
		                                  too_long_ns);
	}
	mapping->twice_due_ns = due_ns;
	return due_ns;
}
