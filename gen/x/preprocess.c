/* It runs where it is called, so that the line markers name files as the user does. */
#include "x/preprocess.h"

#include "x/command.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* rpcgen's choice: /lib/cpp, where there is one. */
static const char *
preprocessor(void)
{
	return access("/lib/cpp", X_OK) == 0 ? "/lib/cpp" : "cpp";
}

/*
 * Tell the preprocessor's own lines that have @severity in them; the lines in between
 * are pictures of the source. @messages is cut up. Returns how many there are.
 */
static unsigned
tell_messages(struct dist_diag *diag, char *messages, const char *severity,
              unsigned n_most)
{
	char *line, *rest = messages;
	unsigned n = 0;

	while (rest && n < n_most && (line = strsep(&rest, "\n"))) {
		if (!strstr(line, severity))
			continue;
		fprintf(diag->stream, "%s\n", line);
		n++;
	}
	return n;
}

/* It is read more than once, so a pipe will not do. */
static bool
source_is_readable(struct dist_diag *diag, const char *source)
{
	struct stat info;

	if (stat(source, &info) < 0 || access(source, R_OK) < 0) {
		dist_diag_fail(diag, "%s: %s", source, strerror(errno));
		return false;
	}
	if (!S_ISREG(info.st_mode)) {
		dist_diag_fail(diag, "%s: is not a regular file", source);
		return false;
	}
	return true;
}

/* Its exit status, as dist_command_run() has it. */
static int
preprocessor_run(struct dist_arena *arena, const struct dist_preprocess *how,
                 int output, int messages)
{
	const char **argv = dist_arena_alloc(
		arena, (how->n_defines + how->n_includes + 8) * sizeof(*argv));
	struct dist_command command = {
		.argv = argv,
		.output = output,
		.messages = messages,
	};
	size_t n = 0;

	argv[n++] = preprocessor();
	argv[n++] = "-C";
	for (size_t i = 0; i < how->n_defines; i++)
		argv[n++] = dist_arena_printf(arena, "-D%s", how->defines[i]);
	for (size_t i = 0; i < how->n_includes; i++)
		argv[n++] = dist_arena_printf(arena, "-I%s", how->includes[i]);
	argv[n++] = "-DRPC_HDR";
	argv[n++] = how->source;
	argv[n] = NULL;
	return dist_command_run(&command);
}

/* Tell why there is no output. */
static void
preprocessor_failed(struct dist_diag *diag, const char *source, int status,
                    char *messages)
{
	unsigned n;

	if (status == DIST_COMMAND_NOT_FOUND) {
		dist_diag_fail(diag, "no C preprocessor (cpp) found: install it");
		return;
	}
	/* After the first error the others are often its echoes. */
	n = tell_messages(diag, messages, "error: ", 1);
	diag->n_errors += n;
	if (!n)
		dist_diag_fail(diag, "%s: the C preprocessor failed", source);
}

char *
dist_preprocess(struct dist_arena *arena, struct dist_diag *diag,
                const struct dist_preprocess *how, size_t *ret_length)
{
	int output, caught, status;
	char *text, *messages;
	size_t length = 0;

	if (!source_is_readable(diag, how->source))
		return NULL;
	output = dist_command_catch();
	caught = dist_command_catch();
	status = preprocessor_run(arena, how, output, caught);
	messages = dist_command_caught(arena, caught, &length);
	text = dist_command_caught(arena, output, ret_length);
	if (dist_command_interrupted)
		return NULL;
	if (status != 0) {
		preprocessor_failed(diag, how->source, status, messages);
		return NULL;
	}
	if (!diag->no_warnings)
		diag->n_warnings +=
			tell_messages(diag, messages, "warning: ", UINT_MAX);
	if (!text)
		dist_diag_fail(diag, "%s: %s", how->source, strerror(errno));
	return text;
}
