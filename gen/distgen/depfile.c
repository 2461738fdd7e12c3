/* What the outputs were made of, as a rule that make and ninja read. */
#include "distgen/job.h"

#include <errno.h>
#include <string.h>

/* A name in a makefile. */
static void
put_name(FILE *out, const char *name)
{
	for (; *name; name++) {
		if (strchr(" \t#\\:", *name))
			fputc('\\', out);
		else if (*name == '$')
			fputc('$', out);
		fputc(*name, out);
	}
}

static void
put_rule(FILE *out, struct dist_job *job, const struct dist_spec *spec)
{
	const struct dist_spec_file *file;

	for (unsigned i = 0; i < DIST_N_OUTPUTS; i++) {
		fputs(i ? " " : "", out);
		put_name(out, dist_job_target(job, i));
	}
	fputc(':', out);
	for (file = spec->files; file; file = file->next) {
		fputs(" \\\n ", out);
		put_name(out, file->name);
	}
	fputc('\n', out);
}

bool
dist_job_write_depfile(struct dist_job *job, const struct dist_spec *spec)
{
	FILE *out;

	if (!job->depfile)
		return true;
	out = fopen(job->depfile, "we");
	if (out) {
		put_rule(out, job, spec);
		if (!ferror(out) && fclose(out) == 0)
			return true;
	}
	dist_diag_fail(&job->diag, "%s: cannot be written: %s", job->depfile,
	               strerror(errno));
	return false;
}
