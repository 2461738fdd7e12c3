#include "server/service.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "idl/node.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int
pace_compare(const void *a, const void *b)
{
	uint32_t left = ((const struct dist_pace *)a)->proc;
	uint32_t right = ((const struct dist_pace *)b)->proc;

	return left < right ? -1 : left > right;
}

static struct dist_served *
served_free(struct dist_served *served)
{
	if (!served)
		return NULL;
	free(served->paces);
	free(served->counts);
	free(served);
	return NULL;
}

/* Only as far as the service was compiled with it, and not beyond what is handed out. */
static void
served_take_interface(struct dist_served *served, const struct dist_service *service)
{
	const char *text = service->size < sizeof(*service) ? NULL : service->interface;
	size_t length = text ? strnlen(text, DIST_INTERFACE_MAX + 1) : 0;

	if (length == 0 || length > DIST_INTERFACE_MAX)
		return;
	served->interface = text;
	served->interface_length = length;
}

static struct dist_served *
served_new(const struct dist_service *service, bool is_node)
{
	struct dist_served *served = calloc(1, sizeof(*served));

	if (!served)
		return NULL;
	served->service = service;
	served->prog = service->program;
	served->vers = service->version;
	served->is_node = is_node;
	served->serial = service->serial;
	served_take_interface(served, service);
	dist_list_init(&served->parked);
	dist_pace_init(&served->other, 0);

	served->n_paces = (unsigned)service->n_procedures;
	served->paces = calloc(service->n_procedures + 1, sizeof(*served->paces));
	served->counts = calloc(service->n_procedures + 1, sizeof(*served->counts));
	if (!served->paces || !served->counts)
		return served_free(served);
	for (unsigned i = 0; i < served->n_paces; i++)
		dist_pace_init(&served->paces[i], service->procedures[i].number);
	qsort(served->paces, served->n_paces, sizeof(*served->paces), pace_compare);
	return served;
}

/* The fields of the first release; its modules have no more. */
#define SERVICE_SIZE_MIN offsetof(struct dist_service, interface)

static enum dist_err
service_check(const struct dist_served_table *table, const struct dist_service *service)
{
	if (service->size < SERVICE_SIZE_MIN || service->size > sizeof(*service))
		return dist_error_set(
			DIST_EINVAL,
			"the service of program 0x%x version %u was made for "
			"another version of this library; run distgen again",
			service->program, service->version);
	if (dist_served_table_find(table, service->program, service->version))
		return dist_error_set(
			DIST_EINVAL, "program 0x%x version %u (%s) is served twice",
			service->program, service->version,
			service->program_name ? service->program_name : "?");
	return DIST_OK;
}

enum dist_err
dist_served_table_add(struct dist_served_table *table,
                      const struct dist_service *service, bool is_node)
{
	struct dist_served **list, *served;
	enum dist_err err;

	err = service_check(table, service);
	if (err)
		return err;
	list = realloc(table->list, (table->n + 1) * sizeof(*list));
	if (!list)
		return dist_error_set_plain(DIST_ENOMEM);
	table->list = list;
	served = served_new(service, is_node);
	if (!served)
		return dist_error_set_plain(DIST_ENOMEM);
	list[table->n++] = served;
	return DIST_OK;
}

void
dist_served_table_fini(struct dist_served_table *table)
{
	for (unsigned i = 0; i < table->n; i++)
		served_free(table->list[i]);
	free(table->list);
	*table = (struct dist_served_table){ 0 };
}

struct dist_served *
dist_served_table_find(const struct dist_served_table *table, uint32_t prog,
                       uint32_t vers)
{
	for (unsigned i = 0; i < table->n; i++) {
		if (table->list[i]->prog == prog && table->list[i]->vers == vers)
			return table->list[i];
	}
	return NULL;
}

bool
dist_served_table_versions(const struct dist_served_table *table, uint32_t prog,
                           uint32_t *ret_low, uint32_t *ret_high)
{
	uint32_t low = UINT32_MAX, high = 0;
	bool found = false;

	for (unsigned i = 0; i < table->n; i++) {
		if (table->list[i]->prog != prog)
			continue;
		low = DIST_MIN(low, table->list[i]->vers);
		high = DIST_MAX(high, table->list[i]->vers);
		found = true;
	}
	if (found) {
		*ret_low = low;
		*ret_high = high;
	}
	return found;
}

struct dist_pace *
dist_served_pace(struct dist_served *served, uint32_t proc)
{
	struct dist_pace key = { .proc = proc }, *found;
	uint32_t guess;

	if (served->n_paces == 0)
		return &served->other;
	/* Procedures are mostly numbered 1, 2, 3 ... */
	guess = proc - served->paces[0].proc;
	if (guess < served->n_paces && served->paces[guess].proc == proc)
		return &served->paces[guess];
	found = bsearch(&key, served->paces, served->n_paces, sizeof(key),
	                pace_compare);
	return found ? found : &served->other;
}
