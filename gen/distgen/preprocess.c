/*
 * The source through the preprocessor that rpcgen runs, with the macro it defines for
 * headers. It runs here and not in the private directory, so that the line markers name
 * files as the user does.
 */
#include "command.h"
#include "job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* rpcgen's choice: /lib/cpp, where there is one. */
static const char *
preprocessor(void)
{
	return access("/lib/cpp", X_OK) == 0 ? "/lib/cpp" : "cpp";
}

/* The first line with an error in it is the one that says where and what. */
static void
tell_messages(struct dist_job *job, const char *messages)
{
	size_t length;
	char *text = dist_file_read(&job->arena, messages, &length), *line,
	     *rest = text;

	while (rest && (line = strsep(&rest, "\n"))) {
		if (strstr(line, "error: ")) {
			fprintf(job->diag.stream, "%s\n", line);
			job->diag.n_errors++;
			return;
		}
	}
	dist_diag_fail(&job->diag, "%s: the C preprocessor failed", job->source);
}

/* It is read more than once, so a pipe will not do. */
static bool
source_is_readable(struct dist_job *job)
{
	struct stat info;

	if (stat(job->source, &info) < 0 || access(job->source, R_OK) < 0) {
		dist_diag_fail(&job->diag, "%s: %s", job->source, strerror(errno));
		return false;
	}
	if (!S_ISREG(info.st_mode)) {
		dist_diag_fail(&job->diag, "%s: is not a regular file", job->source);
		return false;
	}
	return true;
}

char *
dist_job_preprocess(struct dist_job *job, size_t *ret_length)
{
	const char *argv[2 * DIST_JOB_OPTIONS_MAX + 8];
	const char *output = dist_job_path(job, "preprocessed");
	struct dist_command command = {
		.argv = argv,
		.output = output,
		.messages = dist_job_path(job, "messages"),
	};
	size_t n = 0;
	char *text = NULL;
	int status;

	if (!source_is_readable(job))
		return NULL;
	argv[n++] = preprocessor();
	argv[n++] = "-C";
	for (size_t i = 0; i < job->n_defines; i++)
		argv[n++] = job->defines[i];
	for (size_t i = 0; i < job->n_includes; i++)
		argv[n++] = dist_arena_printf(&job->arena, "-I%s", job->includes[i]);
	argv[n++] = "-DRPC_HDR";
	argv[n++] = job->source;
	argv[n] = NULL;

	status = dist_command_run(&command);
	if (dist_command_interrupted)
		return NULL;
	if (status == DIST_COMMAND_NOT_FOUND)
		dist_diag_fail(&job->diag, "no C preprocessor (cpp) found: install it");
	else if (status != 0)
		tell_messages(job, command.messages);
	else if (!(text = dist_file_read(&job->arena, output, ret_length)))
		dist_diag_fail(&job->diag, "%s: %s", output, strerror(errno));
	return text;
}
