/*
 * The overview holds what it shows: the list of nodes, which shares the registry's
 * entries, and a reference to each node's last answer.
 */
#include <dist/overview.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "master/master_internal.h"

#define CALLERS_MAX 1000 /* that are shown */

struct shown {
	struct dist_gathered *answer;
	char why[256];
};

struct held {
	struct dist_overview overview;
	struct dist_snapshot *list;
	struct dist_overview_node *nodes;
	struct shown *shown; /* of each node, in the order of the list */
	struct dist_overview_service *services;
	struct dist_gathered *self;
	struct dist_overview_caller *callers;
	struct dist_caller_row *accounts; /* of each caller */
};

const char *
dist_overview_state_name(enum dist_overview_state state)
{
	static const char *const names[] = { "live", "draining", "gone" };

	return names[DIST_MIN((unsigned)state, 2u)];
}

static void
held_free(struct held *held)
{
	if (!held)
		return;
	for (size_t i = 0; held->shown && i < held->overview.n_nodes; i++)
		dist_gathered_unref(held->shown[i].answer);
	free(held->shown);
	free(held->nodes);
	free(held->services);
	for (size_t i = 0; held->accounts && i < held->overview.n_callers; i++)
		dist_gathered_unref(held->accounts[i].latest);
	free(held->accounts);
	free(held->callers);
	dist_gathered_unref(held->self);
	dist_snapshot_free(held->list);
	free(held);
}
DIST_DEFINE_FREEP(held_free, struct held *)

void
dist_overview_free(struct dist_overview *overview)
{
	if (overview)
		held_free(DIST_CONTAINER_OF(overview, struct held, overview));
}

static enum dist_overview_state
state_of(dist_node_state state)
{
	switch (state) {
	case DIST_NODE_LIVE:
		return DIST_OVERVIEW_LIVE;
	case DIST_NODE_DRAINING:
		return DIST_OVERVIEW_DRAINING;
	default:
		return DIST_OVERVIEW_GONE;
	}
}

static void
node_fill(struct dist_overview_node *node, const dist_node_entry *entry)
{
	node->name = entry->name;
	memcpy(node->instance, entry->instance, sizeof(node->instance));
	node->state = state_of(entry->state);
	node->capacity = entry->capacity;
	node->in_flight = entry->in_flight;
	node->queued = entry->queued;
	node->age_ms = entry->age_ms;
	node->idle_ms = entry->idle_ms;
	node->n_services = entry->services.services_len;
}

/* @at moves behind its services. */
static void
node_fill_services(struct dist_overview_node *node, const dist_node_entry *entry,
                   struct dist_overview_service **at)
{
	node->services = *at;
	for (u_int i = 0; i < entry->services.services_len; i++) {
		const dist_service_entry *service = &entry->services.services_val[i];

		*(*at)++ = (struct dist_overview_service){
			.program = service->prog,
			.version = service->vers,
			.program_name = service->prog_name,
			.version_name = service->vers_name,
		};
	}
}

static void
node_fill_answer(struct dist_overview_node *node, struct shown *shown,
                 struct dist_gather *gather)
{
	struct dist_gather_row row;

	node->stats_age_ms = -1;
	if (node->state == DIST_OVERVIEW_GONE)
		return; /* also when the gatherer has not heard of it yet */
	dist_gather_find(gather, (const char *)node->instance, &row);
	shown->answer = row.latest;
	memcpy(shown->why, row.why, sizeof(shown->why));
	node->stats = row.latest ? row.latest->stats->nodes[0] : NULL;
	node->stats_age_ms = row.age_ms;
	node->stats_error = shown->why[0] ? shown->why : NULL;
	node->recent = row.recent;
}

static int
by_name(const void *a, const void *b)
{
	const struct dist_overview_node *node_a = a, *node_b = b;
	int order = strcmp(node_a->name, node_b->name);

	return order ? order
	             : memcmp(node_a->instance, node_b->instance,
	                      sizeof(node_a->instance));
}

static enum dist_err
held_fill_nodes(struct held *held, struct dist_gather *gather)
{
	const dist_view *view = &held->list->view;
	size_t n = view->nodes.dist_node_entries_len, n_services = 0;
	struct dist_overview_service *at;

	for (size_t i = 0; i < n; i++)
		n_services +=
			view->nodes.dist_node_entries_val[i].services.services_len;
	held->nodes = calloc(n + 1, sizeof(*held->nodes));
	held->shown = calloc(n + 1, sizeof(*held->shown));
	held->services = calloc(n_services + 1, sizeof(*held->services));
	if (!held->nodes || !held->shown || !held->services)
		return dist_error_set_plain(DIST_ENOMEM);
	held->overview.nodes = held->nodes;
	held->overview.n_nodes = n;
	at = held->services;
	for (size_t i = 0; i < n; i++) {
		const dist_node_entry *entry = &view->nodes.dist_node_entries_val[i];

		node_fill(&held->nodes[i], entry);
		held->nodes[i].address = held->list->entries[i]->address;
		node_fill_services(&held->nodes[i], entry, &at);
		node_fill_answer(&held->nodes[i], &held->shown[i], gather);
	}
	qsort(held->nodes, n, sizeof(*held->nodes), by_name);
	return DIST_OK;
}

static void
held_fill_self(struct held *held, struct dist_master *master)
{
	struct dist_gather_row row;

	dist_gather_find(master->gather, master->id, &row);
	held->self = row.latest;
	held->overview.self = row.latest ? row.latest->stats->nodes[0] : NULL;
	held->overview.self_age_ms = row.age_ms;
}

static void
caller_fill(struct dist_overview_caller *caller, const struct dist_caller_row *row)
{
	const struct dist_node_stats *stats = row->latest->stats->nodes[0];

	caller->name = stats->name;
	caller->address = stats->address;
	memcpy(caller->instance, row->instance, sizeof(caller->instance));
	caller->age_ms = row->age_ms;
	caller->idle_ms = row->idle_ms;
	caller->stats = stats;
	caller->recent = row->recent;
}

static enum dist_err
held_fill_callers(struct held *held, struct dist_callers_book *book)
{
	held->accounts = calloc(CALLERS_MAX, sizeof(*held->accounts));
	held->callers = calloc(CALLERS_MAX, sizeof(*held->callers));
	if (!held->accounts || !held->callers)
		return dist_error_set_plain(DIST_ENOMEM);
	held->overview.n_callers = dist_callers_list(
		book, held->accounts, CALLERS_MAX, &held->overview.n_callers_in_all);
	for (size_t i = 0; i < held->overview.n_callers; i++)
		caller_fill(&held->callers[i], &held->accounts[i]);
	held->overview.callers = held->callers;
	return DIST_OK;
}

static enum dist_err
held_fill(struct held *held, struct dist_master *master)
{
	enum dist_err err;

	dist_lock(&master->lock);
	err = dist_table_list(master->table, true, dist_clock_ns(), &held->list);
	dist_unlock(&master->lock);
	if (err)
		return err;
	memcpy(held->overview.master, held->list->view.master, sizeof(dist_id));
	held->overview.epoch = held->list->view.epoch;
	held->overview.uptime_ms = held->list->view.uptime_ms;
	held->overview.lease_ms = held->list->view.lease_ms;
	held_fill_self(held, master);
	err = held_fill_callers(held, master->callers);
	return err ? err : held_fill_nodes(held, master->gather);
}

enum dist_err
dist_master_overview(struct dist_overview **ret_overview, struct dist_master *master)
{
	DIST_CLEANUP(held_freep) struct held *held = NULL;
	enum dist_err err;

	if (master->process != getpid())
		return dist_error_set_plain(DIST_EFORKED);
	held = calloc(1, sizeof(*held));
	if (!held)
		return dist_error_set_plain(DIST_ENOMEM);
	err = held_fill(held, master);
	if (err)
		return err;
	*ret_overview = &DIST_TAKE(held)->overview;
	return DIST_OK;
}

static enum dist_err
totals_stats(struct dist_master *master, enum dist_teller teller,
             struct dist_stats **ret_stats)
{
	if (master->process != getpid())
		return dist_error_set_plain(DIST_EFORKED);
	if (!master->totals)
		return dist_error_set(
			DIST_EINVAL, "this master asks no node for its statistics: set "
				     "stats_ms");
	return dist_totals_stats(master->totals, teller, ret_stats);
}

enum dist_err
dist_master_totals(struct dist_stats **ret_stats, struct dist_master *master)
{
	return totals_stats(master, DIST_TELLER_NODE, ret_stats);
}

enum dist_err
dist_master_caller_totals(struct dist_stats **ret_stats, struct dist_master *master)
{
	return totals_stats(master, DIST_TELLER_CALLER, ret_stats);
}
