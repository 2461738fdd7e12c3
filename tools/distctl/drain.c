/*
 * distctl drain: have nodes leave, and wait until the masters no longer list them.
 *
 * The order goes to every master, which passes it on with the node's next heartbeat.
 * Then each master is watched, one long call at a time, until the node is gone there.
 */
#include "distctl/config.h"

#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/view.h"
#include "program/clock.h"
#include "program/options.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

/* What a master says about one instance: is it still there? @before: what was known. */
static bool
is_listed(const dist_view *view, const char *instance, bool before)
{
	for (size_t i = 0; i < view->nodes.dist_node_entries_len; i++) {
		const dist_node_entry *node = &view->nodes.dist_node_entries_val[i];

		if (memcmp(node->instance, instance, DIST_ID_SIZE) == 0)
			return node->state != DIST_NODE_GONE;
	}
	return view->full ? false : before;
}

/* One long call: it comes back when something changes, or after @hold_ms. */
static bool
watch(struct server *master, dist_watch *watch, unsigned hold_ms, dist_view *ret_view)
{
	memset(ret_view, 0, sizeof(*ret_view));
	watch->hold_ms = hold_ms;
	if (dist_watch_1(*watch, ret_view, master->client) != RPC_SUCCESS) {
		masters_warn(master, dist_error_text());
		return false;
	}
	memcpy(watch->master, ret_view->master, DIST_ID_SIZE);
	watch->epoch = ret_view->epoch;
	return true;
}

/* Wait until it is gone at this master. */
static int
wait_gone(struct server *master, const dist_view *list, const dist_node_entry *node,
          const struct config *config, int64_t deadline_ms)
{
	bool listed = is_listed(list, node->instance, false);
	dist_watch place = { .epoch = list->epoch };
	int64_t left, hold = config->timeout_ms / 2;
	dist_view view;

	memcpy(place.master, list->master, DIST_ID_SIZE);
	while (listed) {
		left = deadline_ms - program_now_ms();
		if (left <= 0)
			return program_fail("%s: still listed by %s after %lld ms; see "
			                    "--wait-ms",
			                    node->name, master->address,
			                    (long long)config->wait_ms);
		if (!watch(master, &place, (unsigned)(left < hold ? left : hold),
		           &view))
			return PROGRAM_FAILED;
		listed = is_listed(&view, node->instance, listed);
		xdr_free((xdrproc_t)xdr_dist_view, &view);
	}
	return PROGRAM_DONE;
}

/* Pass the order on; it is given once one master took it. */
static int
order(const struct masters *masters, const struct view *view, char *name)
{
	bool taken = false;

	for (size_t i = 0; i < masters->n; i++) {
		struct server *master = &masters->list[i];
		bool_t known = FALSE;

		if (!view->answered[i])
			continue;
		if (dist_drain_1(name, &known, master->client) != RPC_SUCCESS)
			masters_warn(master, dist_error_text());
		taken |= known;
	}
	if (taken)
		return PROGRAM_DONE;
	return program_fail("%s: no master took the order; it may have left", name);
}

/* Until no master that answered lists it; then it is told, or added to @left. */
static int
wait_left(const struct masters *masters, const struct view *view,
          const dist_node_entry *node, const struct config *config, int64_t deadline_ms,
          json_t *left)
{
	int status;

	for (size_t i = 0; i < masters->n; i++) {
		if (!view->answered[i])
			continue;
		status = wait_gone(&masters->list[i], &view->answers[i], node, config,
		                   deadline_ms);
		if (status)
			return status;
	}
	if (config->json)
		json_add(left, json_text(node->name));
	else
		printf("%s left\n", node->name);
	return PROGRAM_DONE;
}

/* Every name must be known before any node is ordered to leave. */
static int
drain(const struct config *config, const struct masters *masters,
      const struct view *view)
{
	int64_t deadline_ms = program_now_ms() + config->wait_ms;
	json_t *left;
	int status = PROGRAM_DONE, printed;

	for (size_t i = 0; i < config->n_names; i++) {
		if (!view_find(view, config->names[i]))
			return PROGRAM_FAILED;
	}
	for (size_t i = 0; i < config->n_names && !status; i++)
		status = order(masters, view, config->names[i]);
	left = config->json ? json_array() : NULL;
	for (size_t i = 0; i < config->n_names && !status; i++)
		status = wait_left(masters, view, view_find(view, config->names[i]),
		                   config, deadline_ms, left);
	printed = config->json ? json_print("left", left) : PROGRAM_DONE;
	return status ? status : printed;
}

int
drain_run(const struct config *config)
{
	return view_use(config, false, drain);
}
