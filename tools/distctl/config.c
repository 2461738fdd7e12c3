/* distctl's command line; see config.h. */
#include "distctl/config.h"

#include "program/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

/* For the preprocessor. */
static int
add_path(const char *option, const char **paths, size_t *n, char *text)
{
	if (*n == CONFIG_PATHS_MAX)
		return program_wrong_usage("--%s: over %d of them", option,
		                           CONFIG_PATHS_MAX);
	paths[(*n)++] = text;
	return PROGRAM_DONE;
}

static int
add_define(void *config_arg, char *text)
{
	struct config *config = config_arg;

	return add_path("define", config->defines, &config->n_defines, text);
}

static int
add_include(void *config_arg, char *text)
{
	struct config *config = config_arg;

	return add_path("include", config->includes, &config->n_includes, text);
}

static int
set_sort(void *config_arg, char *text)
{
	struct config *config = config_arg;

	for (size_t i = 0; i < RATES_N_ORDERS; i++) {
		if (strcmp(text, rates_order_names[i]) != 0)
			continue;
		config->sort = (enum rates_order)i;
		config->sort_given = true;
		return PROGRAM_DONE;
	}
	return program_wrong_usage("--sort: '%s' is not one of calls, failed, in-flight, "
	                           "p99, name",
	                           text);
}

static const struct program_option options[] = {
	PROGRAM_TEXT(
		masters, "masters", "LIST",
		"HOST[:PORT][,HOST[:PORT]...]; without a port, rpcbind on that host "
		"is asked, then port 3000 is tried. The nodes of all the masters that "
		"answer are shown"),
	PROGRAM_FLAG(all, "all",
	             "nodes, services: those that left or died lately, too"),
	PROGRAM_FLAG(json, "json", "print JSON"),
	PROGRAM_NUMBER(timeout_ms, "timeout-ms", 1, INT_MAX,
	               "how long to wait for an answer; 5000, and of call until its "
	               "node is gone"),
	PROGRAM_NUMBER(wait_ms, "wait-ms", 1, INT_MAX,
	               "drain: how long to wait for the nodes to leave; 60000"),
	PROGRAM_TIME(interval_ms, "interval", 100, 3600000,
	             "top: how long from one round to the next; 1s"),
	PROGRAM_NUMBER(count, "count", 1, INT64_MAX, "top: end after so many rounds"),
	PROGRAM_OTHER(set_sort, "sort", "ORDER",
	              "top: by calls, failed, in-flight, p99 or name; calls"),
	PROGRAM_TEXT(node, "node", "NODE",
	             "call, procedures: this node, and no other"),
	PROGRAM_TEXT(address, "address", "HOST:PORT",
	             "call, procedures: this server, stock ones too, and no masters"),
	PROGRAM_FLAG(idempotent, "idempotent",
	             "call: running twice does no harm, so try another node when one "
	             "is lost"),
	PROGRAM_OTHER(add_define, "define", "NAME[=VALUE]",
	              "a macro for the .x file's preprocessor"),
	PROGRAM_OTHER(add_include, "include", "DIR",
	              "look there, too, for files that the .x file includes"),
};

static const struct program_usage usage = {
	.before =
		"Usage: distctl --masters LIST [OPTION]... COMMAND [WORD]...\n"
		"       distctl [OPTION]... ping HOST:PORT...\n"
		"Look at a cluster, call its procedures, and order nodes out of it.\n"
		"\n"
		"  nodes             the nodes: who is alive, what they serve, how busy they are\n"
		"  services          the programs and versions served, and by how many nodes\n"
		"  ping [NODE]...    ask these nodes, or else all nodes and the masters, for a sign\n"
		"                    of life; without --masters just these addresses, of nodes or\n"
		"                    masters\n"
		"  stats [NODE]...   the procedures of these nodes, or else of all: calls, failures,\n"
		"                    and how long calls waited and ran\n"
		"  callers           who calls the nodes, and what they count themselves: calls that\n"
		"                    were lost or went out again, and how long they felt\n"
		"  top               what the nodes do now, by node and by procedure: live in a\n"
		"                    terminal, until 'q'; else tables, one round after another\n"
		"  watch             what happens to nodes and services, as it happens, until SIGINT\n"
		"  doctor            look at all that must be right for a cluster to work, and say\n"
		"                    what is wrong and what to do about it\n"
		"  drain NODE...     have these nodes leave once their calls are done, and wait\n"
		"                    until they are no longer listed\n"
		"  call [FILE.x] PROCEDURE [JSON]\n"
		"                    call a procedure with the arguments in a JSON array, [] when\n"
		"                    left out, - for standard input; print the result as JSON.\n"
		"                    PROCEDURE is PROGRAM/NAME or PROGRAM/VERSION/NAME, and with a\n"
		"                    FILE.x the NAME will do. Without one a node that serves the\n"
		"                    program is asked what it takes\n"
		"  procedures [FILE.x | PROGRAM[/VERSION]]\n"
		"                    the procedures there are in the file, and no master is asked;\n"
		"                    without one, those that are served\n"
		"  bench [OPTION]... put a load on these masters' nodes, by distbench; the options\n"
		"                    behind this word are its own\n"
		"\n"
		"NODE is a node's name or its HOST:PORT.\n"
		"\n",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.column = 20,
	.after =
		"\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage, 3 a call failed that may have run.\n"
		"distctl(1) tells more.\n",
};

static const struct command commands[] = {
	{ .name = "nodes", .takes_all = true, .run = nodes_run },
	{ .name = "services", .takes_all = true, .run = services_run },
	{ .name = "ping",
	  .max_names = SIZE_MAX,
	  .takes_addresses = true,
	  .run = ping_run },
	{ .name = "stats", .max_names = SIZE_MAX, .run = stats_run },
	{ .name = "callers", .run = callers_run },
	{ .name = "top", .takes_rounds = true, .run = top_run },
	{ .name = "watch", .run = watch_run },
	{ .name = "doctor", .run = doctor_run },
	{ .name = "drain",
	  .min_names = 1,
	  .max_names = SIZE_MAX,
	  .words = { "a NODE" },
	  .takes_wait = true,
	  .run = drain_run },
	{ .name = "call",
	  .min_names = 1,
	  .max_names = 2,
	  .words = { "a PROCEDURE" },
	  .takes_server = true,
	  .takes_again = true,
	  .takes_file = true,
	  .run = call_run },
	{ .name = "procedures",
	  .max_names = 1,
	  .takes_server = true,
	  .takes_file = true,
	  .file_is_all = true,
	  .run = procedures_run },
	{ .name = "bench",
	  .max_names = SIZE_MAX,
	  .passes_on = true,
	  .run = bench_run },
};

static const char command_names[] =
	"nodes, services, ping, stats, callers, top, watch, doctor, drain, "
	"call, procedures or bench";

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* No name in an interface has a '.' in it. */
static void
take_file(struct config *config)
{
	if (!config->command->takes_file || config->n_names == 0 ||
	    !strchr(config->names[0], '.'))
		return;
	config->file = config->names[0];
	config->names++;
	config->n_names--;
}

/* Whether an option was given that means nothing here; a sentence said so. */
static bool
misplaces_option(const struct config *config)
{
	const struct command *command = config->command;
	const char *no_file = command->takes_file ? " without a FILE.x" : "";
	const char *other = command->takes_server ? " with --address" : "";
	const struct {
		const char *name;
		bool given, taken;
		const char *why;
	} options_of_some[] = {
		{ "all", config->all, command->takes_all, "" },
		{ "interval", config->interval_ms > 0, command->takes_rounds, "" },
		{ "count", config->count > 0, command->takes_rounds, "" },
		{ "sort", config->sort_given, command->takes_rounds, "" },
		{ "wait-ms", config->wait_ms > 0, command->takes_wait, "" },
		{ "address", config->address, command->takes_server, "" },
		{ "node", config->node, command->takes_server && !config->address, other },
		{ "idempotent", config->idempotent, command->takes_again, "" },
		{ "define", config->n_defines > 0, config->file, no_file },
		{ "include", config->n_includes > 0, config->file, no_file },
		{ "timeout-ms", config->timeout_given, !command->passes_on,
		  ": its own options stand behind it" },
	};

	for (size_t i = 0; i < sizeof(options_of_some) / sizeof(options_of_some[0]);
	     i++) {
		if (!options_of_some[i].given || options_of_some[i].taken)
			continue;
		program_wrong_usage("%s takes no --%s%s", command->name,
		                    options_of_some[i].name, options_of_some[i].why);
		return true;
	}
	return false;
}

/* Whether there is somebody to be asked, where somebody is. */
static bool
has_where_to_ask(const struct config *config)
{
	const struct command *command = config->command;

	return config->masters || command->passes_on ||
	       (config->file && command->file_is_all) ||
	       (command->takes_addresses && config->n_names > 0) ||
	       (command->takes_server && config->address);
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
	if (config->command)
		take_file(config);
	if (!config->command)
		program_wrong_usage("'%s' is not a command: %s", words[0],
		                    command_names);
	else if (!has_where_to_ask(config))
		program_wrong_usage("--masters is missing: where to ask, such as "
		                    "'--masters localhost'");
	else if (config->n_names < config->command->min_names)
		program_wrong_usage("%s: %s is missing", words[0],
		                    config->command->words[config->n_names]);
	else if (config->n_names > config->command->max_names)
		program_wrong_usage("%s takes no '%s'", words[0],
		                    config->names[config->command->max_names]);
	else
		return !misplaces_option(config);
	return false;
}

/* Where our options end: behind a command whose own words are another program's. */
static int
own_argc(int argc, char **argv)
{
	int word = program_find_word(&usage, argc, argv);
	const struct command *command = word < argc ? find_command(argv[word]) : NULL;

	return command && command->passes_on ? word + 1 : argc;
}

static void
set_defaults(struct config *config)
{
	if (config->timeout_ms == 0)
		config->timeout_ms = 5000;
	if (config->wait_ms == 0)
		config->wait_ms = 60000;
	if (config->interval_ms == 0)
		config->interval_ms = 1000;
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = { 0 };
	int n_own = own_argc(argc, argv);

	if (!program_read(&usage, n_own, argv, &config, ret_status))
		return false;
	config.timeout_given = config.timeout_ms > 0;
	*ret_status = PROGRAM_WRONG_USAGE;
	if (!set_words(&config, argv + optind, (size_t)(argc - optind)))
		return false;
	set_defaults(&config);
	*ret_config = config;
	return true;
}
