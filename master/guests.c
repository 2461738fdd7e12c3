#include "guests.h"

#include "program/clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LARGE_MS 10000 /* to take a large answer, where others want one too */

struct guest {
	struct guests *guests;
	int fd;
	bool ends; /* it was told to; MHD has yet to notice */
	int64_t large_ms; /* when it was given a large answer; 0: it is not taking one */
	struct guest *next, **link; /* @link NULL: in no list, as it is kept or ends */
};

void
guests_init(struct guests *guests, unsigned max)
{
	*guests = (struct guests){ .max = max };
	guests->last = &guests->first;
}

static void
guest_unlist(struct guest *guest)
{
	if (!guest->link)
		return;
	*guest->link = guest->next;
	if (guest->next)
		guest->next->link = guest->link;
	else
		guest->guests->last = guest->link;
	guest->link = NULL;
}

static void
guest_list(struct guest *guest)
{
	struct guests *guests = guest->guests;

	guest->next = NULL;
	guest->link = guests->last;
	*guests->last = guest;
	guests->last = &guest->next;
}

/* MHD sees the end of the connection in its next round, and closes it. */
static void
guest_end(struct guest *guest)
{
	guest_unlist(guest);
	guest->ends = true;
	guest->guests->n--;
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
	guest->guests = guests;
	guest->fd = info->connect_fd;
	if (++guests->n > guests->max && guests->first)
		guest_end(guests->first);
	guest_list(guest);
	return guest;
}

static void
guest_free(struct guest *guest)
{
	if (!guest)
		return;
	guest_unlist(guest);
	if (!guest->ends)
		guest->guests->n--;
	free(guest);
}

void
guests_notify(void *arg, struct MHD_Connection *connection, void **guest,
              enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*guest = guest_new(arg, connection);
	} else {
		guest_free(*guest);
		*guest = NULL;
	}
}

void
guest_touch(struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	if (!guest || guest->ends)
		return;
	guest_unlist(guest);
	guest_list(guest);
	guest->large_ms = 0;
}

void
guest_keep(struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	if (guest)
		guest_unlist(guest);
}

void
guest_take_large(struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	if (guest)
		guest->large_ms = program_now_ms();
}

void
guests_end_large(struct guests *guests)
{
	const int64_t before_ms = program_now_ms() - LARGE_MS;
	struct guest *guest = guests->first;

	while (guest && (!guest->large_ms || guest->large_ms > before_ms))
		guest = guest->next;
	if (guest)
		guest_end(guest);
}
