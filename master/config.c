/* distmaster's command line; see config.h. */
#include "config.h"

#include "program/options.h"

#include <getopt.h>
#include <limits.h>

static const char help[] =
	"Usage: distmaster [OPTION]...\n"
	"Keep the registry of a cluster: which nodes live and what they serve.\n"
	"\n"
	"  --listen ADDR:PORT  where to listen; ':PORT' for all addresses, port 0 for any\n"
	"                      free one; 127.0.0.1 and ::1 on port 3000, so that only\n"
	"                      this host can join\n"
	"  --no-rpcbind        ask nothing of rpcbind, and tell it nothing\n"
	"  --min-lease-ms N    the shortest lease that a node may ask for; 300\n"
	"  --max-lease-ms N    the longest; 60000\n"
	"  --probe-ms N        how often a quiet node is probed; 10000\n"
	"  --max-nodes N       nodes at once; 20000\n"
	"  --log-level LEVEL   error, warning, notice, info or debug; info\n"
	"  --help              print this and exit\n"
	"  --version           print the version and exit\n"
	"\n"
	"It runs until SIGTERM or SIGINT; its log goes to standard error.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. distmaster(8) tells more.\n";

enum {
	OPTION_LISTEN = 256,
	OPTION_NO_RPCBIND,
	OPTION_MIN_LEASE,
	OPTION_MAX_LEASE,
	OPTION_PROBE,
	OPTION_MAX_NODES,
	OPTION_LOG_LEVEL,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "no-rpcbind", no_argument, NULL, OPTION_NO_RPCBIND },
	{ "min-lease-ms", required_argument, NULL, OPTION_MIN_LEASE },
	{ "max-lease-ms", required_argument, NULL, OPTION_MAX_LEASE },
	{ "probe-ms", required_argument, NULL, OPTION_PROBE },
	{ "max-nodes", required_argument, NULL, OPTION_MAX_NODES },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool
set_max_nodes(struct config *config, const char *text)
{
	int64_t number;

	if (!program_number("--max-nodes", text, 1, INT_MAX, &number))
		return false;
	config->options.max_nodes = (unsigned)number;
	return true;
}

/* False: wrong usage, and a sentence said so. */
static bool
set_option(struct config *config, int option, const char *value)
{
	struct dist_master_options *o = &config->options;

	switch (option) {
	case OPTION_LISTEN:
		o->listen = value;
		return true;
	case OPTION_NO_RPCBIND:
		o->no_rpcbind = true;
		return true;
	case OPTION_MIN_LEASE:
		return program_number("--min-lease-ms", value, 1, INT_MAX,
		                      &o->min_lease_ms);
	case OPTION_MAX_LEASE:
		return program_number("--max-lease-ms", value, 1, INT_MAX,
		                      &o->max_lease_ms);
	case OPTION_PROBE:
		return program_number("--probe-ms", value, 1, INT_MAX, &o->probe_ms);
	case OPTION_MAX_NODES:
		return set_max_nodes(config, value);
	case OPTION_LOG_LEVEL:
		return program_log_level(value, &config->log_level);
	default:
		program_wrong_option();
		return false;
	}
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = { .log_level = DIST_LOG_INFO };
	int option;

	*ret_status = PROGRAM_WRONG_USAGE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
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
	if (optind < argc) {
		program_wrong_usage("'%s' is not an option; it takes nothing else",
		                    argv[optind]);
		return false;
	}
	*ret_config = config;
	return true;
}
