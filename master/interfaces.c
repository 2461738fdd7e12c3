#include "interfaces.h"

#include <stdlib.h>

void
interface_unref(struct interface *interface)
{
	if (!interface || --interface->refs > 0)
		return;
	if (interface->is_there)
		dist_spec_fini(&interface->reflected.spec);
	free(interface);
}

static struct interface **
find_link(struct interfaces *interfaces, uint32_t prog, uint32_t vers)
{
	struct interface **link = &interfaces->first;

	while (*link && ((*link)->prog != prog || (*link)->vers != vers))
		link = &(*link)->next;
	return link;
}

static struct interface *
unlink_at(struct interface **link)
{
	struct interface *interface = *link;

	*link = interface->next;
	return interface;
}

static void
put_first(struct interfaces *interfaces, struct interface *interface)
{
	interface->next = interfaces->first;
	interfaces->first = interface;
}

struct interface *
interfaces_find(struct interfaces *interfaces, uint32_t prog, uint32_t vers)
{
	struct interface **link = find_link(interfaces, prog, vers);

	if (!*link)
		return NULL;
	put_first(interfaces, unlink_at(link));
	interfaces->first->refs++;
	return interfaces->first;
}

void
interfaces_drop(struct interfaces *interfaces, struct interface *interface)
{
	struct interface **link =
		find_link(interfaces, interface->prog, interface->vers);

	if (*link == interface)
		interface_unref(unlink_at(link));
}

/* The first ones stay, as many as there may be. */
static void
drop_old(struct interfaces *interfaces)
{
	struct interface **link = &interfaces->first;
	size_t n = 0, bytes = 0;

	while (*link) {
		n++;
		bytes += (*link)->bytes;
		if (n > INTERFACES_MAX || (n > 1 && bytes > INTERFACES_BYTES_MAX)) {
			bytes -= (*link)->bytes;
			interface_unref(unlink_at(link));
		} else {
			link = &(*link)->next;
		}
	}
}

void
interfaces_add(struct interfaces *interfaces, struct interface *interface)
{
	struct interface **link =
		find_link(interfaces, interface->prog, interface->vers);

	if (*link)
		interface_unref(unlink_at(link));
	put_first(interfaces, interface);
	drop_old(interfaces);
}

void
interfaces_fini(struct interfaces *interfaces)
{
	while (interfaces->first)
		interface_unref(unlink_at(&interfaces->first));
}
