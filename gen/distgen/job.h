/*
 * One run of distgen: a .x file, a directory for what is made of it, and between the
 * two a private directory where all is made first. Only when everything is there and
 * right, the files are moved to their places, so that a run that fails changes nothing.
 */
#ifndef DISTGEN_JOB_H
#define DISTGEN_JOB_H

#include "x/diag.h"

#include <stddef.h>

/* -D and -I together. */
#define DIST_JOB_OPTIONS_MAX 64

struct dist_job {
	const char *source;                        /* FILE.x, as the user named it */
	const char *project;                       /* --new; NULL: C of @source */
	const char *directory;                     /* where the output goes */
	const char *defines[DIST_JOB_OPTIONS_MAX]; /* "NAME=VALUE" of -D */
	size_t n_defines;
	const char *includes[DIST_JOB_OPTIONS_MAX]; /* directories of -I */
	size_t n_includes;
	const char *depfile; /* where to write what was read; NULL: nowhere */
	bool no_interface; /* the services carry nothing of it */
	bool verbose;

	struct dist_diag diag;
	struct dist_arena arena;
	const char *base; /* FILE, without directories and .x */
	char *work;       /* the private directory; NULL: not made yet */
};

/* The files that a run makes: BASE and one of these. */
enum {
	DIST_OUTPUT_HEADER,
	DIST_OUTPUT_XDR,
	DIST_OUTPUT_CLIENT,
	DIST_OUTPUT_SERVER,
	DIST_OUTPUT_SERVICE,
	DIST_N_OUTPUTS,
};
extern const char *const dist_output_suffixes[DIST_N_OUTPUTS];

/* Make all files. False: something went wrong and was told. */
bool dist_job_run(struct dist_job *job);

/* Its private directory is removed, and all memory. */
void dist_job_fini(struct dist_job *job);

/*
 * The private directory: inside the output directory, so that what is in it can be
 * moved to its place by rename(). False: it was told why not.
 */
bool dist_job_make_work(struct dist_job *job);

/* A name in the private directory. */
const char *dist_job_path(struct dist_job *job, const char *name);

/* The same for one of the outputs, and where it will be in the end. */
const char *dist_job_output(struct dist_job *job, unsigned output);
const char *dist_job_target(struct dist_job *job, unsigned output);

/* rpcgen.c: the first four outputs, as rpcgen makes them. */
bool dist_job_rpcgen(struct dist_job *job);

/* emit.c: our additions to rpcgen's files, and the fifth. */
bool dist_job_emit(struct dist_job *job, struct dist_spec *spec);

/* depfile.c: the rule that says what the outputs depend on, if it is asked for. */
bool dist_job_write_depfile(struct dist_job *job, const struct dist_spec *spec);

#endif
