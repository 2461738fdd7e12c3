/* Addresses as text: what parses can be written, and parses again to the same. */
#include "wire/uaddr.h"

#include "fuzz.h"

static void
fuzz_universal(const char *netid, const char *text)
{
	struct dist_sockaddr address, again;
	char uaddr[DIST_ADDRESS_TEXT_MAX];

	if (dist_uaddr_parse(netid, text, &address))
		return;
	FUZZ_CHECK(strcmp(dist_sockaddr_netid(&address), netid) == 0);
	dist_uaddr_format(&address, uaddr);
	FUZZ_CHECK(dist_uaddr_parse(netid, uaddr, &again) == DIST_OK);
	/* A scope does not travel. */
	if (address.sa.sa_family == AF_INET6)
		address.in6.sin6_scope_id = again.in6.sin6_scope_id = 0;
	FUZZ_CHECK(dist_sockaddr_equal(&address, &again));
}

static void
fuzz_hostport(const struct dist_hostport *parsed)
{
	struct dist_sockaddr address, again;
	struct dist_hostport written;
	char text[DIST_ADDRESS_TEXT_MAX];

	FUZZ_CHECK(parsed->port >= -1 && parsed->port <= 65535);
	FUZZ_CHECK(memchr(parsed->host, '\0', sizeof(parsed->host)));
	if (!dist_sockaddr_from_numeric(parsed->host, parsed->port, &address))
		return;
	dist_sockaddr_format(&address, text);
	FUZZ_CHECK(dist_hostport_parse(text, strlen(text), &written) == DIST_OK);
	FUZZ_CHECK(dist_sockaddr_from_numeric(written.host, written.port, &again));
	FUZZ_CHECK(dist_sockaddr_equal(&address, &again));
	dist_sockaddr_unmap(&address);
	(void)dist_sockaddr_is_loopback(&address);
	(void)dist_sockaddr_is_any(&address);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct dist_hostport *list, one;
	size_t n;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	fuzz_universal("tcp", text);
	fuzz_universal("tcp6", text);
	if (dist_hostport_parse(text, size, &one) == DIST_OK)
		fuzz_hostport(&one);
	if (dist_hostport_parse_list(text, &list, &n) == DIST_OK) {
		FUZZ_CHECK(n > 0);
		for (size_t i = 0; i < n; i++)
			fuzz_hostport(&list[i]);
		free(list);
	}
	free(text);
	return 0;
}
