/* distctl's command line. */
#ifndef DISTCTL_CONFIG_H
#define DISTCTL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config {
	const struct command *command;
	const char *masters;
	int64_t timeout_ms; /* for each answer */
	int64_t wait_ms;    /* for nodes to leave */
	bool all;
	bool json;
	char *const *names; /* of nodes; argv's */
	size_t n_names;
};

struct command {
	const char *name;
	/* How many names of nodes it takes. */
	size_t min_names, max_names;
	bool takes_addresses; /* instead of names and --masters */
	/* Returns the exit status. */
	int (*run)(const struct config *config);
};

/* One for each command, in a file of that name. */
int nodes_run(const struct config *config);
int services_run(const struct config *config);
int ping_run(const struct config *config);
int stats_run(const struct config *config);
int drain_run(const struct config *config);

/*
 * True: @ret_config is filled in, run the command. False: --help or --version was
 * printed, or a sentence about wrong usage; exit with @ret_status.
 */
bool config_parse(struct config *ret_config, int argc, char **argv, int *ret_status);

#endif
