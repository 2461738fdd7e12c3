/* distctl's command line. */
#ifndef DISTCTL_CONFIG_H
#define DISTCTL_CONFIG_H

#include "distctl/rates.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATHS_MAX 64

struct config {
	const struct command *command;
	const char *masters;
	int64_t timeout_ms; /* for each answer */
	bool timeout_given; /* and not just the default */
	int64_t wait_ms;    /* for nodes to leave */
	int64_t interval_ms; /* top: between two rounds */
	int64_t count;       /* top: how many rounds; 0: no end */
	enum rates_order sort; /* top: what comes first */
	bool sort_given;
	bool all;
	bool json;
	const char *address; /* call: a server, instead of the nodes of masters */
	const char *node;    /* call: this one alone */
	bool idempotent;     /* call: to another node if the first is lost */
	/* For the preprocessor: "NAME=VALUE", and directories. */
	const char *defines[CONFIG_PATHS_MAX], *includes[CONFIG_PATHS_MAX];
	size_t n_defines, n_includes;
	const char *file;   /* FILE.x; NULL: what is served says what there is to call */
	char *const *names; /* the words behind the command, and behind the file; argv's */
	size_t n_names;
};

struct command {
	const char *name;
	/* How many words it takes, and what the first that is missing would be. */
	size_t min_names, max_names;
	const char *words[2];
	bool takes_all;       /* --all */
	bool takes_rounds;    /* --interval, --count, --sort */
	bool takes_wait;      /* --wait-ms */
	bool takes_addresses; /* instead of names and --masters */
	bool takes_server;    /* --address, instead of --masters, and --node */
	bool takes_again;     /* --idempotent */
	bool takes_file;      /* a FILE.x first, or none */
	bool file_is_all;     /* with one, nobody is asked */
	bool passes_on;       /* what follows it is another program's, options and all */
	/* Returns the exit status. */
	int (*run)(const struct config *config);
};

/* One for each command, in a file of that name. */
int nodes_run(const struct config *config);
int services_run(const struct config *config);
int ping_run(const struct config *config);
int stats_run(const struct config *config);
int callers_run(const struct config *config);
int top_run(const struct config *config);
int watch_run(const struct config *config);
int doctor_run(const struct config *config);
int drain_run(const struct config *config);
int call_run(const struct config *config);
int procedures_run(const struct config *config);
int bench_run(const struct config *config);

/*
 * True: @ret_config is filled in, run the command. False: --help or --version was
 * printed, or a sentence about wrong usage; exit with @ret_status.
 */
bool config_parse(struct config *ret_config, int argc, char **argv, int *ret_status);

#endif
