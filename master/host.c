#include "host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* @host without its port, or a dot at the end; false: it is no such thing. */
static bool
strip(const char *host, char *ret, size_t size)
{
	const char *end = strrchr(host, ':');
	size_t length;

	if (!end || strchr(end, ']'))
		end = host + strlen(host);
	length = (size_t)(end - host);
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	} else if (length > 1 && host[length - 1] == '.') {
		length--;
	}
	if (length == 0 || length >= size)
		return false;
	memcpy(ret, host, length);
	ret[length] = '\0';
	return true;
}

static bool
is_address(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 ||
	       inet_pton(AF_INET6, name, bytes) == 1;
}

static bool
is_localhost(const char *name)
{
	static const char word[] = "localhost";
	size_t length = strlen(name), tail = sizeof(word) - 1;

	if (length < tail || strcasecmp(name + length - tail, word))
		return false;
	return length == tail || name[length - tail - 1] == '.';
}

static bool
is_own_name(const char *name)
{
	char own[256] = "";

	/* The first label alone, too, of a host that knows its whole name. */
	if (gethostname(own, sizeof(own) - 1) || !*own)
		return false;
	if (!strcasecmp(name, own))
		return true;
	own[strcspn(own, ".")] = '\0';
	return !strcasecmp(name, own);
}

bool
host_is_ours(const char *host, const char *const *names, unsigned n_names)
{
	char name[256];

	if (!host)
		return true; /* HTTP/1.0: no browser */
	if (!strip(host, name, sizeof(name)))
		return false;
	if (is_address(name) || is_localhost(name) || is_own_name(name))
		return true;
	for (unsigned i = 0; i < n_names; i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}
