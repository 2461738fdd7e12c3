#include "guests.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

struct guest {
	int fd;
	bool ends; /* it was told to; MHD has yet to notice */
	struct guest *next, **link; /* @link NULL: in no list, as it is kept or ends */
};

void
guests_init(struct guests *guests, unsigned max)
{
	*guests = (struct guests){ .max = max };
	guests->last = &guests->first;
}

static void
list_remove(struct guests *guests, struct guest *guest)
{
	if (!guest->link)
		return;
	*guest->link = guest->next;
	if (guest->next)
		guest->next->link = guest->link;
	else
		guests->last = guest->link;
	guest->link = NULL;
}

static void
list_add(struct guests *guests, struct guest *guest)
{
	guest->next = NULL;
	guest->link = guests->last;
	*guests->last = guest;
	guests->last = &guest->next;
}

/* MHD sees the end of the connection in its next round, and closes it. */
static void
end_first(struct guests *guests)
{
	struct guest *guest = guests->first;

	if (!guest)
		return;
	list_remove(guests, guest);
	guest->ends = true;
	guests->n--;
	shutdown(guest->fd, SHUT_RDWR);
}

static struct guest *
guest_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* Without memory for it a connection is not counted, which does no harm. */
static struct guest *
guest_new(struct guests *guests, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct guest *guest = info ? calloc(1, sizeof(*guest)) : NULL;

	if (!guest)
		return NULL;
	guest->fd = info->connect_fd;
	if (++guests->n > guests->max)
		end_first(guests);
	list_add(guests, guest);
	return guest;
}

static void
guest_free(struct guests *guests, struct guest *guest)
{
	if (!guest)
		return;
	list_remove(guests, guest);
	if (!guest->ends)
		guests->n--;
	free(guest);
}

void
guests_notify(void *arg, struct MHD_Connection *connection, void **guest,
              enum MHD_ConnectionNotificationCode code)
{
	struct guests *guests = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*guest = guest_new(guests, connection);
	} else {
		guest_free(guests, *guest);
		*guest = NULL;
	}
}

void
guests_touch(struct guests *guests, struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	if (!guest || guest->ends)
		return;
	list_remove(guests, guest);
	list_add(guests, guest);
}

void
guests_keep(struct guests *guests, struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	if (guest)
		list_remove(guests, guest);
}
