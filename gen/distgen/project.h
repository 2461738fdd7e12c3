/*
 * "distgen --new NAME": a directory with a small project that builds and runs at once.
 * It is made aside and moved to its place when it is whole, so that a run that fails
 * leaves nothing; what is there already is never touched.
 */
#ifndef DISTGEN_PROJECT_H
#define DISTGEN_PROJECT_H

#include "job.h"

/* File names become C names with more behind them, which rpcgen cuts at 99. */
#define DIST_PROJECT_NAME_MAX 48

struct dist_project_file {
	const char *name; /* may have @name@ in it, as the text */
	const char *text;
	bool is_program;
};

#define DIST_N_PROJECT_FILES 7
extern const struct dist_project_file dist_project_files[DIST_N_PROJECT_FILES];

/* Make the directory job->project in job->directory. False: it was told why not. */
bool dist_project_new(struct dist_job *job);

#endif
