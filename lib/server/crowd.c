#include "server/crowd.h"

#include "base/clock.h"
#include "base/error.h"
#include "server/core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* A search may always look at so many, however many were looked at before. */
#define LOOKS_MIN 64

/* --- From birth to death -------------------------------------------------------- */

static void
order_init(struct dist_crowd_order *order)
{
	dist_list_init(&order->halves);
	dist_list_init(&order->others);
}

enum dist_err
dist_crowd_init(struct dist_crowd *crowd)
{
	uint64_t seed;

	order_init(&crowd->order);
	/* Peers choose their addresses. */
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return dist_error_set(DIST_ESYSTEM, "no random numbers to be had");
	return dist_map_init(&crowd->hosts, seed) ? dist_error_set_plain(DIST_ENOMEM)
	                                          : DIST_OK;
}

void
dist_crowd_fini(struct dist_crowd *crowd)
{
	dist_map_fini(&crowd->hosts);
}

/* --- Hosts ---------------------------------------------------------------------- */

static void
host_address(const struct dist_sockaddr *peer, uint8_t address[16])
{
	memset(address, 0, 16);
	if (peer->sa.sa_family == AF_INET6) {
		memcpy(address, &peer->in6.sin6_addr, 16);
		return;
	}
	address[10] = address[11] = 0xff;
	memcpy(address + 12, &peer->in.sin_addr, 4);
}

static struct dist_crowd_host *
find_host(const struct dist_crowd *crowd, const uint8_t address[16])
{
	uint64_t hash = dist_map_hash(&crowd->hosts, address, 16);
	struct dist_crowd_host *host;

	DIST_MAP_EACH (host, &crowd->hosts, hash, link) {
		if (!memcmp(host->address, address, 16))
			return host;
	}
	return NULL;
}

struct dist_crowd_host *
dist_crowd_find_host(struct dist_server *server, const struct dist_sockaddr *peer)
{
	uint8_t address[16];

	host_address(peer, address);
	return find_host(&server->loop.crowd, address);
}

/* With no connection, where it is new. NULL: no memory. */
static struct dist_crowd_host *
make_host(struct dist_crowd *crowd, const struct dist_sockaddr *peer)
{
	struct dist_crowd_host *host;
	uint8_t address[16];

	host_address(peer, address);
	host = find_host(crowd, address);
	if (host)
		return host;
	host = calloc(1, sizeof(*host));
	if (!host)
		return NULL;
	memcpy(host->address, address, 16);
	order_init(&host->order);
	dist_map_add(&crowd->hosts, &host->link,
	             dist_map_hash(&crowd->hosts, address, 16));
	return host;
}

/* --- Places --------------------------------------------------------------------- */

static void
order_append(struct dist_crowd_order *order, struct dist_list *link, bool half)
{
	dist_list_remove(link);
	dist_list_append(half ? &order->halves : &order->others, link);
}

/* At the back, as of @since_ns. */
static void
place_put(struct dist_crowd *crowd, struct dist_crowd_place *place, bool half,
          int64_t since_ns)
{
	place->half = half;
	place->since_ns = since_ns;
	order_append(&crowd->order, &place->of_all, half);
	order_append(&place->host->order, &place->of_host, half);
}

enum dist_err
dist_crowd_join(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_crowd *crowd = &server->loop.crowd;
	struct dist_crowd_host *host = make_host(crowd, &conn->peer);

	if (!host)
		return dist_error_set_plain(DIST_ENOMEM);
	host->n_conns++;
	conn->place.host = host;
	place_put(crowd, &conn->place, true, server->loop.now_ns);
	return DIST_OK;
}

void
dist_crowd_leave(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_crowd_host *host = DIST_TAKE(conn->place.host);

	if (!host)
		return;
	dist_list_remove(&conn->place.of_all);
	dist_list_remove(&conn->place.of_host);
	if (--host->n_conns > 0)
		return;
	dist_map_remove(&server->loop.crowd.hosts, &host->link);
	free(host);
}

static bool
conn_is_half(const struct dist_server_conn *conn)
{
	return !conn->served || conn->record_since_ns != 0;
}

/* When it became what it is; a newcomer that has sent nothing stays where it was put. */
static int64_t
conn_since_ns(const struct dist_server_conn *conn)
{
	if (conn_is_half(conn))
		return conn->record_since_ns;
	return atomic_load_explicit(&conn->active_ns, memory_order_relaxed);
}

void
dist_crowd_note(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_crowd_place *place = &conn->place;
	bool half = conn_is_half(conn);
	int64_t since_ns = conn_since_ns(conn);

	if (half != place->half || since_ns > place->since_ns)
		place_put(&server->loop.crowd, place, half, since_ns);
}

void
dist_crowd_refresh(struct dist_server *server)
{
	server->loop.crowd.n_looks = 2 * (size_t)atomic_load(&server->n_connections);
}

/* --- Who has to go -------------------------------------------------------------- */

static bool
conn_is_busy(struct dist_server_conn *conn, bool *ret_watched)
{
	bool busy;

	dist_lock(&conn->lock);
	*ret_watched = conn->watched;
	busy = !dist_list_empty(&conn->pending) || conn->writing ||
	       conn->read_by == DIST_READ_BY_AWAY;
	dist_unlock(&conn->lock);
	return busy;
}

static bool
conn_has_input(const struct dist_server_conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * A newcomer that has not called yet may go at once, or a flood of such would keep all
 * others out. One that has called is spared for a moment: who calls without a pause is
 * idle between two calls, and a long record takes its time. So is one whose end somebody
 * wants to be told of, who expects it to be used again within the time that he says.
 */
static bool
conn_may_go(const struct dist_server *server, struct dist_server_conn *conn)
{
	const struct dist_server_options *options = &server->options;
	bool half = conn_is_half(conn), watched;
	int64_t spared_ms;

	if (conn->has_records || conn_is_busy(conn, &watched))
		return false;
	if (!conn->served)
		return true;
	spared_ms = watched ? options->watched_spared_ms : options->idle_spared_ms;
	return server->loop.now_ns - conn_since_ns(conn) >=
	               spared_ms * DIST_NS_PER_MS &&
	       (half || !conn_has_input(conn));
}

static struct dist_server_conn *
conn_at(struct dist_list *link, bool of_host)
{
	return of_host ? DIST_CONTAINER_OF(link, struct dist_server_conn, place.of_host)
	               : DIST_CONTAINER_OF(link, struct dist_server_conn, place.of_all);
}

/* In the list of those that were half-sent, or not, when it was last looked at. */
static struct dist_server_conn *
search(struct dist_server *server, struct dist_crowd_order *order, bool half,
       bool of_host, size_t *left)
{
	struct dist_list *list = half ? &order->halves : &order->others;
	struct dist_list *last = list->prev, *link = NULL;

	while (!dist_list_empty(list) && link != last && *left > 0) {
		struct dist_server_conn *conn;

		link = list->next;
		conn = conn_at(link, of_host);
		--*left;
		if (conn_is_half(conn) == half && conn_may_go(server, conn))
			return conn;
		place_put(&server->loop.crowd, &conn->place, conn_is_half(conn),
		          server->loop.now_ns);
	}
	return NULL;
}

struct dist_server_conn *
dist_crowd_find(struct dist_server *server, struct dist_crowd_host *host)
{
	struct dist_crowd *crowd = &server->loop.crowd;
	struct dist_crowd_order *order = host ? &host->order : &crowd->order;
	size_t may = DIST_MAX(crowd->n_looks, (size_t)LOOKS_MIN), left = may;
	struct dist_server_conn *conn;

	conn = search(server, order, true, host != NULL, &left);
	if (!conn)
		conn = search(server, order, false, host != NULL, &left);
	crowd->n_looks -= DIST_MIN(crowd->n_looks, may - left);
	return conn;
}
