#include "io/socket.h"

#include "base/cleanup.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void
wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

static struct dist_listeners
listen_on(const char *text)
{
	struct dist_listeners listeners;

	assert_ok(dist_listeners_open(&listeners, text, 0));
	return listeners;
}

static int
connect_to(const struct dist_sockaddr *address)
{
	int fd;

	assert_ok(dist_socket_connect(address, &fd));
	wait_for(fd, POLLOUT);
	assert_ok(dist_socket_connect_result(fd, address));
	return fd;
}

static int
accept_from(int listener)
{
	int fd;

	wait_for(listener, POLLIN);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int
option_of(int fd, int level, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static bool
host_has_ipv6(void)
{
	struct dist_sockaddr address;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	(void)dist_sockaddr_from_numeric("::1", 0, &address);
	has = bind(fd, &address.sa, address.length) == 0;
	close(fd);
	return has;
}

static struct dist_sockaddr
address_of(const char *host, unsigned port)
{
	struct dist_sockaddr address;

	assert_true(dist_sockaddr_from_numeric(host, (int)port, &address));
	return address;
}

static void
test_both_ends_know_each_other(void **state)
{
	struct dist_listeners listeners = listen_on("127.0.0.1:0");
	int ours = connect_to(&listeners.address);
	int theirs = accept_from(listeners.fds[0]);
	struct dist_sockaddr local = dist_socket_local(ours);
	struct dist_sockaddr peer = dist_socket_peer(theirs);

	(void)state;
	assert_true(dist_sockaddr_equal(&local, &peer));
	peer = dist_socket_peer(ours);
	assert_true(dist_sockaddr_equal(&peer, &listeners.address));
	close(ours);
	close(theirs);
	dist_listeners_close(&listeners);
}

static void
test_sockets_are_as_we_want_them(void **state)
{
	struct dist_listeners listeners = listen_on("127.0.0.1:0");
	int fd = connect_to(&listeners.address);

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listeners.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(listeners.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_true(option_of(fd, IPPROTO_TCP, TCP_NODELAY));
	assert_true(option_of(fd, SOL_SOCKET, SO_KEEPALIVE));
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 10);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
	close(fd);
	dist_listeners_close(&listeners);
}

static void
test_a_port_where_nobody_listens_refuses(void **state)
{
	struct dist_listeners listeners = listen_on("127.0.0.1:0");
	struct dist_sockaddr address = listeners.address;
	char text[DIST_ADDRESS_TEXT_MAX];
	enum dist_err err;
	int fd = -1;

	(void)state;
	dist_listeners_close(&listeners);
	err = dist_socket_connect(&address, &fd);
	if (err == DIST_OK) {
		wait_for(fd, POLLOUT);
		err = dist_socket_connect_result(fd, &address);
		close(fd);
	}
	assert_int_equal(err, DIST_ECONNECT);
	assert_non_null(
		strstr(dist_error_text(), dist_sockaddr_format(&address, text)));
	assert_non_null(strstr(dist_error_text(), strerror(ECONNREFUSED)));
}

/* A socket bound to a free port and connected to it meets itself. */
static void
test_a_connection_to_itself_counts_as_refused(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct dist_sockaddr address = address_of("127.0.0.1", 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &address.sa, address.length), 0);
	address = dist_socket_local(fd);
	assert_int_equal(connect(fd, &address.sa, address.length), 0);
	assert_err(dist_socket_connect_result(fd, &address), DIST_ECONNECT);
	close(fd);
}

static void
test_a_closed_peer_is_seen_and_bytes_are_left_alone(void **state)
{
	struct dist_listeners listeners = listen_on("127.0.0.1:0");
	int ours = connect_to(&listeners.address);
	int theirs = accept_from(listeners.fds[0]);
	char byte;

	(void)state;
	assert_false(dist_socket_is_dead(ours));
	assert_int_equal(write(theirs, "x", 1), 1);
	wait_for(ours, POLLIN);
	assert_false(dist_socket_is_dead(ours));
	assert_int_equal(read(ours, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(theirs);
	wait_for(ours, POLLIN);
	assert_true(dist_socket_is_dead(ours));
	close(ours);
	dist_listeners_close(&listeners);
}

/* 127.0.0.1 and ::1 with one number, whatever others have taken. */
static void
test_loopback_is_both_families_on_one_port(void **state)
{
	struct dist_listeners listeners;
	struct dist_sockaddr second;
	int fd;

	(void)state;
	assert_ok(dist_listeners_open(&listeners, NULL, 0));
	assert_int_equal(listeners.n, host_has_ipv6() ? 2 : 1);
	assert_true(listeners.port > 0);
	assert_true(dist_sockaddr_is_loopback(&listeners.address));
	for (unsigned i = 0; i < listeners.n; i++) {
		second = dist_socket_local(listeners.fds[i]);
		assert_int_equal(dist_sockaddr_port(&second), listeners.port);
		assert_true(dist_sockaddr_is_loopback(&second));
		fd = connect_to(&second);
		close(accept_from(listeners.fds[i]));
		close(fd);
	}
	dist_listeners_close(&listeners);
	assert_int_equal(listeners.n, 0);
}

static void
test_localhost_is_loopback_too(void **state)
{
	struct dist_listeners listeners = listen_on("localhost:0");

	(void)state;
	assert_int_equal(listeners.n, host_has_ipv6() ? 2 : 1);
	assert_true(dist_sockaddr_is_loopback(&listeners.address));
	dist_listeners_close(&listeners);
}

/* One socket takes both, and a caller of IPv4 is seen as one. */
static void
test_all_addresses_take_ipv4_and_ipv6(void **state)
{
	struct dist_listeners listeners = listen_on(":0");
	struct dist_sockaddr address = address_of("127.0.0.1", listeners.port), peer;
	int ours = connect_to(&address);
	int theirs = accept_from(listeners.fds[0]);

	(void)state;
	assert_true(dist_sockaddr_is_any(&listeners.address));
	peer = dist_socket_peer(theirs);
	assert_int_equal(peer.sa.sa_family, AF_INET);
	close(ours);
	close(theirs);
	if (host_has_ipv6()) {
		address = address_of("::1", listeners.port);
		ours = connect_to(&address);
		close(accept_from(listeners.fds[0]));
		close(ours);
	}
	dist_listeners_close(&listeners);
}

/* The text says which, and what to do. */
static void
assert_no_listening(const char *text, unsigned default_port, enum dist_err expected,
                    const char *quoted)
{
	struct dist_listeners listeners = { .n = 99 };

	assert_err(dist_listeners_open(&listeners, text, default_port), expected);
	assert_int_equal(listeners.n, 99);
	assert_non_null(strstr(dist_error_text(), quoted));
	assert_non_null(strstr(dist_error_text(), "--listen"));
}

static void
test_an_address_in_use_is_told_with_what_to_do(void **state)
{
	struct dist_listeners taken;
	char text[DIST_ADDRESS_TEXT_MAX];

	(void)state;
	assert_ok(dist_listeners_open(&taken, NULL, 0));
	dist_sockaddr_format(&taken.address, text);
	assert_no_listening(text, 0, DIST_EADDRINUSE, text);
	assert_no_listening(NULL, taken.port, DIST_EADDRINUSE, text);
	snprintf(text, sizeof(text), ":%u", taken.port);
	assert_no_listening(text, 0, DIST_EADDRINUSE, text);
	dist_listeners_close(&taken);
}

/* With one family of loopback taken, the other is not left listening. */
static void
test_loopback_is_all_or_nothing(void **state)
{
	struct dist_listeners taken, again;
	char text[DIST_ADDRESS_TEXT_MAX];
	enum dist_err err;

	(void)state;
	if (!host_has_ipv6())
		return; /* there is nothing that could be left */
	/* Others of this host may have the port in the other family, at any time. */
	do {
		taken = listen_on("[::1]:0");
		dist_sockaddr_format(&taken.address, text);
		err = dist_listeners_open(&again, NULL, taken.port);
		assert_int_equal(err, DIST_EADDRINUSE);
		dist_listeners_close(&taken);
		if (!strstr(dist_error_text(), text))
			continue;
		err = dist_listeners_open(&again, NULL, taken.port);
	} while (err == DIST_EADDRINUSE);
	assert_ok(err);
	dist_listeners_close(&again);
}

static void
test_what_cannot_be_listened_on_is_told(void **state)
{
	struct dist_listeners listeners;

	(void)state;
	/* TEST-NET-1 of RFC 5737: no host has it. */
	assert_no_listening("192.0.2.1:0", 0, DIST_ESYSTEM, "192.0.2.1");
	assert_no_listening("some-name:0", 0, DIST_EADDRESS, "some-name");
	assert_err(dist_listeners_open(&listeners, "127.0.0.1:x", 0), DIST_EADDRESS);
	assert_err(dist_listeners_open(&listeners, "::1:1", 0), DIST_EADDRESS);
	assert_err(dist_listeners_open(&listeners, "", 0), DIST_EADDRESS);
}

/* A port that was just closed, with connections in TIME_WAIT, can be had again. */
static void
test_a_port_is_free_again_at_once(void **state)
{
	struct dist_listeners listeners = listen_on("127.0.0.1:0"), again;
	char text[DIST_ADDRESS_TEXT_MAX];
	int ours = connect_to(&listeners.address);
	int theirs = accept_from(listeners.fds[0]);

	(void)state;
	dist_sockaddr_format(&listeners.address, text);
	close(theirs);
	wait_for(ours, POLLIN);
	close(ours);
	dist_listeners_close(&listeners);
	assert_ok(dist_listeners_open(&again, text, 0));
	dist_listeners_close(&again);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_both_ends_know_each_other),
	cmocka_unit_test(test_sockets_are_as_we_want_them),
	cmocka_unit_test(test_a_port_where_nobody_listens_refuses),
	cmocka_unit_test(test_a_connection_to_itself_counts_as_refused),
	cmocka_unit_test(test_a_closed_peer_is_seen_and_bytes_are_left_alone),
	cmocka_unit_test(test_loopback_is_both_families_on_one_port),
	cmocka_unit_test(test_localhost_is_loopback_too),
	cmocka_unit_test(test_all_addresses_take_ipv4_and_ipv6),
	cmocka_unit_test(test_an_address_in_use_is_told_with_what_to_do),
	cmocka_unit_test(test_loopback_is_all_or_nothing),
	cmocka_unit_test(test_what_cannot_be_listened_on_is_told),
	cmocka_unit_test(test_a_port_is_free_again_at_once),
};

CHECK_MAIN(tests)
