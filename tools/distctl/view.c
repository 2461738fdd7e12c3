/* What the masters know; see view.h. */
#include "distctl/view.h"

#include "distctl/text.h"
#include "program/options.h"

#include <dist/waiter.h>
#include <stdlib.h>
#include <string.h>

/* Ask all at once, so that a silent master costs its timeout once. */
static bool
ask(struct view *view, const struct masters *masters, bool all)
{
	struct dist_waiter **waiters = calloc(masters->n, sizeof(struct dist_waiter *));
	bool any = false;

	for (size_t i = 0; waiters && i < masters->n; i++) {
		waiters[i] = dist_go(masters->list[i].client, dist_list_1, all,
		                     &view->answers[i]);
		if (!waiters[i])
			view->whys[i] = strdup(dist_error_text());
	}
	for (size_t i = 0; waiters && i < masters->n; i++) {
		if (!waiters[i])
			continue;
		view->answered[i] = !dist_waiter_wait(waiters[i], DIST_FOREVER);
		any |= view->answered[i];
		if (!view->answered[i])
			view->whys[i] = strdup(dist_waiter_error(waiters[i]));
		dist_waiter_free(waiters[i]);
	}
	free(waiters);
	return any;
}

/*
 * Of several entries for one node the best one is shown: an order to drain reaches one
 * master before the others, and a master that lost a node may be the only one that did.
 */
static int
state_rank(dist_node_state state)
{
	switch (state) {
	case DIST_NODE_DRAINING:
		return 0;
	case DIST_NODE_LIVE:
		return 1;
	default:
		return 2;
	}
}

/* By instance; of one instance the best and freshest entry first. */
static int
compare_instances(const void *left, const void *right)
{
	const dist_node_entry *a = *(dist_node_entry *const *)left;
	const dist_node_entry *b = *(dist_node_entry *const *)right;
	int order = memcmp(a->instance, b->instance, DIST_ID_SIZE);

	if (order == 0)
		order = state_rank(a->state) - state_rank(b->state);
	if (order == 0)
		order = (a->idle_ms > b->idle_ms) - (a->idle_ms < b->idle_ms);
	return order;
}

/* Numbers inside a name count as such: node2 comes before node10. */
static int
compare_names(const void *left, const void *right)
{
	const dist_node_entry *a = *(dist_node_entry *const *)left;
	const dist_node_entry *b = *(dist_node_entry *const *)right;
	int order = strverscmp(a->name, b->name);

	return order ? order : memcmp(a->instance, b->instance, DIST_ID_SIZE);
}

static size_t
count_entries(const struct view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_answers; i++)
		n += view->answers[i].nodes.dist_node_entries_len;
	return n;
}

/* The first of each instance stays. */
static void
drop_doubles(struct view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_nodes; i++) {
		if (n == 0 || memcmp(view->nodes[i]->instance,
		                     view->nodes[n - 1]->instance, DIST_ID_SIZE) != 0)
			view->nodes[n++] = view->nodes[i];
	}
	view->n_nodes = n;
}

static bool
unite(struct view *view)
{
	view->nodes = calloc(count_entries(view) + 1, sizeof(dist_node_entry *));
	if (!view->nodes)
		return false;
	for (size_t i = 0; i < view->n_answers; i++) {
		const dist_view *answer = &view->answers[i];

		for (size_t j = 0; j < answer->nodes.dist_node_entries_len; j++)
			view->nodes[view->n_nodes++] =
				&answer->nodes.dist_node_entries_val[j];
	}
	qsort(view->nodes, view->n_nodes, sizeof(dist_node_entry *), compare_instances);
	drop_doubles(view);
	qsort(view->nodes, view->n_nodes, sizeof(dist_node_entry *), compare_names);
	return true;
}

bool
view_ask(struct view *view, const struct masters *masters, bool all)
{
	memset(view, 0, sizeof(*view));
	view->answers = calloc(masters->n, sizeof(*view->answers));
	view->answered = calloc(masters->n, sizeof(*view->answered));
	view->whys = calloc(masters->n, sizeof(*view->whys));
	if (!view->answers || !view->answered || !view->whys)
		return false;
	view->n_answers = masters->n;
	return ask(view, masters, all) && unite(view);
}

int
view_get(struct view *view, const struct masters *masters, bool all)
{
	bool asked = view_ask(view, masters, all), told = false;

	for (size_t i = 0; i < view->n_answers; i++) {
		if (view->whys[i])
			masters_warn(&masters->list[i], view->whys[i]);
		told |= view->whys[i] != NULL;
	}
	if (asked)
		return PROGRAM_DONE;
	return told ? PROGRAM_FAILED : program_fail("out of memory");
}

void
view_fini(struct view *view)
{
	for (size_t i = 0; i < view->n_answers; i++) {
		xdr_free((xdrproc_t)xdr_dist_view, &view->answers[i]);
		free(view->whys[i]);
	}
	free(view->answers);
	free(view->answered);
	free(view->whys);
	free(view->nodes);
}

static bool
is_called(const dist_node_entry *node, const char *name)
{
	char address[TEXT_ADDRESS_MAX];

	if (strcmp(node->name, name) == 0)
		return true;
	for (size_t i = 0; i < node->endpoints.endpoints_len; i++) {
		text_address(&node->endpoints.endpoints_val[i], address);
		if (strcmp(address, name) == 0)
			return true;
	}
	return false;
}

const dist_node_entry *
view_find(const struct view *view, const char *name)
{
	const dist_node_entry *found = NULL;

	for (size_t i = 0; i < view->n_nodes; i++) {
		if (!is_called(view->nodes[i], name))
			continue;
		if (found) {
			program_fail("several nodes are called '%s': give an address, "
			             "as 'distctl nodes' shows it",
			             name);
			return NULL;
		}
		found = view->nodes[i];
	}
	if (!found)
		program_fail("no node is called '%s': 'distctl nodes' shows those "
		             "there are",
		             name);
	return found;
}

int
view_use(const struct config *config, bool all, view_use_fn *use)
{
	struct masters masters;
	struct view view;
	int status;

	status = masters_open(&masters, config);
	if (status)
		return status;
	status = view_get(&view, &masters, all);
	if (!status)
		status = use(config, &masters, &view);
	view_fini(&view);
	masters_close(&masters);
	return status;
}
