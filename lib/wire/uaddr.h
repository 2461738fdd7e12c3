/*
 * Addresses as people write them ("HOST:PORT", "[::1]:3000") and as ONC RPC does (netid
 * and universal address, RFC 5665 section 5.2.3.3: "127.0.0.1.11.184").
 */
#ifndef DIST_WIRE_UADDR_H
#define DIST_WIRE_UADDR_H

#include <dist/error.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 address with its port. */
struct dist_sockaddr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	};
	socklen_t length;
};

/* The longest text of one, with its NUL: "[" IPv6 with scope "]:65535". */
#define DIST_ADDRESS_TEXT_MAX 96
#define DIST_HOST_MAX 256

/* "HOST[:PORT]" taken apart; a name, IPv4, or IPv6 in brackets. */
struct dist_hostport {
	char host[DIST_HOST_MAX]; /* without brackets; "" as in ":3000" */
	int port;                 /* -1: none was given */
};

/*
 * One "HOST[:PORT]" of @length bytes. DIST_EADDRESS: empty, a port that is none, an IPv6
 * address without brackets, a host that is too long or has a character no host has; the
 * text quotes it and says what is wrong.
 */
enum dist_err dist_hostport_parse(const char *text, size_t length,
                                  struct dist_hostport *ret) DIST_MUST_CHECK;

/*
 * A list with commas, blanks around entries allowed. Given: *ret_list, free() it.
 * DIST_EADDRESS (an empty entry too), DIST_ENOMEM.
 */
enum dist_err dist_hostport_parse_list(const char *text, struct dist_hostport **ret_list,
                                       size_t *ret_n) DIST_MUST_CHECK;

/* A host that is an address already, not a name; @port as in a hostport, -1 gives 0. */
bool dist_sockaddr_from_numeric(const char *host, int port, struct dist_sockaddr *ret);

/* "127.0.0.1:3000", "[::1]:3000"; @text has DIST_ADDRESS_TEXT_MAX bytes. */
const char *dist_sockaddr_format(const struct dist_sockaddr *address, char *text);
/* The host alone, without brackets. */
const char *dist_sockaddr_format_host(const struct dist_sockaddr *address, char *text);

unsigned dist_sockaddr_port(const struct dist_sockaddr *address);
void dist_sockaddr_set_port(struct dist_sockaddr *address, unsigned port);
bool dist_sockaddr_is_loopback(const struct dist_sockaddr *address);
/* 0.0.0.0 or ::, all addresses of the host. */
bool dist_sockaddr_is_any(const struct dist_sockaddr *address);
bool dist_sockaddr_equal(const struct dist_sockaddr *a, const struct dist_sockaddr *b);
/* IPv4 that came as ::ffff:1.2.3.4 becomes IPv4. */
void dist_sockaddr_unmap(struct dist_sockaddr *address);

/* netid "tcp" or "tcp6" and the universal address; both static or in @uaddr. */
const char *dist_sockaddr_netid(const struct dist_sockaddr *address);
const char *dist_uaddr_format(const struct dist_sockaddr *address, char *uaddr);
/* DIST_EADDRESS: another netid, or text that is no universal address of that netid. */
enum dist_err dist_uaddr_parse(const char *netid, const char *uaddr,
                               struct dist_sockaddr *ret) DIST_MUST_CHECK;

#endif
