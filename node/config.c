/* distnode's command line; see config.h. */
#include "config.h"

#include "program/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: distnode --masters LIST [OPTION]... MODULE.so...\n"
	"Serve the procedures of modules, and keep registered with the masters.\n"
	"\n"
	"  --masters LIST          HOST[:PORT][,HOST[:PORT]...]; without a port, rpcbind on\n"
	"                          that host is asked, then port 3000 is tried\n"
	"  --no-masters            register nowhere: callers know the address\n"
	"  --listen ADDR:PORT      where to listen; ':PORT' for all addresses, port 0 for\n"
	"                          any free one; 127.0.0.1 and ::1 on a free port, so that\n"
	"                          only this host can call\n"
	"  --advertise ADDR        the address that others call, if it is not the one that\n"
	"                          the master sees; ADDR:PORT too\n"
	"  --name NAME             the node's name; its advertised address\n"
	"  --workers N             procedures that run at once; the number of CPUs\n"
	"  --queue N               calls that may wait for a worker; 1024\n"
	"  --serial PROGRAM        run this program (name or number) one call at a time;\n"
	"                          may be given again\n"
	"  --attribute NAME=VALUE  shown beside the node; may be given again\n"
	"  --heartbeat-ms N        time between two heartbeats; 1000\n"
	"  --max-record-bytes N    the largest call or reply; 134217728, 128 MiB\n"
	"  --max-connections N     connections at once; 20000\n"
	"  --spin-us N             poll so long for the next call before sleeping: shorter\n"
	"                          answers for more CPU time; 0\n"
	"  --drain-timeout-ms N    how long running calls are waited for at the end; 10000\n"
	"  --no-rpcbind            ask nothing of rpcbind, and tell it nothing\n"
	"  --log-level LEVEL       error, warning, notice, info or debug; info\n"
	"  --help                  print this and exit\n"
	"  --version               print the version and exit\n"
	"\n"
	"A MODULE without a slash is looked for among the installed ones too, with or\n"
	"without its '.so'. The node runs until SIGTERM or SIGINT, or until 'distctl drain';\n"
	"its log goes to standard error.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. distnode(8) tells more.\n";

enum {
	OPTION_MASTERS = 256,
	OPTION_NO_MASTERS,
	OPTION_LISTEN,
	OPTION_ADVERTISE,
	OPTION_NAME,
	OPTION_WORKERS,
	OPTION_QUEUE,
	OPTION_SERIAL,
	OPTION_ATTRIBUTE,
	OPTION_HEARTBEAT,
	OPTION_MAX_RECORD,
	OPTION_MAX_CONNECTIONS,
	OPTION_SPIN,
	OPTION_DRAIN_TIMEOUT,
	OPTION_NO_RPCBIND,
	OPTION_LOG_LEVEL,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "masters", required_argument, NULL, OPTION_MASTERS },
	{ "no-masters", no_argument, NULL, OPTION_NO_MASTERS },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "advertise", required_argument, NULL, OPTION_ADVERTISE },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "workers", required_argument, NULL, OPTION_WORKERS },
	{ "queue", required_argument, NULL, OPTION_QUEUE },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "attribute", required_argument, NULL, OPTION_ATTRIBUTE },
	{ "heartbeat-ms", required_argument, NULL, OPTION_HEARTBEAT },
	{ "max-record-bytes", required_argument, NULL, OPTION_MAX_RECORD },
	{ "max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS },
	{ "spin-us", required_argument, NULL, OPTION_SPIN },
	{ "drain-timeout-ms", required_argument, NULL, OPTION_DRAIN_TIMEOUT },
	{ "no-rpcbind", no_argument, NULL, OPTION_NO_RPCBIND },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool
set_unsigned(const char *option, const char *text, int64_t min, int64_t max,
             unsigned *ret)
{
	int64_t number;

	if (!program_number(option, text, min, max, &number))
		return false;
	*ret = (unsigned)number;
	return true;
}

/* A fragment holds 2^31 - 1 bytes (RFC 5531 section 11); one record of 64 KiB must fit.
 */
static bool
set_max_record(struct dist_node_options *o, const char *text)
{
	int64_t number;

	if (!program_number("--max-record-bytes", text, 65536, INT_MAX, &number))
		return false;
	o->max_record_bytes = (size_t)number;
	return true;
}

/* Its value may be empty and may hold further '='. */
static bool
add_attribute(struct config *config, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text) {
		program_wrong_usage("--attribute: '%s' is not NAME=VALUE", text);
		return false;
	}
	*equals = '\0';
	config->attributes[config->n_attributes++] =
		(struct dist_attribute){ .name = text, .value = equals + 1 };
	return true;
}

static bool
set_number(struct dist_node_options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_WORKERS:
		return set_unsigned("--workers", value, 1, 65536, &o->workers);
	case OPTION_QUEUE:
		return set_unsigned("--queue", value, 1, INT_MAX, &o->queue);
	case OPTION_MAX_RECORD:
		return set_max_record(o, value);
	case OPTION_MAX_CONNECTIONS:
		return set_unsigned("--max-connections", value, 1, INT_MAX,
		                    &o->max_connections);
	case OPTION_SPIN:
		return set_unsigned("--spin-us", value, 0, 1000000, &o->spin_us);
	case OPTION_HEARTBEAT:
		return program_number("--heartbeat-ms", value, 1, INT_MAX / 3,
		                      &o->heartbeat_ms);
	default:
		return program_number("--drain-timeout-ms", value, 1, INT_MAX,
		                      &o->drain_timeout_ms);
	}
}

/* False: wrong usage, and a sentence said so. */
static bool
set_option(struct config *config, int option, char *value)
{
	struct dist_node_options *o = &config->options;

	switch (option) {
	case OPTION_MASTERS:
		o->masters = value;
		return true;
	case OPTION_LISTEN:
		o->listen = value;
		return true;
	case OPTION_ADVERTISE:
		o->advertise = value;
		return true;
	case OPTION_NAME:
		o->name = value;
		return true;
	case OPTION_WORKERS:
	case OPTION_QUEUE:
	case OPTION_HEARTBEAT:
	case OPTION_MAX_RECORD:
	case OPTION_MAX_CONNECTIONS:
	case OPTION_SPIN:
	case OPTION_DRAIN_TIMEOUT:
		return set_number(o, option, value);
	case OPTION_SERIAL:
		config->serial[config->n_serial++] = value;
		return true;
	case OPTION_ATTRIBUTE:
		return add_attribute(config, value);
	case OPTION_NO_RPCBIND:
		o->no_rpcbind = true;
		return true;
	case OPTION_LOG_LEVEL:
		return program_log_level(value, &config->log_level);
	default:
		program_wrong_option();
		return false;
	}
}

/* What is wrong with the whole; NULL: nothing. */
static const char *
find_fault(const struct config *config, bool no_masters)
{
	if (config->options.masters && no_masters)
		return "--masters and --no-masters exclude each other";
	if (!config->options.masters && !no_masters)
		return "--masters is missing: where to register, such as '--masters "
		       "localhost'";
	if (config->options.name && !*config->options.name)
		return "--name: a name is not empty";
	if (config->n_modules == 0)
		return "a MODULE is missing: what to serve, such as './arith.so'";
	return NULL;
}

static bool
parse(struct config *config, int argc, char **argv, int *ret_status)
{
	bool no_masters = false;
	const char *fault;
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
		if (option == OPTION_NO_MASTERS)
			no_masters = true;
		else if (!set_option(config, option, optarg))
			return false;
	}
	config->modules = argv + optind;
	config->n_modules = (size_t)(argc - optind);
	fault = find_fault(config, no_masters);
	if (fault)
		program_wrong_usage("%s", fault);
	return !fault;
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = { .log_level = DIST_LOG_INFO };

	/* There are never more of them than words; attributes end in an empty one. */
	config.serial = calloc((size_t)argc + 1, sizeof(*config.serial));
	config.attributes = calloc((size_t)argc + 1, sizeof(*config.attributes));
	if (!config.serial || !config.attributes) {
		*ret_status = program_fail("out of memory");
	} else if (parse(&config, argc, argv, ret_status)) {
		config.options.attributes = config.attributes;
		*ret_config = config;
		return true;
	}
	config_fini(&config);
	return false;
}

void
config_fini(struct config *config)
{
	free(config->serial);
	free(config->attributes);
}
