/*
 * The HTTP socket. It is opened here, not by the HTTP library, so that what goes wrong
 * can be said in words.
 */
#include "web/web.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WEB_BACKLOG 1024

/*
 * "ADDR:PORT" in two, brackets taken off; false: there is no port, or it is too long.
 */
static bool
address_split(const char *text, char *host, size_t host_size, const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;

	if (!colon || !colon[1])
		return false;
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return false; /* IPv6 without brackets */
	}
	if (length >= host_size)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	*ret_port = colon + 1;
	return true;
}

/* A descriptor, or -1 with errno set. */
static int
socket_open(const struct addrinfo *address)
{
	int on = 1, off = 0, saved_errno;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6) /* "::" takes IPv4 as well */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!bind(fd, address->ai_addr, address->ai_addrlen) &&
	    !listen(fd, WEB_BACKLOG))
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

/* -1 with errno set; or -2 with a line printed: it does not resolve. */
static int
socket_open_named(const char *host, const char *port)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *addresses;
	int fd, failed;

	failed = getaddrinfo(host, port, &hints, &addresses);
	if (failed) {
		fprintf(stderr, "web: --http %s:%s: %s\n", host, port,
		        gai_strerror(failed));
		return -2;
	}
	fd = socket_open(addresses);
	freeaddrinfo(addresses);
	return fd;
}

/* What is really listened on: port 0 has become a number. */
static void
socket_print_address(int fd, char *ret_address, size_t address_size)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (!getsockname(fd, (struct sockaddr *)&name, &length))
		getnameinfo((struct sockaddr *)&name, length, host, sizeof(host), port,
		            sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(ret_address, address_size, strchr(host, ':') ? "[%s]:%s" : "%s:%s",
	         host, port);
}

int
web_listen(const char *text, char *ret_address, size_t address_size)
{
	char host[256];
	const char *port;
	int fd;

	if (!address_split(text, host, sizeof(host), &port)) {
		fprintf(stderr,
		        "web: --http takes ADDR:PORT, such as 127.0.0.1:8080 or :0, not %s\n"
		        "Try 'web --help'\n",
		        text);
		exit(2);
	}
	fd = socket_open_named(*host ? host : "::", port);
	if (fd == -1 && !*host && errno == EAFNOSUPPORT) /* a host without IPv6 */
		fd = socket_open_named("0.0.0.0", port);
	if (fd == -1 && errno == EADDRINUSE)
		fprintf(stderr,
		        "web: %s is in use by another program; choose another port with "
		        "--http ADDR:PORT, port 0 for any that is free\n",
		        text);
	else if (fd == -1)
		fprintf(stderr, "web: --http %s: %s\n", text, strerror(errno));
	if (fd < 0)
		return -1;
	socket_print_address(fd, ret_address, address_size);
	return fd;
}
