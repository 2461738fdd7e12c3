/* The services that modules offered by being loaded (public side: dist/node.h). */
#include <dist/node.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mutex.h"

#include <stdlib.h>

struct offer {
	struct dist_list link;
	const struct dist_service *service;
};

/* In order of program and version. Other libraries' constructors run before ours. */
static struct dist_mutex offers_lock = DIST_MUTEX_INITIALIZER(DIST_RANK_LEAF);
static struct dist_list offers = { &offers, &offers };

static int
service_compare(const struct dist_service *a, const struct dist_service *b)
{
	if (a->program != b->program)
		return a->program < b->program ? -1 : 1;
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	return 0;
}

/* Whether @new_offer found its place; false: its program and version are on offer. */
static bool
offer_insert_locked(struct offer *new_offer)
{
	struct offer *other, *next;

	DIST_LIST_EACH (other, next, &offers, link) {
		int order = service_compare(new_offer->service, other->service);

		if (order == 0)
			return false;
		if (order < 0)
			break;
	}
	dist_list_append(&other->link, &new_offer->link);
	return true;
}

void
dist_service_offer(const struct dist_service *service)
{
	struct offer *offer = malloc(sizeof(*offer));
	bool inserted;

	if (!offer) {
		dist_log_error("service-lost", "prog=%u vers=%u why=\"out of memory\"",
		               service->program, service->version);
		return;
	}
	offer->service = service;
	dist_lock(&offers_lock);
	inserted = offer_insert_locked(offer);
	dist_unlock(&offers_lock);
	if (!inserted)
		free(offer);
}

void
dist_service_withdraw(const struct dist_service *service)
{
	struct offer *offer, *next, *found = NULL;

	dist_lock(&offers_lock);
	DIST_LIST_EACH (offer, next, &offers, link) {
		if (offer->service == service) {
			dist_list_remove(&offer->link);
			found = offer;
			break;
		}
	}
	dist_unlock(&offers_lock);
	free(found);
}

/* The services as they are now, so that none is held while somebody's code runs. */
static enum dist_err
offers_copy(const struct dist_service ***ret_services, size_t *ret_n)
{
	const struct dist_service **services;
	struct offer *offer, *next;
	size_t n = 0, i = 0;

	dist_lock(&offers_lock);
	DIST_LIST_EACH (offer, next, &offers, link)
		n++;
	services = malloc((n + 1) * sizeof(*services));
	if (services) {
		DIST_LIST_EACH (offer, next, &offers, link)
			services[i++] = offer->service;
	}
	dist_unlock(&offers_lock);
	if (!services)
		return dist_error_set_plain(DIST_ENOMEM);
	*ret_services = services;
	*ret_n = n;
	return DIST_OK;
}

enum dist_err
dist_service_each(dist_service_fn *fn, void *arg)
{
	const struct dist_service **services = NULL;
	enum dist_err err;
	size_t n = 0;

	err = offers_copy(&services, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++)
		err = fn(services[i], arg);
	free(services);
	return err;
}
