/*
 * Running rpcgen, flags pinned: -N for several arguments by value, -M for stubs without
 * static results, -m for a dispatcher without main().
 *
 * It writes beside its input, and names the header as it names its input, so it runs in
 * the private directory on a copy. Files that the source includes are found through
 * links there and CPATH, for rpcgen has no -I of its own.
 */
#include "distgen/job.h"

#include "x/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
source_copy(struct dist_job *job, const char *to)
{
	size_t length;
	char *text = dist_file_read(&job->arena, job->source, &length);
	FILE *copy = text ? fopen(to, "we") : NULL;
	bool done = copy && fwrite(text, 1, length, copy) == length;

	if (copy && fclose(copy) != 0)
		done = false;
	if (!done)
		dist_diag_fail(&job->diag, "%s: cannot be copied to %s: %s",
		               job->source, to, strerror(errno));
	return done;
}

/* "include.3" in the private directory, a link to @directory. */
static bool
include_link(struct dist_job *job, size_t nth, const char *directory)
{
	const char *link =
		dist_job_path(job, dist_arena_printf(&job->arena, "include.%zu", nth));
	char *absolute = realpath(directory, NULL);
	bool done = !absolute || symlink(absolute, link) == 0;

	if (!done)
		dist_diag_fail(&job->diag, "%s: %s", link, strerror(errno));
	free(absolute);
	return done;
}

/* The source's own directory first, then those of -I, then what CPATH has already. */
static const char *
include_path(struct dist_job *job)
{
	const char *slash = strrchr(job->source, '/'), *before = getenv("CPATH");
	const char *own = slash ? dist_arena_copy(&job->arena, job->source,
	                                          (size_t)(slash - job->source) + 1)
	                        : ".";
	const char *path = "include.0";

	if (!include_link(job, 0, own))
		return NULL;
	for (size_t i = 0; i < job->n_includes; i++) {
		if (!include_link(job, i + 1, job->includes[i]))
			return NULL;
		path = dist_arena_printf(&job->arena, "%s:include.%zu", path, i + 1);
	}
	return before ? dist_arena_printf(&job->arena, "%s:%s", path, before) : path;
}

/* "arith.x, line 3: expected ';'" becomes ours; anything else is told as it is. */
static void
tell_messages(struct dist_job *job, char *messages)
{
	char *line, *rest = messages, *what = NULL;
	unsigned number;

	while (rest && (line = strsep(&rest, "\n"))) {
		char *at = strstr(line, ", line ");

		if (at && sscanf(at, ", line %u:", &number) == 1 && strchr(at, ':')) {
			what = strchr(at, ':') + 1;
			dist_diag_error(&job->diag,
			                (struct dist_spec_where){ job->source, number },
			                "%s", what + strspn(what, " "));
			return;
		}
		if (*line && !what)
			what = line;
	}
	dist_diag_fail(&job->diag, "%s: rpcgen failed%s%s", job->source,
	               what ? ": " : " without a word", what ? what : "");
}

static bool
rpcgen_run(struct dist_job *job, const char *mode, unsigned output, const char *path)
{
	const char *argv[DIST_JOB_OPTIONS_MAX + 16];
	const char *suffix = dist_output_suffixes[output];
	struct dist_command command = {
		.argv = argv,
		.directory = job->work,
		.include_path = path,
		.output = -1,
		.messages = dist_command_catch(),
	};
	size_t n = 0, length;
	char *messages;
	int status;

	argv[n++] = "rpcgen";
	for (size_t i = 0; i < job->n_defines; i++)
		argv[n++] = dist_arena_printf(&job->arena, "-D%s", job->defines[i]);
	argv[n++] = "-C";
	argv[n++] = "-N";
	argv[n++] = "-M";
	argv[n++] = mode;
	argv[n++] = "-o";
	argv[n++] = dist_arena_printf(&job->arena, "%s%s", job->base, suffix);
	argv[n++] = dist_arena_printf(&job->arena, "%s.x", job->base);
	argv[n] = NULL;

	status = dist_command_run(&command);
	messages = dist_command_caught(&job->arena, command.messages, &length);
	if (dist_command_interrupted)
		return false;
	if (status == DIST_COMMAND_NOT_FOUND)
		dist_diag_fail(&job->diag, "no rpcgen found: install it "
		                           "(Debian: rpcsvc-proto)");
	else if (status != 0)
		tell_messages(job, messages);
	return status == 0;
}

bool
dist_job_rpcgen(struct dist_job *job)
{
	static const char *const modes[] = {
		[DIST_OUTPUT_HEADER] = "-h",
		[DIST_OUTPUT_XDR] = "-c",
		[DIST_OUTPUT_CLIENT] = "-l",
		[DIST_OUTPUT_SERVER] = "-m",
	};
	const char *copy =
		dist_job_path(job, dist_arena_printf(&job->arena, "%s.x", job->base));
	const char *path = include_path(job);

	if (!path || !source_copy(job, copy))
		return false;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!rpcgen_run(job, modes[i], i, path))
			return false;
	}
	return true;
}
