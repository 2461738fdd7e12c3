/*
 * Texts and addresses. Nothing here asks the network: names stay names, and only what
 * is an address already is turned into one.
 */
#include "wire/uaddr.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* What an error quotes of a text that may be long. */
#define QUOTED(length) ((int)DIST_MIN(length, (size_t)80))

/* --- HOST:PORT ------------------------------------------------------------------- */

/* A port of decimal digits, 0 to 65535; -1 when it is none. */
static int
port_parse(const char *text, size_t length)
{
	int port = 0;

	if (length == 0 || length > 5)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = 10 * port + (text[i] - '0');
	}
	return port <= 65535 ? port : -1;
}

static bool
is_host_character(char c)
{
	return isascii((unsigned char)c) &&
	       (isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_');
}

static bool
is_ipv6(const char *host)
{
	struct dist_sockaddr address;

	return strchr(host, ':') && dist_sockaddr_from_numeric(host, -1, &address);
}

static enum dist_err
hostport_error(const char *text, size_t length, const char *why)
{
	return dist_error_set(DIST_EADDRESS, "the address \"%.*s\" is not valid: %s",
	                      QUOTED(length), text, why);
}

/* The host part of @text, @length bytes, without brackets. NULL: fine; else what is
 * not. */
static const char *
hostport_take_host(const char *text, size_t length, bool bracketed,
                   struct dist_hostport *ret)
{
	if (length >= sizeof(ret->host))
		return "the host name is too long";
	memcpy(ret->host, text, length);
	ret->host[length] = '\0';
	if (bracketed)
		return is_ipv6(ret->host) ? NULL
		                          : "what is in brackets is no IPv6 address";

	for (size_t i = 0; i < length; i++) {
		if (!is_host_character(text[i]))
			return "no host name has such a character";
	}
	return NULL;
}

enum dist_err
dist_hostport_parse(const char *text, size_t length, struct dist_hostport *ret)
{
	struct dist_hostport parsed = { .port = -1 };
	bool bracketed = length > 0 && text[0] == '[';
	const char *host = bracketed ? text + 1 : text;
	const char *end = memchr(text, bracketed ? ']' : ':', length);
	const char *rest, *why;

	if (length == 0)
		return hostport_error(text, length,
		                      "it is empty; give HOST or HOST:PORT");
	if (bracketed && !end)
		return hostport_error(text, length, "the ']' is missing");
	if (!end)
		end = text + length;
	rest = bracketed ? end + 1 : end;
	length = (size_t)(text + length - rest);
	if (!bracketed && length > 0 && memchr(rest + 1, ':', length - 1))
		return hostport_error(text, (size_t)(rest - text) + length,
		                      "an IPv6 address is written in brackets, as in "
		                      "[::1]:3000");

	why = hostport_take_host(host, (size_t)(end - host), bracketed, &parsed);
	if (!why && length > 0) {
		parsed.port = rest[0] == ':' ? port_parse(rest + 1, length - 1) : -1;
		if (parsed.port < 0)
			why = "a port is a number from 0 to 65535 after a ':'";
	}
	if (why)
		return hostport_error(text, (size_t)(rest - text) + length, why);
	*ret = parsed;
	return DIST_OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* One entry of a list, without the blanks around it. */
static enum dist_err
hostport_parse_entry(const char *text, size_t length, struct dist_hostport *ret)
{
	while (length > 0 && is_blank(text[0])) {
		text++;
		length--;
	}
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	return dist_hostport_parse(text, length, ret);
}

enum dist_err
dist_hostport_parse_list(const char *text, struct dist_hostport **ret_list,
                         size_t *ret_n)
{
	struct dist_hostport *list;
	enum dist_err err;
	const char *at;
	size_t n = 1, length;

	for (at = text; *at; at++)
		n += *at == ',';
	list = calloc(n, sizeof(*list));
	if (!list)
		return dist_error_set_plain(DIST_ENOMEM);

	at = text;
	for (size_t i = 0; i < n; i++) {
		length = strcspn(at, ",");
		err = hostport_parse_entry(at, length, &list[i]);
		if (err) {
			free(list);
			return n == 1 ? err
			              : dist_error_set(err, "%s (in \"%s\")",
			                               dist_error_text(), text);
		}
		at += length + 1;
	}
	*ret_list = list;
	*ret_n = n;
	return DIST_OK;
}

/* --- Addresses ------------------------------------------------------------------- */

/* if_nametoindex() heeds nothing from a ':' on, where an alias was named once. */
static bool
is_interface_name(const char *text)
{
	for (; *text; text++) {
		if (*text == ':' || !isgraph((unsigned char)*text))
			return false;
	}
	return true;
}

/* A scope: an interface of this host, where the address is of a link, or a number. */
static bool
scope_parse(const char *text, const struct in6_addr *address, uint32_t *ret_scope)
{
	unsigned long number;

	if ((IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_MC_LINKLOCAL(address)) &&
	    is_interface_name(text)) {
		*ret_scope = if_nametoindex(text);
		if (*ret_scope)
			return true;
	}
	if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 10)
		return false;
	number = strtoul(text, NULL, 10);
	*ret_scope = (uint32_t)number;
	return number <= UINT32_MAX;
}

/*
 * IPv6, with a scope or without. Not by getaddrinfo(), which needs memory: where there is
 * none an address must not look like none.
 */
static bool
sockaddr_from_ipv6(const char *host, struct dist_sockaddr *ret)
{
	const char *scope = strchr(host, '%');
	size_t length = scope ? (size_t)(scope - host) : strlen(host);
	char plain[INET6_ADDRSTRLEN];

	if (length >= sizeof(plain))
		return false;
	memcpy(plain, host, length);
	plain[length] = '\0';
	if (inet_pton(AF_INET6, plain, &ret->in6.sin6_addr) != 1)
		return false;
	ret->in6.sin6_family = AF_INET6;
	ret->length = sizeof(ret->in6);
	return !scope || scope_parse(scope + 1, &ret->in6.sin6_addr,
	                             &ret->in6.sin6_scope_id);
}

bool
dist_sockaddr_from_numeric(const char *host, int port, struct dist_sockaddr *ret)
{
	struct dist_sockaddr address;

	memset(&address, 0, sizeof(address));
	if (inet_pton(AF_INET, host, &address.in.sin_addr) == 1) {
		address.in.sin_family = AF_INET;
		address.length = sizeof(address.in);
	} else if (!strchr(host, ':') || !sockaddr_from_ipv6(host, &address)) {
		return false;
	}
	dist_sockaddr_set_port(&address, port < 0 ? 0 : (unsigned)port);
	*ret = address;
	return true;
}

const char *
dist_sockaddr_format_host(const struct dist_sockaddr *address, char *text)
{
	if (getnameinfo(&address->sa, address->length, text, DIST_ADDRESS_TEXT_MAX,
	                NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(text, DIST_ADDRESS_TEXT_MAX, "?");
	return text;
}

const char *
dist_sockaddr_format(const struct dist_sockaddr *address, char *text)
{
	char host[DIST_ADDRESS_TEXT_MAX];
	bool v6 = address->sa.sa_family == AF_INET6;

	dist_sockaddr_format_host(address, host);
	snprintf(text, DIST_ADDRESS_TEXT_MAX, v6 ? "[%.80s]:%u" : "%.80s:%u", host,
	         dist_sockaddr_port(address));
	return text;
}

unsigned
dist_sockaddr_port(const struct dist_sockaddr *address)
{
	if (address->sa.sa_family == AF_INET6)
		return ntohs(address->in6.sin6_port);
	if (address->sa.sa_family == AF_INET)
		return ntohs(address->in.sin_port);
	return 0;
}

void
dist_sockaddr_set_port(struct dist_sockaddr *address, unsigned port)
{
	if (address->sa.sa_family == AF_INET6)
		address->in6.sin6_port = htons((uint16_t)port);
	else
		address->in.sin_port = htons((uint16_t)port);
}

bool
dist_sockaddr_is_loopback(const struct dist_sockaddr *address)
{
	struct dist_sockaddr plain = *address;

	dist_sockaddr_unmap(&plain);
	if (plain.sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&plain.in6.sin6_addr);
	return plain.sa.sa_family == AF_INET &&
	       ntohl(plain.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool
dist_sockaddr_is_any(const struct dist_sockaddr *address)
{
	if (address->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
	return address->sa.sa_family == AF_INET &&
	       address->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool
dist_sockaddr_equal(const struct dist_sockaddr *a, const struct dist_sockaddr *b)
{
	if (a->sa.sa_family != b->sa.sa_family ||
	    dist_sockaddr_port(a) != dist_sockaddr_port(b))
		return false;
	if (a->sa.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
		       a->in6.sin6_scope_id == b->in6.sin6_scope_id;
	return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

void
dist_sockaddr_unmap(struct dist_sockaddr *address)
{
	struct dist_sockaddr plain;

	if (address->sa.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
		return;
	memset(&plain, 0, sizeof(plain));
	plain.in.sin_family = AF_INET;
	plain.in.sin_port = address->in6.sin6_port;
	memcpy(&plain.in.sin_addr, &address->in6.sin6_addr.s6_addr[12], 4);
	plain.length = sizeof(plain.in);
	*address = plain;
}

/* --- Universal addresses (RFC 5665 section 5.2.3.3) ------------------------------ */

const char *
dist_sockaddr_netid(const struct dist_sockaddr *address)
{
	return address->sa.sa_family == AF_INET6 ? "tcp6" : "tcp";
}

const char *
dist_uaddr_format(const struct dist_sockaddr *address, char *uaddr)
{
	char host[INET6_ADDRSTRLEN] = "?";
	unsigned port = dist_sockaddr_port(address);

	/* Without a scope, which means nothing on another host. */
	if (address->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
	snprintf(uaddr, DIST_ADDRESS_TEXT_MAX, "%s.%u.%u", host, port >> 8,
	         port & 0xff);
	return uaddr;
}

/* The number after the last dot of @text, 0 to 255, which is cut off there; else -1. */
static int
uaddr_cut_octet(char *text)
{
	char *dot = strrchr(text, '.');
	int octet;

	if (!dot || strlen(dot + 1) > 3)
		return -1;
	octet = port_parse(dot + 1, strlen(dot + 1));
	*dot = '\0';
	return octet <= 255 ? octet : -1;
}

enum dist_err
dist_uaddr_parse(const char *netid, const char *uaddr, struct dist_sockaddr *ret)
{
	bool v6 = strcmp(netid, "tcp6") == 0;
	struct dist_sockaddr address;
	char host[DIST_ADDRESS_TEXT_MAX];
	int low, high;

	if (!v6 && strcmp(netid, "tcp") != 0)
		return dist_error_set(
			DIST_EADDRESS,
			"the netid \"%.*s\" is not known here: tcp and tcp6 "
			"are",
			QUOTED(strlen(netid)), netid);
	snprintf(host, sizeof(host), "%.*s", (int)sizeof(host) - 1, uaddr);
	low = uaddr_cut_octet(host);
	high = low < 0 ? -1 : uaddr_cut_octet(host);
	if (strlen(uaddr) >= sizeof(host) || high < 0 ||
	    !dist_sockaddr_from_numeric(host, high << 8 | low, &address) ||
	    (address.sa.sa_family == AF_INET6) != v6)
		return dist_error_set(
			DIST_EADDRESS,
			"\"%.*s\" is no universal address of netid %s, as "
			"127.0.0.1.11.184 or ::1.11.184 is",
			QUOTED(strlen(uaddr)), uaddr, netid);
	*ret = address;
	return DIST_OK;
}
