/*
 * Lists of addresses, as programs are given them for masters and servers: entries that
 * parse, written one behind the other, parse to the same list; blanks around them say
 * nothing; one entry alone is a list of one.
 */
#include "wire/uaddr.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

#define ENTRY_MAX (DIST_HOST_MAX + 12)

static void
entry_write(const struct dist_hostport *entry, char *to)
{
	bool bracketed = strchr(entry->host, ':');

	to += sprintf(to, bracketed ? " [%s]" : " %s", entry->host);
	if (entry->port >= 0)
		sprintf(to, ":%d ", entry->port);
}

static void
write_and_parse_again(const struct dist_hostport *list, size_t n)
{
	char *text = calloc(n, ENTRY_MAX + 1);
	struct dist_hostport *again;
	size_t n_again;

	FUZZ_CHECK(text);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			strcat(text, ",");
		entry_write(&list[i], text + strlen(text));
	}
	FUZZ_CHECK(dist_hostport_parse_list(text, &again, &n_again) == DIST_OK);
	FUZZ_CHECK(n_again == n);
	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(!strcmp(list[i].host, again[i].host));
		FUZZ_CHECK(list[i].port == again[i].port);
	}
	free(again);
	free(text);
}

static void
check_entry(const struct dist_hostport *entry)
{
	struct dist_sockaddr address;
	char text[DIST_ADDRESS_TEXT_MAX];

	FUZZ_CHECK(entry->port >= -1 && entry->port <= 65535);
	FUZZ_CHECK(memchr(entry->host, '\0', sizeof(entry->host)));
	FUZZ_CHECK(!strpbrk(entry->host, ", \t\r\n[]"));
	if (dist_sockaddr_from_numeric(entry->host, entry->port, &address))
		FUZZ_CHECK(strlen(dist_sockaddr_format(&address, text)) < sizeof(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct dist_hostport *list, one;
	bool alone;
	size_t n;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	alone = !strchr(text, ',') && !isspace((unsigned char)text[0]);
	if (dist_hostport_parse_list(text, &list, &n) == DIST_OK) {
		FUZZ_CHECK(n > 0);
		for (size_t i = 0; i < n; i++)
			check_entry(&list[i]);
		write_and_parse_again(list, n);
		free(list);
	} else {
		/* The sentence quotes what is wrong, and is one of bounded length. */
		FUZZ_CHECK(*dist_error_text());
		FUZZ_CHECK(!alone ||
		           dist_hostport_parse(text, strlen(text), &one) != DIST_OK ||
		           isspace((unsigned char)text[strlen(text) - 1]));
	}
	free(text);
	return 0;
}
