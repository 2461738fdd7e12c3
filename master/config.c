/* distmaster's command line; see config.h. */
#include "config.h"

#include "program/options.h"

#include <getopt.h>
#include <limits.h>

static const char help[] =
	"Usage: distmaster [OPTION]...\n"
	"Keep the registry of a cluster: which nodes live and what they serve.\n"
	"\n"
	"  --listen ADDR:PORT     where to listen; ':PORT' for all addresses, port 0 for any\n"
	"                         free one; 127.0.0.1 and ::1 on port 3000, so that only\n"
	"                         this host can join\n"
	"  --no-rpcbind           ask nothing of rpcbind, and tell it nothing\n"
	"  --min-lease-ms N       the shortest lease that a node may ask for; 300\n"
	"  --max-lease-ms N       the longest; 60000\n"
	"  --probe-ms N           how often a quiet node is probed; 10000\n"
	"  --max-nodes N          nodes at once; 20000\n"
	"  --max-nodes-per-connection N\n"
	"                         of these registered over one connection; 64\n"
	"  --max-services N       services of a node; 1024\n"
	"  --max-attributes N     attributes of a node; 64\n"
	"  --max-name-bytes N     length of the name of a node, program, version or\n"
	"                         attribute; 255\n"
	"  --max-watchers N       clusters that wait for news at once; 100000\n"
	"  --max-record-bytes N   the largest call or reply; 134217728, 128 MiB\n"
	"  --max-buffered-bytes N memory for half calls and untaken replies in all; a quarter\n"
	"                         of the memory\n"
	"  --max-connections N    connections at once; 20000\n"
	"  --max-connections-per-peer N\n"
	"                         of these from one address; 12000\n"
	"  --idle-timeout-ms N    an unused connection ends after this; 600000\n"
	"  --header-timeout-ms N  one that began a call and has not sent its header; 10000\n"
	"  --record-timeout-ms N  one that began a call and has not sent it all; 30000\n"
	"  --reply-timeout-ms N   one that takes nothing of its replies; 60000\n"
	"  --user NAME            started as root: listen, then be this user for good\n"
	"  --log-level LEVEL      error, warning, notice, info or debug; info\n"
	"  --help                 print this and exit\n"
	"  --version              print the version and exit\n"
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
	OPTION_MAX_PER_CONNECTION,
	OPTION_MAX_SERVICES,
	OPTION_MAX_ATTRIBUTES,
	OPTION_MAX_NAME,
	OPTION_MAX_WATCHERS,
	OPTION_MAX_RECORD,
	OPTION_MAX_BUFFERED,
	OPTION_MAX_CONNECTIONS,
	OPTION_MAX_PER_PEER,
	OPTION_IDLE_TIMEOUT,
	OPTION_HEADER_TIMEOUT,
	OPTION_RECORD_TIMEOUT,
	OPTION_REPLY_TIMEOUT,
	OPTION_USER,
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
	{ "max-nodes-per-connection", required_argument, NULL, OPTION_MAX_PER_CONNECTION },
	{ "max-services", required_argument, NULL, OPTION_MAX_SERVICES },
	{ "max-attributes", required_argument, NULL, OPTION_MAX_ATTRIBUTES },
	{ "max-name-bytes", required_argument, NULL, OPTION_MAX_NAME },
	{ "max-watchers", required_argument, NULL, OPTION_MAX_WATCHERS },
	{ "max-record-bytes", required_argument, NULL, OPTION_MAX_RECORD },
	{ "max-buffered-bytes", required_argument, NULL, OPTION_MAX_BUFFERED },
	{ "max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS },
	{ "max-connections-per-peer", required_argument, NULL, OPTION_MAX_PER_PEER },
	{ "idle-timeout-ms", required_argument, NULL, OPTION_IDLE_TIMEOUT },
	{ "header-timeout-ms", required_argument, NULL, OPTION_HEADER_TIMEOUT },
	{ "record-timeout-ms", required_argument, NULL, OPTION_RECORD_TIMEOUT },
	{ "reply-timeout-ms", required_argument, NULL, OPTION_REPLY_TIMEOUT },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Those that idl/registry.x bounds have its bounds here. */
static bool
set_limit(struct dist_master_options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_MAX_NODES:
		return program_unsigned("--max-nodes", value, 1, INT_MAX, &o->max_nodes);
	case OPTION_MAX_PER_CONNECTION:
		return program_unsigned("--max-nodes-per-connection", value, 1, INT_MAX,
					&o->max_nodes_per_connection);
	case OPTION_MAX_SERVICES:
		return program_unsigned("--max-services", value, 1, 1024, &o->max_services);
	case OPTION_MAX_ATTRIBUTES:
		return program_unsigned("--max-attributes", value, 1, 64, &o->max_attributes);
	case OPTION_MAX_NAME:
		return program_unsigned("--max-name-bytes", value, 1, 255, &o->max_name_bytes);
	case OPTION_MAX_WATCHERS:
		return program_unsigned("--max-watchers", value, 1, INT_MAX, &o->max_watchers);
	case OPTION_MAX_RECORD:
		/* A fragment holds 2^31 - 1 bytes (RFC 5531 section 11). */
		return program_size("--max-record-bytes", value, 65536, INT_MAX,
				    &o->max_record_bytes);
	case OPTION_MAX_BUFFERED:
		return program_size("--max-buffered-bytes", value, 1 << 20, SSIZE_MAX,
				    &o->max_buffered_bytes);
	case OPTION_MAX_CONNECTIONS:
		return program_unsigned("--max-connections", value, 1, INT_MAX,
					&o->max_connections);
	default:
		return program_unsigned("--max-connections-per-peer", value, 1, INT_MAX,
					&o->max_connections_per_peer);
	}
}

static bool
set_timeout(struct dist_master_options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_MIN_LEASE:
		return program_number("--min-lease-ms", value, 1, INT_MAX,
		                      &o->min_lease_ms);
	case OPTION_MAX_LEASE:
		return program_number("--max-lease-ms", value, 1, INT_MAX,
		                      &o->max_lease_ms);
	case OPTION_PROBE:
		return program_number("--probe-ms", value, 1, INT_MAX, &o->probe_ms);
	case OPTION_IDLE_TIMEOUT:
		return program_number("--idle-timeout-ms", value, 1, INT_MAX,
		                      &o->idle_timeout_ms);
	case OPTION_HEADER_TIMEOUT:
		return program_number("--header-timeout-ms", value, 1, INT_MAX,
		                      &o->header_timeout_ms);
	case OPTION_RECORD_TIMEOUT:
		return program_number("--record-timeout-ms", value, 1, INT_MAX,
		                      &o->record_timeout_ms);
	default:
		return program_number("--reply-timeout-ms", value, 1, INT_MAX,
		                      &o->reply_timeout_ms);
	}
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
	case OPTION_MAX_LEASE:
	case OPTION_PROBE:
	case OPTION_IDLE_TIMEOUT:
	case OPTION_HEADER_TIMEOUT:
	case OPTION_RECORD_TIMEOUT:
	case OPTION_REPLY_TIMEOUT:
		return set_timeout(o, option, value);
	case OPTION_MAX_NODES:
	case OPTION_MAX_PER_CONNECTION:
	case OPTION_MAX_SERVICES:
	case OPTION_MAX_ATTRIBUTES:
	case OPTION_MAX_NAME:
	case OPTION_MAX_WATCHERS:
	case OPTION_MAX_RECORD:
	case OPTION_MAX_BUFFERED:
	case OPTION_MAX_CONNECTIONS:
	case OPTION_MAX_PER_PEER:
		return set_limit(o, option, value);
	case OPTION_USER:
		config->user = value;
		return true;
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
	if (optind < argc) {
		program_wrong_usage("'%s' is not an option; it takes nothing else",
		                    argv[optind]);
		return false;
	}
	*ret_config = config;
	return true;
}
