/* distmaster's command line; see config.h. */
#include "config.h"

#include "program/daemon_options.h"

#include <getopt.h>

#define DEFAULT_STATS_MS 2000

static int
add_host(void *arg, char *name)
{
	struct config *config = arg;

	if (config->n_http_hosts == CONFIG_HOSTS_MAX)
		return program_wrong_usage("there are more than %d --http-host",
		                           CONFIG_HOSTS_MAX);
	config->http_hosts[config->n_http_hosts++] = name;
	return PROGRAM_DONE;
}

/* Those that idl/registry.x bounds have its bounds here. */
static const struct program_option options[] = {
	PROGRAM_TEXT(
		options.listen, "listen", "ADDR:PORT",
		"where to listen; ':PORT' for all addresses, port 0 for any free one; "
		"127.0.0.1 and ::1 on port 3000, so that only this host can join"),
	PROGRAM_NUMBER(options.min_lease_ms, "min-lease-ms", 1, INT_MAX,
	               "the shortest lease that a node may ask for; 300"),
	PROGRAM_NUMBER(options.max_lease_ms, "max-lease-ms", 1, INT_MAX,
	               "the longest; 60000"),
	PROGRAM_NUMBER(options.probe_ms, "probe-ms", 1, INT_MAX,
	               "how often a quiet node is probed; 10000"),
	PROGRAM_NUMBER(options.max_nodes, "max-nodes", 1, INT_MAX,
	               "nodes at once; 20000"),
	PROGRAM_NUMBER(options.max_nodes_per_connection, "max-nodes-per-connection", 1,
	               INT_MAX, "of these registered over one connection; 64"),
	PROGRAM_NUMBER(options.max_services, "max-services", 1, 1024,
	               "services of a node; 1024"),
	PROGRAM_NUMBER(options.max_attributes, "max-attributes", 1, 64,
	               "attributes of a node; 64"),
	PROGRAM_NUMBER(
		options.max_name_bytes, "max-name-bytes", 1, 255,
		"length of the name of a node, program, version or attribute; 255"),
	PROGRAM_NUMBER(options.max_watchers, "max-watchers", 1, INT_MAX,
	               "clusters that wait for news at once; 100000"),
	PROGRAM_TEXT(
		http, "http", "PORT",
		"show the cluster to browsers, and to Prometheus, on 127.0.0.1; ADDR:PORT "
		"elsewhere, ':PORT' on all addresses, port 0 any free one"),
	PROGRAM_OTHER(add_host, "http-host", "NAME",
	              "a name of this host that browsers call it by; up to 16 times"),
	PROGRAM_FLAG(http_call, "http-call",
	             "with --http: POST /call/PROGRAM/VERSION/PROCEDURE calls procedures, "
	             "with JSON, for whoever shows the token of --http-token-file"),
	PROGRAM_TEXT(http_token_file, "http-token-file", "FILE",
	             "its first line is that token, of 16 to 256 characters"),
	PROGRAM_NUMBER(options.stats_ms, "stats-ms", 100, INT_MAX,
	               "with --http: how often nodes are asked what they count; 2000"),
	PROGRAM_NUMBER(options.max_stats_bytes, "max-stats-bytes", 65536, SSIZE_MAX,
	               "memory for that; 268435456, 256 MiB"),
	DAEMON_LIMITS,
	DAEMON_OPTIONS,
};

static const struct program_usage usage = {
	.before =
		"Usage: distmaster [OPTION]...\n"
		"Keep the registry of a cluster: which nodes live and what they serve.\n"
		"\n",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.column = 25,
	.after =
		"\n"
		"It runs until SIGTERM or SIGINT; its log goes to standard error.\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage. distmaster(8) tells more.\n",
};

/* False: a sentence said why. */
static bool
check_call(const struct config *config)
{
	if (config->http_call && !config->http)
		program_wrong_usage("--http-call is of use with --http alone");
	else if (config->http_call && !config->http_token_file)
		program_wrong_usage("--http-call wants --http-token-file FILE: a call can "
		                    "change something");
	else if (config->http_token_file && !config->http_call)
		program_wrong_usage("--http-token-file is of use with --http-call alone");
	else
		return true;
	return false;
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = { .log_level = DIST_LOG_INFO };

	if (!program_read(&usage, argc, argv, &config, ret_status))
		return false;
	if (optind < argc) {
		*ret_status = program_wrong_usage(
			"'%s' is not an option; it takes nothing else", argv[optind]);
		return false;
	}
	if (!check_call(&config)) {
		*ret_status = PROGRAM_WRONG_USAGE;
		return false;
	}
	/* Nobody else looks at what nodes count. */
	if (!config.http)
		config.options.stats_ms = 0;
	else if (!config.options.stats_ms)
		config.options.stats_ms = DEFAULT_STATS_MS;
	*ret_config = config;
	return true;
}
