/* distgen: from an interface in an .x file to C. This is its command line. */
#include "distgen/job.h"
#include "distgen/project.h"

#include "x/command.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

static const char help[] =
	"Usage: distgen [OPTION]... FILE.x\n"
	"       distgen [-o DIR] --new NAME\n"
	"Make C of an ONC RPC interface: NAME.h, NAME_xdr.c, NAME_clnt.c for callers, and\n"
	"NAME_svc.c, NAME_dist.c for the procedures' side. rpcgen does most of the work.\n"
	"\n"
	"  -o, --output DIR    write into DIR, which exists; the current directory\n"
	"  -D NAME[=VALUE]     define a macro for the preprocessor\n"
	"  -I DIR              look for included files in DIR too\n"
	"      --depfile FILE  write there which files were read, as a rule for make\n"
	"      --no-interface  leave the interface's text out of NAME_dist.c: a node that\n"
	"                      serves it tells nobody what there is to call\n"
	"  -w, --no-warnings   tell errors alone\n"
	"  -v, --verbose       list the files written\n"
	"      --new NAME      start a project: make the directory NAME, with an interface,\n"
	"                      its procedures, a program that calls them, and a Makefile\n"
	"      --help          show this, and end\n"
	"      --version       show the version, and end\n"
	"\n"
	"Exit status: 0 all files are made, 1 failed and nothing was written, 2 wrong usage.\n";

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "depfile", required_argument, NULL, 'd' },
	{ "no-interface", no_argument, NULL, 'i' },
	{ "no-warnings", no_argument, NULL, 'w' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "new", required_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int
usage_error(const char *what, const char *value)
{
	fprintf(stderr, "distgen: error: %s%s\n", what, value);
	fputs("Try 'distgen --help' for more information.\n", stderr);
	return EXIT_USAGE;
}

/* -1: go on; else the exit status. */
static int
option_apply(struct dist_job *job, int option)
{
	switch (option) {
	case 'o':
		job->directory = optarg;
		return -1;
	case 'D':
		if (job->n_defines == DIST_JOB_OPTIONS_MAX)
			return usage_error("too many macros: -D", optarg);
		job->defines[job->n_defines++] = optarg;
		return -1;
	case 'I':
		if (job->n_includes == DIST_JOB_OPTIONS_MAX)
			return usage_error("too many directories: -I", optarg);
		job->includes[job->n_includes++] = optarg;
		return -1;
	case 'd':
		job->depfile = optarg;
		return -1;
	case 'i':
		job->no_interface = true;
		return -1;
	case 'w':
		job->diag.no_warnings = true;
		return -1;
	case 'v':
		job->verbose = true;
		return -1;
	case 'n':
		job->project = optarg;
		return -1;
	case 'h':
		fputs(help, stdout);
		return EXIT_DONE;
	case 'V':
		puts("distgen " DIST_VERSION);
		return EXIT_DONE;
	default: /* getopt_long() has said what is wrong */
		fputs("Try 'distgen --help' for more information.\n", stderr);
		return EXIT_USAGE;
	}
}

/* -1: @job is complete; else the exit status. */
static int
options_read(struct dist_job *job, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, "o:D:I:wv", long_options, NULL)) !=
	       -1) {
		status = option_apply(job, option);
		if (status >= 0)
			return status;
	}
	if (!*job->directory)
		return usage_error("-o wants a directory", "");
	if (job->project)
		return optind == argc ? -1
		                      : usage_error("--new takes a NAME and no file: ",
		                                    argv[optind]);
	if (optind == argc)
		return usage_error("which interface? give a FILE.x", "");
	if (optind + 1 < argc)
		return usage_error("one FILE.x at a time, and a second is ",
		                   argv[optind + 1]);
	job->source = argv[optind];
	return -1;
}

int
main(int argc, char **argv)
{
	struct dist_job job = { .directory = ".", .diag = { .stream = stderr } };
	int status = options_read(&job, argc, argv);
	bool done;

	if (status < 0) {
		dist_command_catch_signals();
		done = job.project ? dist_project_new(&job) : dist_job_run(&job);
		status = done ? EXIT_DONE : EXIT_FAILED;
	}
	dist_job_fini(&job);
	if (dist_command_interrupted) {
		signal(dist_command_interrupted, SIG_DFL);
		raise(dist_command_interrupted);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "distgen: error: standard output: %s\n",
		        strerror(errno));
		status = EXIT_FAILED;
	}
	return status;
}
