/*
 * A peer that vanished without a word is found by the kernel: by keepalive probes where
 * nothing is under way, by TCP_USER_TIMEOUT where something is.
 */
#include "io/socket.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S     10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES     3
#define USER_TIMEOUT_MS      30000
/* As long as the kernel allows (net.core.somaxconn): many callers start at once. */
#define LISTEN_BACKLOG 4096
/* Ports that are free for IPv4 may be taken for IPv6: how many are tried. */
#define PAIR_TRIES 32

static void
set_option(int fd, int level, int option, int value)
{
	/* None of them is needed for a connection to work. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void
dist_socket_tune(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

void
dist_socket_set_blocking(int fd, unsigned receive_ms)
{
	struct timeval time = { receive_ms / 1000, receive_ms % 1000 * 1000 };
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && flags & O_NONBLOCK)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	if (receive_ms)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

static int
socket_new(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

/* --- Connecting ------------------------------------------------------------------ */

static enum dist_err
connect_error(int why, const struct dist_sockaddr *address)
{
	char text[DIST_ADDRESS_TEXT_MAX];

	return dist_error_set_errno(DIST_ECONNECT, why, "cannot connect to %s",
	                            dist_sockaddr_format(address, text));
}

enum dist_err
dist_socket_connect(const struct dist_sockaddr *address, int *ret_fd)
{
	enum dist_err err;
	int fd = socket_new(address->sa.sa_family);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return connect_error(errno, address);
	if (fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno, "no socket to be had");
	dist_socket_tune(fd);

	/* Interrupted or not, it goes on in the background. */
	if (connect(fd, &address->sa, address->length) < 0 && errno != EINPROGRESS &&
	    errno != EINTR) {
		err = connect_error(errno, address);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return DIST_OK;
}

enum dist_err
dist_socket_connect_result(int fd, const struct dist_sockaddr *address)
{
	struct dist_sockaddr local, peer = { .length = sizeof(peer.storage) };
	socklen_t length = sizeof(int);
	int why = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &length) < 0)
		why = errno;
	if (why == 0 && getpeername(fd, &peer.sa, &peer.length) < 0)
		why = errno;
	if (why)
		return connect_error(why, address);

	/*
	 * A free port of this host that the kernel picked for our end too connects to
	 * itself (RFC 9293 section 3.5, simultaneous open): nobody listens there.
	 */
	local = dist_socket_local(fd);
	dist_sockaddr_unmap(&peer);
	if (dist_sockaddr_equal(&local, &peer))
		return connect_error(ECONNREFUSED, address);
	return DIST_OK;
}

struct dist_sockaddr
dist_socket_local(int fd)
{
	struct dist_sockaddr address = { .length = sizeof(address.storage) };

	if (getsockname(fd, &address.sa, &address.length) < 0)
		memset(&address, 0, sizeof(address));
	dist_sockaddr_unmap(&address);
	return address;
}

struct dist_sockaddr
dist_socket_peer(int fd)
{
	struct dist_sockaddr address = { .length = sizeof(address.storage) };

	if (getpeername(fd, &address.sa, &address.length) < 0)
		memset(&address, 0, sizeof(address));
	dist_sockaddr_unmap(&address);
	return address;
}

bool
dist_socket_is_dead(int fd)
{
	int cancel_state = dist_cancel_off();
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	dist_cancel_restore(cancel_state);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* --- Listening ------------------------------------------------------------------- */

/* -errno, or the descriptor of a socket that listens on @address. */
static int
listener_open(const struct dist_sockaddr *address, bool dual_stack)
{
	int fd = socket_new(address->sa.sa_family), why;

	if (fd < 0)
		return -errno;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (address->sa.sa_family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual_stack);
	if (bind(fd, &address->sa, address->length) == 0 &&
	    listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	why = errno;
	close(fd);
	return -why;
}

/* Whether the host lacks the address or its whole family. */
static bool
is_absent(int why)
{
	return why == EADDRNOTAVAIL || why == EAFNOSUPPORT;
}

static enum dist_err
listen_error(int why, const struct dist_sockaddr *address)
{
	char text[DIST_ADDRESS_TEXT_MAX];

	dist_sockaddr_format(address, text);
	switch (why) {
	case EADDRINUSE:
		return dist_error_set(
			DIST_EADDRINUSE,
			"cannot listen on %s: the address is in use; choose "
			"another with --listen ADDR:PORT, or end the program "
			"that has it",
			text);
	case EACCES:
		return dist_error_set(
			DIST_ESYSTEM,
			"cannot listen on %s: permission denied; choose a port "
			"over 1023 with --listen ADDR:PORT",
			text);
	case EADDRNOTAVAIL:
		return dist_error_set(
			DIST_ESYSTEM,
			"cannot listen on %s: this host has no such address; "
			"choose another with --listen ADDR:PORT",
			text);
	default:
		return dist_error_set_errno(DIST_ESYSTEM, why, "cannot listen on %s",
		                            text);
	}
}

static void
listeners_add(struct dist_listeners *listeners, int fd)
{
	if (listeners->n == 0) {
		listeners->address = dist_socket_local(fd);
		listeners->port = dist_sockaddr_port(&listeners->address);
	}
	listeners->fds[listeners->n++] = fd;
}

static struct dist_sockaddr
numeric(const char *host, unsigned port)
{
	struct dist_sockaddr address = { 0 };

	(void)dist_sockaddr_from_numeric(host, (int)port, &address);
	return address;
}

/* 127.0.0.1 and ::1 on @port. 0, or -errno with *ret_failed saying where. */
static int
loopback_try(struct dist_listeners *listeners, unsigned port,
             struct dist_sockaddr *ret_failed)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	struct dist_sockaddr address;
	int fd = -EADDRNOTAVAIL;

	for (size_t i = 0; i < DIST_ARRAY_SIZE(hosts); i++) {
		address = numeric(hosts[i], listeners->n ? listeners->port : port);
		fd = listener_open(&address, false);
		if (fd >= 0) {
			listeners_add(listeners, fd);
		} else if (!is_absent(-fd)) {
			*ret_failed = address;
			return fd;
		}
	}
	if (listeners->n > 0)
		return 0;
	*ret_failed = address;
	return fd;
}

static enum dist_err
listen_loopback(struct dist_listeners *listeners, unsigned port)
{
	struct dist_sockaddr failed = { 0 };
	int why = 0;

	for (int i = 0; i < PAIR_TRIES; i++) {
		why = loopback_try(listeners, port, &failed);
		if (why == 0)
			return DIST_OK;
		dist_listeners_close(listeners);
		if (port != 0 || why != -EADDRINUSE)
			break;
	}
	return listen_error(-why, &failed);
}

/* All addresses of the host. */
static enum dist_err
listen_any(struct dist_listeners *listeners, unsigned port)
{
	struct dist_sockaddr address = numeric("::", port);
	int fd = listener_open(&address, true);

	if (fd < 0 && is_absent(-fd)) {
		address = numeric("0.0.0.0", port);
		fd = listener_open(&address, false);
	}
	if (fd < 0)
		return listen_error(-fd, &address);
	listeners_add(listeners, fd);
	return DIST_OK;
}

static enum dist_err
listen_one(struct dist_listeners *listeners, const struct dist_hostport *where,
           unsigned port)
{
	struct dist_sockaddr address;
	int fd;

	if (!dist_sockaddr_from_numeric(where->host, (int)port, &address))
		return dist_error_set(
			DIST_EADDRESS,
			"cannot listen on \"%.80s\": give an address of this "
			"host, as in --listen 127.0.0.1:3000, or --listen "
			":3000 for all of them",
			where->host);
	if (dist_sockaddr_is_any(&address) && address.sa.sa_family == AF_INET6)
		return listen_any(listeners, port);
	fd = listener_open(&address, false);
	if (fd < 0)
		return listen_error(-fd, &address);
	listeners_add(listeners, fd);
	return DIST_OK;
}

enum dist_err
dist_listeners_open(struct dist_listeners *ret, const char *text, unsigned default_port)
{
	struct dist_hostport where = { .host = "localhost", .port = -1 };
	struct dist_listeners listeners = { 0 };
	enum dist_err err;
	unsigned port;

	if (text) {
		err = dist_hostport_parse(text, strlen(text), &where);
		if (err)
			return err;
	}
	port = where.port < 0 ? default_port : (unsigned)where.port;
	if (strcmp(where.host, "localhost") == 0)
		err = listen_loopback(&listeners, port);
	else if (where.host[0] == '\0')
		err = listen_any(&listeners, port);
	else
		err = listen_one(&listeners, &where, port);
	if (err)
		return err;
	*ret = listeners;
	return DIST_OK;
}

void
dist_listeners_close(struct dist_listeners *listeners)
{
	while (listeners->n > 0)
		close(listeners->fds[--listeners->n]);
}
