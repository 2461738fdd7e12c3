/*
 * New connections, so many at a turn. When descriptors run out, the one kept in reserve
 * is given up for a moment to take a newcomer and close it: it learns at once that
 * there is no room, and the listening socket does not stay readable for ever. Where
 * even that fails, nobody is accepted until the next sweep (CVE-2018-14621 is what
 * happens else).
 */
#include "base/clock.h"
#include "base/log.h"
#include "server/core.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ACCEPT_TURN_MAX 64

static void
accept_log(struct dist_server *server, const char *why)
{
	struct dist_server_loop *loop = &server->loop;
	unsigned n_dropped;

	if (dist_limit_allows(&loop->accept_limit, loop->now_ns, &n_dropped))
		dist_log_warning("connection-refused",
		                 "why=\"%s\" connections=%u not_shown=%u", why,
		                 atomic_load(&server->n_connections), n_dropped);
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

/* No descriptor to be had. */
static void
accept_turn_away(struct dist_server *server, int listener)
{
	struct dist_server_loop *loop = &server->loop;
	int fd = -1;

	accept_log(server, "no descriptors left; raise the limit (ulimit -n)");
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

/* @fd is taken. */
static void
accept_conn(struct dist_server *server, int fd, struct dist_sockaddr *peer)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn;
	struct epoll_event event = { .events = EPOLLIN };

	dist_socket_tune(fd);
	dist_sockaddr_unmap(peer);
	conn = dist_server_conn_new(server, ++loop->last_conn_id, fd, peer);
	if (!conn) {
		close(fd);
		return;
	}
	event.data.ptr = conn;
	conn->armed = event.events;
	atomic_fetch_add(&server->n_connections, 1);
	dist_list_append(&loop->conns, &conn->link);
	dist_server_count(server, accepted);
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		accept_log(server, "no memory to watch it");
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

/* One newcomer; false: there is none, or none can be taken. */
static bool
accept_one(struct dist_server *server, int listener)
{
	struct dist_sockaddr peer = { .length = sizeof(peer.storage) };
	int fd;

	fd = accept4(listener, &peer.sa, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (fd < 0 && accept_may_go_on(errno))
		return true;
	if (fd < 0) {
		accept_turn_away(server, listener);
		return false;
	}
	if (atomic_load(&server->n_connections) >= server->options.max_connections) {
		accept_log(server, "as many connections as options allow");
		dist_server_count(server, turned_away);
		close(fd);
		return true;
	}
	accept_conn(server, fd, &peer);
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
