/* The masters; see masters.h. */
#include "distctl/masters.h"

#include "program/options.h"
#include "registry.h"

#include <dist/master.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t
count_words(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static int
open_list(struct masters *masters, const char *all, char *list, int64_t timeout_ms)
{
	char *word, *rest = list;
	int status;

	masters->list = calloc(count_words(list), sizeof(*masters->list));
	if (!masters->list)
		return program_fail("out of memory");
	while ((word = strsep(&rest, ","))) {
		if (!*word)
			return program_wrong_usage("--masters: '%s' names no host in "
			                           "one of its places",
			                           all);
		status = server_open(&masters->list[masters->n], word, DIST_REGISTRY,
		                     DIST_REGISTRY_V1, timeout_ms);
		if (status)
			return status;
		masters->n++;
	}
	return PROGRAM_DONE;
}

int
masters_open(struct masters *masters, const struct config *config)
{
	char *list = strdup(config->masters);
	int status;

	memset(masters, 0, sizeof(*masters));
	status = list ? open_list(masters, config->masters, list, config->timeout_ms)
	              : program_fail("out of memory");
	free(list);
	if (status)
		masters_close(masters);
	return status;
}

void
masters_close(struct masters *masters)
{
	for (size_t i = 0; i < masters->n; i++)
		server_close(&masters->list[i]);
	free(masters->list);
}

void
masters_warn(const struct server *master, const char *reason)
{
	program_fail("master %s: %s", master->address, reason);
}
