/* distnode's command line; see config.h. */
#include "config.h"

#include "program/daemon_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static int
add_serial(void *arg, char *text)
{
	struct config *config = arg;

	config->serial[config->n_serial++] = text;
	return PROGRAM_DONE;
}

/* Its value may be empty and may hold further '='. */
static int
add_attribute(void *arg, char *text)
{
	struct config *config = arg;
	char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return program_wrong_usage("--attribute: '%s' is not NAME=VALUE", text);
	*equals = '\0';
	config->attributes[config->n_attributes++] =
		(struct dist_attribute){ .name = text, .value = equals + 1 };
	return PROGRAM_DONE;
}

static const struct program_option options[] = {
	PROGRAM_TEXT(
		options.masters, "masters", "LIST",
		"HOST[:PORT][,HOST[:PORT]...]; without a port, rpcbind on that host "
		"is asked, then port 3000 is tried"),
	PROGRAM_FLAG(no_masters, "no-masters",
	             "register nowhere: callers know the address"),
	PROGRAM_TEXT(
		options.listen, "listen", "ADDR:PORT",
		"where to listen; ':PORT' for all addresses, port 0 for any free one; "
		"127.0.0.1 and ::1 on a free port, so that only this host can call"),
	PROGRAM_TEXT(
		options.advertise, "advertise", "ADDR",
		"the address that others call, if it is not the one that the master "
		"sees; ADDR:PORT too"),
	PROGRAM_TEXT(options.name, "name", "NAME",
	             "the node's name; its advertised address"),
	PROGRAM_NUMBER(options.workers, "workers", 1, 65536,
	               "procedures that run at once; the number of CPUs"),
	PROGRAM_NUMBER(options.queue, "queue", 1, INT_MAX,
	               "calls that may wait for a worker; 1024"),
	PROGRAM_NUMBER(
		options.queue_bytes, "queue-bytes", 1, SSIZE_MAX,
		"the same in bytes of their records; 1073741824, 1 GiB, or a quarter "
		"of the memory"),
	PROGRAM_NUMBER(
		options.max_calls_per_connection, "max-calls-per-connection", 1,
		INT_MAX,
		"calls of one connection that wait, run or are answered later; 8192"),
	PROGRAM_OTHER(
		add_serial, "serial", "PROGRAM",
		"run this program (name or number) one call at a time; may be given "
		"again"),
	PROGRAM_OTHER(add_attribute, "attribute", "NAME=VALUE",
	              "shown beside the node; may be given again"),
	PROGRAM_NUMBER(options.heartbeat_ms, "heartbeat-ms", 1, INT_MAX / 3,
	               "time between two heartbeats; 1000"),
	PROGRAM_NUMBER(
		options.max_decode_bytes, "max-decode-bytes", 65536, SSIZE_MAX,
		"memory for decoding one call; the larger of 1048576, 1 MiB, and 16 "
		"times its record"),
	DAEMON_LIMITS,
	PROGRAM_NUMBER(
		options.spin_us, "spin-us", 0, 1000000,
		"poll so long for the next call before sleeping: shorter answers for "
		"more CPU time; 0"),
	PROGRAM_NUMBER(options.drain_timeout_ms, "drain-timeout-ms", 1, INT_MAX,
	               "how long running calls are waited for at the end; 10000"),
	DAEMON_OPTIONS,
};

static const struct program_usage usage = {
	.before =
		"Usage: distnode --masters LIST [OPTION]... MODULE.so...\n"
		"Serve the procedures of modules, and keep registered with the masters.\n"
		"\n",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.column = 26,
	.after =
		"\n"
		"A MODULE without a slash is looked for among the installed ones too, with or\n"
		"without its '.so'. The node runs until SIGTERM or SIGINT, or until 'distctl drain';\n"
		"its log goes to standard error.\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage. distnode(8) tells more.\n",
};

/* What is wrong with the whole; NULL: nothing. */
static const char *
find_fault(const struct config *config)
{
	if (config->options.masters && config->no_masters)
		return "--masters and --no-masters exclude each other";
	if (!config->options.masters && !config->no_masters)
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
	const char *fault;

	if (!program_read(&usage, argc, argv, config, ret_status))
		return false;
	config->modules = argv + optind;
	config->n_modules = (size_t)(argc - optind);
	fault = find_fault(config);
	if (fault)
		*ret_status = program_wrong_usage("%s", fault);
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
