/* distctl services: the programs and versions served, and by how many nodes. */
#include "distctl/config.h"

#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "distctl/view.h"
#include "program/options.h"

#include <stdlib.h>

/* One program and version, and who serves it. */
struct offer {
	const dist_service_entry *service;
	unsigned n_live, n_draining, n_workers;
};

struct offers {
	struct offer *list;
	size_t n;
};

static const struct table_column columns[] = {
	{ "PROGRAM", false }, { "VERSION", true }, { "NAME", false },
	{ "NODES", true },    { "WORKERS", true }, { "DRAINING", true },
};

static int
compare_offers(const void *left, const void *right)
{
	const dist_service_entry *a = ((const struct offer *)left)->service;
	const dist_service_entry *b = ((const struct offer *)right)->service;

	if (a->prog != b->prog)
		return a->prog < b->prog ? -1 : 1;
	return (a->vers > b->vers) - (a->vers < b->vers);
}

static size_t
count_services(const struct view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_nodes; i++)
		n += view->nodes[i]->services.services_len;
	return n;
}

/* One offer for each service of each node. */
static void
list_offers(struct offers *offers, const struct view *view)
{
	for (size_t i = 0; i < view->n_nodes; i++) {
		const dist_node_entry *node = view->nodes[i];
		bool live = node->state == DIST_NODE_LIVE;

		for (size_t j = 0; j < node->services.services_len; j++)
			offers->list[offers->n++] = (struct offer){
				.service = &node->services.services_val[j],
				.n_live = live,
				.n_draining = node->state == DIST_NODE_DRAINING,
				.n_workers = live ? node->capacity : 0,
			};
	}
}

/* Those of one program and version, which are neighbours, become one. */
static void
add_up(struct offers *offers)
{
	size_t n = 0;

	for (size_t i = 0; i < offers->n; i++) {
		struct offer *offer = &offers->list[i];
		struct offer *last = n > 0 ? &offers->list[n - 1] : NULL;

		if (last && compare_offers(last, offer) == 0) {
			last->n_live += offer->n_live;
			last->n_draining += offer->n_draining;
			last->n_workers += offer->n_workers;
		} else {
			offers->list[n++] = *offer;
		}
	}
	offers->n = n;
}

static int
print_table(const struct offers *offers)
{
	struct table table;
	int status;

	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < offers->n; i++) {
		const struct offer *offer = &offers->list[i];
		const char *name = offer->service->prog_name;

		table_add(&table, "0x%08x", offer->service->prog);
		table_add(&table, "%u", offer->service->vers);
		table_add(&table, "%s", *name ? name : "-");
		table_add(&table, "%u", offer->n_live);
		table_add(&table, "%u", offer->n_workers);
		table_add(&table, "%u", offer->n_draining);
	}
	status = table_print(&table);
	table_fini(&table);
	return status;
}

static json_t *
offer_json(const struct offer *offer)
{
	json_t *object = json_object();

	json_put(object, "program", json_number(offer->service->prog));
	json_put(object, "version", json_number(offer->service->vers));
	json_put(object, "name", json_text(offer->service->prog_name));
	json_put(object, "version_name", json_text(offer->service->vers_name));
	json_put(object, "nodes", json_number(offer->n_live));
	json_put(object, "workers", json_number(offer->n_workers));
	json_put(object, "draining", json_number(offer->n_draining));
	return object;
}

static int
print_json(const struct offers *offers)
{
	json_t *array = json_array();

	for (size_t i = 0; i < offers->n; i++)
		json_add(array, offer_json(&offers->list[i]));
	return json_print("services", array);
}

static int
print_offers(const struct config *config, const struct masters *masters,
             const struct view *view)
{
	struct offers offers = { .list = NULL };
	int status;

	(void)masters;
	offers.list = calloc(count_services(view) + 1, sizeof(*offers.list));
	if (!offers.list)
		return program_fail("out of memory");
	list_offers(&offers, view);
	qsort(offers.list, offers.n, sizeof(*offers.list), compare_offers);
	add_up(&offers);
	status = config->json ? print_json(&offers) : print_table(&offers);
	free(offers.list);
	return status;
}

int
services_run(const struct config *config)
{
	return view_use(config, config->all, print_offers);
}
