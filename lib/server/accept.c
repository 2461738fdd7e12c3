/*
 * New connections, so many at a turn. Where there are as many as there may be, or no
 * descriptor is left, one that is half-sent or idle ends for the newcomer (crowd.h).
 *
 * When there is none, and descriptors have run out, the one kept in reserve is given up
 * for a moment to take a newcomer and close it: it learns at once that there is no room,
 * and the listening socket does not stay readable for ever. Where even that fails,
 * nobody is accepted until the next sweep (CVE-2018-14621 is what happens else).
 */
#include "base/clock.h"
#include "base/log.h"
#include "server/core.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ACCEPT_TURN_MAX 64

#define NO_DESCRIPTORS "no descriptors left; raise their limit (ulimit -n)"
#define ALL_TAKEN      "as many connections as max_connections allows"
#define HOST_TAKEN     "as many connections as max_connections_per_peer allows"

/* @peer may be NULL: it is not known. */
static void
accept_log(struct dist_server *server, const struct dist_sockaddr *peer, const char *why)
{
	struct dist_server_loop *loop = &server->loop;
	char text[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	if (dist_limit_allows(&loop->accept_limit, loop->now_ns, &n_dropped))
		dist_log_warning("connection-refused",
		                 "peer=%s why=\"%s\" connections=%u not_shown=%u",
		                 peer ? dist_sockaddr_format(peer, text) : "unknown",
		                 why, atomic_load(&server->n_connections), n_dropped);
}

static void
accept_log_ended(struct dist_server *server, const struct dist_server_conn *conn,
                 const char *why)
{
	struct dist_server_loop *loop = &server->loop;
	char peer[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	if (dist_limit_allows(&loop->accept_limit, loop->now_ns, &n_dropped))
		dist_log_warning("connection-ended",
		                 "peer=%s why=\"it is %s, and there are %s\" "
		                 "connections=%u not_shown=%u",
		                 dist_sockaddr_format(&conn->peer, peer),
		                 conn->place.half ? "half-sent" : "idle", why,
		                 atomic_load(&server->n_connections), n_dropped);
}

/* End one, of @host or, where that is NULL, of all. False: none may go. */
static bool
accept_make_room(struct dist_server *server, struct dist_crowd_host *host,
                 const char *why)
{
	struct dist_server_conn *conn = dist_crowd_find(server, host);

	if (!conn)
		return false;
	accept_log_ended(server, conn, why);
	dist_server_count(server, crowded_out);
	dist_server_forget_events(&server->loop, conn);
	dist_server_drop(server, conn);
	return true;
}

static void
accept_watch(struct dist_server *server, uint32_t events)
{
	for (unsigned i = 0; i < server->listeners.n; i++) {
		struct epoll_event event = { .events = events,
			                     .data.u64 = DIST_LOOP_TAG_LISTENER + i };

		epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->listeners.fds[i],
		          &event);
	}
}

void
dist_server_accept_resume(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;

	if (loop->reserve_fd < 0)
		loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (loop->accepting_paused)
		accept_watch(server, EPOLLIN);
	loop->accepting_paused = false;
}

/* No descriptor to be had, and nobody to give up one. */
static void
accept_turn_away(struct dist_server *server, int listener)
{
	struct dist_server_loop *loop = &server->loop;
	int fd = -1;

	accept_log(server, NULL, NO_DESCRIPTORS);
	dist_server_count(server, turned_away);
	if (loop->reserve_fd >= 0) {
		close(loop->reserve_fd);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		accept_watch(server, 0);
		loop->accepting_paused = true;
	}
}

void
dist_server_adopt(struct dist_server *server, int fd, struct dist_sockaddr *peer)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn;
	struct epoll_event event = { .events = EPOLLIN };

	dist_socket_tune(fd);
	conn = dist_server_conn_new(server, ++loop->last_conn_id, fd, peer);
	if (!conn || dist_crowd_join(server, conn)) {
		accept_log(server, peer, "no memory for it");
		dist_server_count(server, turned_away);
		if (conn)
			dist_server_conn_unref(conn);
		close(fd);
		return;
	}
	event.data.ptr = conn;
	conn->armed = event.events;
	atomic_fetch_add(&server->n_connections, 1);
	dist_list_append(&loop->conns, &conn->link);
	dist_server_count(server, accepted);
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		accept_log(server, peer, "no memory to watch it");
		dist_server_drop(server, conn);
	}
}

static bool
accept_may_go_on(int error)
{
	/* The newcomer's own trouble (accept(2)), not ours. */
	return error == EINTR || error == ECONNABORTED || error == EPROTO ||
	       error == ENETDOWN || error == ENOPROTOOPT || error == EHOSTDOWN ||
	       error == ENONET || error == EHOSTUNREACH || error == ENETUNREACH;
}

/* Why there is no room for one more from @peer, even when others go; NULL: there is. */
static const char *
accept_find_room(struct dist_server *server, const struct dist_sockaddr *peer)
{
	const struct dist_server_options *options = &server->options;
	struct dist_crowd_host *host = dist_crowd_find_host(server, peer);

	if (host && host->n_conns >= options->max_connections_per_peer)
		return accept_make_room(server, host, HOST_TAKEN) ? NULL : HOST_TAKEN;
	if (atomic_load(&server->n_connections) >= options->max_connections)
		return accept_make_room(server, NULL, ALL_TAKEN) ? NULL : ALL_TAKEN;
	return NULL;
}

/* One newcomer; false: there is none, or none can be taken. */
static bool
accept_one(struct dist_server *server, int listener)
{
	struct dist_sockaddr peer = { .length = sizeof(peer.storage) };
	const char *why;
	int fd;

	fd = accept4(listener, &peer.sa, &peer.length, SOCK_CLOEXEC);
	if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (fd < 0 && accept_may_go_on(errno))
		return true;
	if (fd < 0 && accept_make_room(server, NULL, NO_DESCRIPTORS))
		return true;
	if (fd < 0) {
		accept_turn_away(server, listener);
		return false;
	}
	dist_sockaddr_unmap(&peer);
	why = accept_find_room(server, &peer);
	if (why) {
		accept_log(server, &peer, why);
		dist_server_count(server, turned_away);
		close(fd);
		return true;
	}
	dist_server_adopt(server, fd, &peer);
	return true;
}

void
dist_server_accept(struct dist_server *server, int listener)
{
	for (unsigned i = 0; i < ACCEPT_TURN_MAX; i++) {
		if (!accept_one(server, listener))
			return;
	}
}
