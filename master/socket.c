#include "socket.h"

#include "program/options.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

/* getaddrinfo() takes 70000 for 4464. */
static bool
is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n <= 5 && !text[n] && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* @text in two, brackets taken off; false: it is none of the three. */
static bool
address_split(const char *text, char *host, size_t host_size, const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t length;

	if (!colon) {
		snprintf(host, host_size, "127.0.0.1");
		*ret_port = text;
		return is_port(text);
	}
	*ret_port = colon + 1;
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return false; /* ::1 without brackets, or the like */
	}
	if (length >= host_size || !is_port(*ret_port))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	return true;
}

/* A descriptor, or -1 with errno set. */
static int
open_address(const struct addrinfo *address)
{
	int on = 1, off = 0, saved_errno;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6) /* "::" takes IPv4 as well */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

/* The same; -2: @host or @port is none. */
static int
open_named(const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST,
	};
	struct addrinfo *addresses;
	int fd;

	if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (getaddrinfo(host, port, &hints, &addresses))
		return -2;
	fd = open_address(addresses);
	freeaddrinfo(addresses);
	return fd;
}

/* What is really listened on: port 0 has become a number. */
static void
print_address(int fd, char ret_address[SOCKET_ADDRESS_MAX])
{
	char host[64] = "?", port[8] = "?";
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (!getsockname(fd, (struct sockaddr *)&name, &length))
		getnameinfo((struct sockaddr *)&name, length, host, sizeof(host), port,
		            sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(ret_address, SOCKET_ADDRESS_MAX,
	         strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int
socket_listen(const char *text, char ret_address[SOCKET_ADDRESS_MAX], bool *ret_usage)
{
	char host[64];
	const char *port;
	int fd = -2;

	if (address_split(text, host, sizeof(host), &port))
		fd = open_named(*host ? host : "::", port);
	if (fd == -1 && !*host && errno == EAFNOSUPPORT) /* a host without IPv6 */
		fd = open_named("0.0.0.0", port);
	*ret_usage = fd == -2;
	if (fd == -2)
		program_wrong_usage(
			"--http takes PORT, ADDR:PORT or :PORT, such as 9649 or "
			"192.0.2.1:9649, not '%s'",
			text);
	else if (fd == -1 && errno == EADDRINUSE)
		program_fail(
			"--http %s is in use by another program; choose another port, 0 "
			"for any that is free",
			text);
	else if (fd == -1)
		program_fail("--http %s: %s", text, strerror(errno));
	if (fd < 0)
		return -1;
	print_address(fd, ret_address);
	return fd;
}
