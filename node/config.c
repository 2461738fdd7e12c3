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
	"  --queue-bytes N         the same in bytes of their records; 1073741824, 1 GiB, or\n"
	"                          a quarter of the memory\n"
	"  --max-calls-per-connection N\n"
	"                          calls of one connection that wait, run or are answered\n"
	"                          later; 8192\n"
	"  --serial PROGRAM        run this program (name or number) one call at a time;\n"
	"                          may be given again\n"
	"  --attribute NAME=VALUE  shown beside the node; may be given again\n"
	"  --heartbeat-ms N        time between two heartbeats; 1000\n"
	"  --max-record-bytes N    the largest call or reply; 134217728, 128 MiB\n"
	"  --max-decode-bytes N    memory for decoding one call; the larger of 1048576, 1 MiB,\n"
	"                          and 16 times its record\n"
	"  --max-buffered-bytes N  memory for half calls and untaken replies in all; a quarter\n"
	"                          of the memory\n"
	"  --max-connections N     connections at once; 20000\n"
	"  --max-connections-per-peer N\n"
	"                          of these from one address; 12000\n"
	"  --idle-timeout-ms N     an unused connection ends after this; 600000\n"
	"  --header-timeout-ms N   one that began a call and has not sent its header; 10000\n"
	"  --record-timeout-ms N   one that began a call and has not sent it all; 30000\n"
	"  --reply-timeout-ms N    one that takes nothing of its replies; 60000\n"
	"  --spin-us N             poll so long for the next call before sleeping: shorter\n"
	"                          answers for more CPU time; 0\n"
	"  --drain-timeout-ms N    how long running calls are waited for at the end; 10000\n"
	"  --no-rpcbind            ask nothing of rpcbind, and tell it nothing\n"
	"  --user NAME             started as root: listen, then be this user for good, before\n"
	"                          modules are loaded\n"
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
	OPTION_QUEUE_BYTES,
	OPTION_MAX_CALLS,
	OPTION_SERIAL,
	OPTION_ATTRIBUTE,
	OPTION_HEARTBEAT,
	OPTION_MAX_RECORD,
	OPTION_MAX_DECODE,
	OPTION_MAX_BUFFERED,
	OPTION_MAX_CONNECTIONS,
	OPTION_MAX_PER_PEER,
	OPTION_IDLE_TIMEOUT,
	OPTION_HEADER_TIMEOUT,
	OPTION_RECORD_TIMEOUT,
	OPTION_REPLY_TIMEOUT,
	OPTION_SPIN,
	OPTION_DRAIN_TIMEOUT,
	OPTION_NO_RPCBIND,
	OPTION_USER,
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
	{ "queue-bytes", required_argument, NULL, OPTION_QUEUE_BYTES },
	{ "max-calls-per-connection", required_argument, NULL, OPTION_MAX_CALLS },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "attribute", required_argument, NULL, OPTION_ATTRIBUTE },
	{ "heartbeat-ms", required_argument, NULL, OPTION_HEARTBEAT },
	{ "max-record-bytes", required_argument, NULL, OPTION_MAX_RECORD },
	{ "max-decode-bytes", required_argument, NULL, OPTION_MAX_DECODE },
	{ "max-buffered-bytes", required_argument, NULL, OPTION_MAX_BUFFERED },
	{ "max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS },
	{ "max-connections-per-peer", required_argument, NULL, OPTION_MAX_PER_PEER },
	{ "idle-timeout-ms", required_argument, NULL, OPTION_IDLE_TIMEOUT },
	{ "header-timeout-ms", required_argument, NULL, OPTION_HEADER_TIMEOUT },
	{ "record-timeout-ms", required_argument, NULL, OPTION_RECORD_TIMEOUT },
	{ "reply-timeout-ms", required_argument, NULL, OPTION_REPLY_TIMEOUT },
	{ "spin-us", required_argument, NULL, OPTION_SPIN },
	{ "drain-timeout-ms", required_argument, NULL, OPTION_DRAIN_TIMEOUT },
	{ "no-rpcbind", no_argument, NULL, OPTION_NO_RPCBIND },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

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
set_limit(struct dist_node_options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_QUEUE:
		return program_unsigned("--queue", value, 1, INT_MAX, &o->queue);
	case OPTION_QUEUE_BYTES:
		return program_size("--queue-bytes", value, 1, SSIZE_MAX, &o->queue_bytes);
	case OPTION_MAX_CALLS:
		return program_unsigned("--max-calls-per-connection", value, 1, INT_MAX,
					&o->max_calls_per_connection);
	case OPTION_MAX_RECORD:
		/* A fragment holds 2^31 - 1 bytes (RFC 5531 section 11). */
		return program_size("--max-record-bytes", value, 65536, INT_MAX,
				    &o->max_record_bytes);
	case OPTION_MAX_DECODE:
		return program_size("--max-decode-bytes", value, 65536, SSIZE_MAX,
				    &o->max_decode_bytes);
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
set_timeout(struct dist_node_options *o, int option, const char *value)
{
	switch (option) {
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

static bool
set_number(struct dist_node_options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_WORKERS:
		return program_unsigned("--workers", value, 1, 65536, &o->workers);
	case OPTION_SPIN:
		return program_unsigned("--spin-us", value, 0, 1000000, &o->spin_us);
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
	case OPTION_QUEUE:
	case OPTION_QUEUE_BYTES:
	case OPTION_MAX_CALLS:
	case OPTION_MAX_RECORD:
	case OPTION_MAX_DECODE:
	case OPTION_MAX_BUFFERED:
	case OPTION_MAX_CONNECTIONS:
	case OPTION_MAX_PER_PEER:
		return set_limit(o, option, value);
	case OPTION_IDLE_TIMEOUT:
	case OPTION_HEADER_TIMEOUT:
	case OPTION_RECORD_TIMEOUT:
	case OPTION_REPLY_TIMEOUT:
		return set_timeout(o, option, value);
	case OPTION_WORKERS:
	case OPTION_HEARTBEAT:
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
	while ((option = program_next_option(argc, argv, options)) != -1) {
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
