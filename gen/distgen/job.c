#include "distgen/job.h"

#include "x/check.h"
#include "x/read.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const dist_output_suffixes[DIST_N_OUTPUTS] = {
	[DIST_OUTPUT_HEADER] = ".h",       [DIST_OUTPUT_XDR] = "_xdr.c",
	[DIST_OUTPUT_CLIENT] = "_clnt.c",  [DIST_OUTPUT_SERVER] = "_svc.c",
	[DIST_OUTPUT_SERVICE] = "_dist.c",
};

const char *
dist_job_path(struct dist_job *job, const char *name)
{
	return dist_arena_printf(&job->arena, "%s/%s", job->work, name);
}

const char *
dist_job_output(struct dist_job *job, unsigned output)
{
	return dist_arena_printf(&job->arena, "%s/%s%s", job->work, job->base,
	                         dist_output_suffixes[output]);
}

const char *
dist_job_target(struct dist_job *job, unsigned output)
{
	return dist_arena_printf(&job->arena, "%s/%s%s", job->directory, job->base,
	                         dist_output_suffixes[output]);
}

/*
 * The base name becomes part of file names, #include lines and rpcgen's arguments, so
 * it may not look like an option, nor hold what ends a string in C.
 */
static bool
job_find_base(struct dist_job *job)
{
	const char *slash = strrchr(job->source, '/');
	const char *name = slash ? slash + 1 : job->source;
	size_t length = strlen(name);

	if (length < 3 || strcmp(name + length - 2, ".x") != 0) {
		dist_diag_fail(&job->diag, "%s: an interface's name ends in .x",
		               job->source);
		return false;
	}
	if (*job->source == '-' || *name == '-' || strpbrk(name, "\"\\\n")) {
		dist_diag_fail(&job->diag,
		               "%s: the name begins with '-' or has a quote, "
		               "backslash or newline in it: rename the file",
		               job->source);
		return false;
	}
	job->base = dist_arena_copy(&job->arena, name, length - 2);
	return true;
}

bool
dist_job_make_work(struct dist_job *job)
{
	char *work =
		dist_arena_printf(&job->arena, "%s/.distgen-XXXXXX", job->directory);

	if (!mkdtemp(work)) {
		dist_diag_fail(&job->diag, "%s: cannot write into this directory: %s",
		               job->directory, strerror(errno));
		return false;
	}
	job->work = work;
	return true;
}

/* What would stop a rename() half-way, looked for before the first. */
static bool
job_targets_are_free(struct dist_job *job)
{
	struct stat info;

	for (unsigned i = 0; i < DIST_N_OUTPUTS; i++) {
		if (stat(dist_job_target(job, i), &info) == 0 &&
		    S_ISDIR(info.st_mode)) {
			dist_diag_fail(&job->diag, "%s: is a directory",
			               dist_job_target(job, i));
			return false;
		}
	}
	return true;
}

static bool
job_publish(struct dist_job *job)
{
	for (unsigned i = 0; i < DIST_N_OUTPUTS; i++) {
		if (rename(dist_job_output(job, i), dist_job_target(job, i)) < 0) {
			dist_diag_fail(&job->diag, "%s: cannot be written: %s",
			               dist_job_target(job, i), strerror(errno));
			return false;
		}
		if (job->verbose)
			puts(dist_job_target(job, i));
	}
	return true;
}

static bool
job_generate(struct dist_job *job, struct dist_spec *spec)
{
	const struct dist_preprocess how = {
		.source = job->source,
		.defines = job->defines,
		.n_defines = job->n_defines,
		.includes = job->includes,
		.n_includes = job->n_includes,
	};

	return dist_spec_read(spec, &job->diag, &how) &&
	       dist_spec_check(spec, &job->diag) && dist_job_rpcgen(job) &&
	       dist_job_emit(job, spec) && job_targets_are_free(job) &&
	       dist_job_write_depfile(job, spec) && job_publish(job);
}

bool
dist_job_run(struct dist_job *job)
{
	struct dist_spec spec;
	bool done;

	if (!job_find_base(job) || !dist_job_make_work(job))
		return false;
	done = job_generate(job, &spec);
	dist_spec_fini(&spec);
	return done;
}

static int
entry_remove(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
dist_job_fini(struct dist_job *job)
{
	if (job->work)
		nftw(job->work, entry_remove, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	job->work = NULL;
	dist_arena_fini(&job->arena);
}
