/* distctl's command line; see config.h. */
#include "distctl/config.h"

#include "program/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

static const char help[] =
	"Usage: distctl --masters LIST [OPTION]... COMMAND [NODE]...\n"
	"Look at a cluster, and order nodes out of it.\n"
	"\n"
	"  nodes             the nodes: who is alive, what they serve, how busy they are\n"
	"  services          the programs and versions served, and by how many nodes\n"
	"  ping [NODE]...    ask these nodes, or else all nodes and the masters, for a sign\n"
	"                    of life\n"
	"  stats [NODE]...   the procedures of these nodes, or else of all: calls, failures,\n"
	"                    and how long calls waited and ran\n"
	"  drain NODE...     have these nodes leave once their calls are done, and wait\n"
	"                    until they are no longer listed\n"
	"\n"
	"NODE is a node's name or its HOST:PORT.\n"
	"\n"
	"  --masters LIST    HOST[:PORT][,HOST[:PORT]...]; without a port, rpcbind on that\n"
	"                    host is asked, then port 3000 is tried. The nodes of all the\n"
	"                    masters that answer are shown\n"
	"  --all             nodes, services: those that left or died lately, too\n"
	"  --json            nodes, services, ping, stats: print JSON\n"
	"  --timeout-ms N    how long to wait for an answer; 5000\n"
	"  --wait-ms N       drain: how long to wait for the nodes to leave; 60000\n"
	"  --help            print this and exit\n"
	"  --version         print the version and exit\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. distctl(1) tells more.\n";

enum {
	OPTION_MASTERS = 256,
	OPTION_ALL,
	OPTION_JSON,
	OPTION_TIMEOUT,
	OPTION_WAIT,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "masters", required_argument, NULL, OPTION_MASTERS },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "timeout-ms", required_argument, NULL, OPTION_TIMEOUT },
	{ "wait-ms", required_argument, NULL, OPTION_WAIT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const struct command commands[] = {
	{ .name = "nodes", .run = nodes_run },
	{ .name = "services", .run = services_run },
	{ .name = "ping", .max_names = SIZE_MAX, .run = ping_run },
	{ .name = "stats", .max_names = SIZE_MAX, .run = stats_run },
	{ .name = "drain", .min_names = 1, .max_names = SIZE_MAX, .run = drain_run },
};

static const char command_names[] = "nodes, services, ping, stats or drain";

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* False: wrong usage, and a sentence said so. */
static bool
set_option(struct config *config, int option, const char *value)
{
	switch (option) {
	case OPTION_MASTERS:
		config->masters = value;
		return true;
	case OPTION_ALL:
		config->all = true;
		return true;
	case OPTION_JSON:
		config->json = true;
		return true;
	case OPTION_TIMEOUT:
		return program_number("--timeout-ms", value, 1, INT_MAX,
		                      &config->timeout_ms);
	case OPTION_WAIT:
		return program_number("--wait-ms", value, 1, INT_MAX, &config->wait_ms);
	default:
		program_wrong_option();
		return false;
	}
}

/* False: the words that are no options make no sense, and a sentence said so. */
static bool
set_words(struct config *config, char *const *words, size_t n_words)
{
	if (n_words == 0) {
		program_wrong_usage("a COMMAND is missing: %s", command_names);
		return false;
	}
	config->command = find_command(words[0]);
	config->names = words + 1;
	config->n_names = n_words - 1;
	if (!config->command)
		program_wrong_usage("'%s' is not a command: %s", words[0],
		                    command_names);
	else if (!config->masters)
		program_wrong_usage("--masters is missing: where to ask, such as "
		                    "'--masters localhost'");
	else if (config->n_names < config->command->min_names)
		program_wrong_usage("%s: a NODE is missing", words[0]);
	else if (config->n_names > config->command->max_names)
		program_wrong_usage("%s takes no '%s'", words[0], words[1]);
	else
		return true;
	return false;
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = { .timeout_ms = 5000, .wait_ms = 60000 };
	int option;

	*ret_status = PROGRAM_WRONG_USAGE;
	while ((option = program_next_option(argc, argv, options)) != -1) {
		if (option == OPTION_HELP) {
			*ret_status = program_print(help);
			return false;
		}
		if (option == OPTION_VERSION) {
			*ret_status = program_print_version();
			return false;
		}
		if (!set_option(&config, option, optarg))
			return false;
	}
	if (!set_words(&config, argv + optind, (size_t)(argc - optind)))
		return false;
	*ret_config = config;
	return true;
}
