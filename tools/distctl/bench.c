/*
 * distctl bench: a load on the cluster, by distbench, which takes distctl's place. It is
 * looked for beside distctl, where both are installed, then in PATH.
 */
#include "distctl/config.h"

#include "program/options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "distbench"

/* The directory of this program; "": not known. */
static void
own_directory(char ret[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	ret[length > 0 ? length : 0] = '\0';
	slash = strrchr(ret, '/');
	if (slash)
		*slash = '\0';
	else
		*ret = '\0';
}

/* NULL: no memory. What it points to is borrowed. */
static char **
make_arguments(const struct config *config)
{
	char **arguments = calloc(config->n_names + 5, sizeof(*arguments));
	size_t n = 0;

	if (!arguments)
		return NULL;
	arguments[n++] = (char *)PROGRAM;
	if (config->masters) {
		arguments[n++] = (char *)"--masters";
		arguments[n++] = (char *)config->masters;
	}
	if (config->json)
		arguments[n++] = (char *)"--json";
	for (size_t i = 0; i < config->n_names; i++)
		arguments[n++] = config->names[i];
	return arguments;
}

int
bench_run(const struct config *config)
{
	char directory[PATH_MAX], path[PATH_MAX + sizeof("/" PROGRAM)];
	char **arguments = make_arguments(config);

	if (!arguments)
		return program_fail("out of memory");
	own_directory(directory);
	snprintf(path, sizeof(path), "%s/" PROGRAM, directory);
	execv(path, arguments);
	if (errno == ENOENT)
		execvp(PROGRAM, arguments);
	free(arguments);
	if (errno == ENOENT)
		return program_fail(PROGRAM " is neither in %s nor in PATH: install it, "
		                            "it comes with distctl",
		                    directory);
	return program_fail("cannot run " PROGRAM ": %s", strerror(errno));
}
