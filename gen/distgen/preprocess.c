/*
 * The source through the preprocessor that rpcgen runs, with the macro it defines for
 * headers. It runs here and not in the private directory, so that the line markers name
 * files as the user does.
 */
#include "command.h"
#include "job.h"

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
 * are pictures of the source. Returns how many there are.
 */
static unsigned
tell_messages(struct dist_job *job, const char *messages, const char *severity,
              unsigned n_most)
{
	size_t length;
	char *text = dist_file_read(&job->arena, messages, &length), *line,
	     *rest = text;
	unsigned n = 0;

	while (rest && n < n_most && (line = strsep(&rest, "\n"))) {
		if (!strstr(line, severity))
			continue;
		fprintf(job->diag.stream, "%s\n", line);
		n++;
	}
	return n;
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

/* Its exit status, as dist_command_run() has it. */
static int
preprocessor_run(struct dist_job *job, const char *output, const char *messages)
{
	const char *argv[2 * DIST_JOB_OPTIONS_MAX + 8];
	struct dist_command command = {
		.argv = argv,
		.output = output,
		.messages = messages,
	};
	size_t n = 0;

	argv[n++] = preprocessor();
	argv[n++] = "-C";
	for (size_t i = 0; i < job->n_defines; i++)
		argv[n++] = job->defines[i];
	for (size_t i = 0; i < job->n_includes; i++)
		argv[n++] = dist_arena_printf(&job->arena, "-I%s", job->includes[i]);
	argv[n++] = "-DRPC_HDR";
	argv[n++] = job->source;
	argv[n] = NULL;
	return dist_command_run(&command);
}

/* Tell why there is no output. */
static void
preprocessor_failed(struct dist_job *job, int status, const char *messages)
{
	unsigned n;

	if (status == DIST_COMMAND_NOT_FOUND) {
		dist_diag_fail(&job->diag, "no C preprocessor (cpp) found: install it");
		return;
	}
	/* After the first error the others are often its echoes. */
	n = tell_messages(job, messages, "error: ", 1);
	job->diag.n_errors += n;
	if (!n)
		dist_diag_fail(&job->diag, "%s: the C preprocessor failed",
		               job->source);
}

char *
dist_job_preprocess(struct dist_job *job, size_t *ret_length)
{
	const char *output = dist_job_path(job, "preprocessed");
	const char *messages = dist_job_path(job, "messages");
	char *text = NULL;
	int status;

	if (!source_is_readable(job))
		return NULL;
	status = preprocessor_run(job, output, messages);
	if (dist_command_interrupted)
		return NULL;
	if (status != 0) {
		preprocessor_failed(job, status, messages);
		return NULL;
	}
	if (!job->diag.no_warnings)
		job->diag.n_warnings +=
			tell_messages(job, messages, "warning: ", UINT_MAX);
	text = dist_file_read(&job->arena, output, ret_length);
	if (!text)
		dist_diag_fail(&job->diag, "%s: %s", output, strerror(errno));
	return text;
}
