/* distbench's command line; see config.h. */
#include "distbench/config.h"

#include "distbench/arguments.h"
#include "distbench/report.h"
#include "program/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DURATION_MS 10000

/* --- Values ----------------------------------------------------------------------- */

/* An unsigned number of 32 bits, as C writes it, that ends at @end; moves @text past
 * it. */
static bool
take_u32(const char **text, char end, unsigned long *ret)
{
	char *after;
	unsigned long long number;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	number = strtoull(*text, &after, 0);
	if (errno || number > UINT32_MAX || *after != end)
		return false;
	*text = after + (end != '\0');
	*ret = (unsigned long)number;
	return true;
}

static int
set_call(void *arg, char *text)
{
	struct config *config = arg;
	const char *rest = text;
	unsigned long prog, vers, proc;

	if (!take_u32(&rest, '/', &prog) || !take_u32(&rest, '/', &vers) ||
	    !take_u32(&rest, '\0', &proc))
		return program_wrong_usage(
			"--call: '%s' is not PROGRAM/VERSION/PROCEDURE, three "
			"numbers such as 0x20000A01/1/1",
			text);
	config->own_call = true;
	config->prog = (rpcprog_t)prog;
	config->vers = (rpcvers_t)vers;
	config->proc = (rpcproc_t)proc;
	return PROGRAM_DONE;
}

static int
set_pids(void *arg, char *text)
{
	struct config *config = arg;
	const char *rest = text;
	unsigned long pid;

	for (config->n_pids = 0; config->n_pids < CONFIG_MAX_PIDS;) {
		bool more = take_u32(&rest, ',', &pid);

		if ((!more && !take_u32(&rest, '\0', &pid)) || pid == 0 ||
		    pid > INT_MAX)
			break;
		config->pids[config->n_pids++] = (int)pid;
		if (!more)
			return PROGRAM_DONE;
	}
	return program_wrong_usage("--server-pid: '%s' is not PID[,PID...], at most %d",
	                           text, CONFIG_MAX_PIDS);
}

/* Of several, the last one counts. */
static void
drop_arguments(struct config *config)
{
	free(config->arguments);
	config->arguments = NULL;
}

static int
set_arguments(void *arg, char *path)
{
	struct config *config = arg;

	drop_arguments(config);
	return arguments_read(path, &config->arguments, &config->arguments_size);
}

static int
set_arguments_hex(void *arg, char *hex)
{
	struct config *config = arg;

	drop_arguments(config);
	return arguments_parse(hex, &config->arguments, &config->arguments_size);
}

static int
set_print(void *arg, char *names)
{
	struct config *config = arg;

	config->print = names;
	return report_check_names(names) ? PROGRAM_DONE : PROGRAM_WRONG_USAGE;
}

/* --- The options ------------------------------------------------------------------ */

static const struct program_option options[] = {
	PROGRAM_TEXT(masters, "masters", "LIST",
	             "HOST[:PORT][,HOST[:PORT]...]: call the nodes they know"),
	PROGRAM_TEXT(servers, "servers", "LIST",
	             "HOST:PORT[,HOST:PORT...]: call these, without a master"),

	PROGRAM_HEADING(
		"\nWhat is called; without --call, ARITH_SUM of idl/arith.x, its "
		"results checked:\n"),
	PROGRAM_NUMBER(n_ints, "ints", 0, 1 << 28, "how many integers to add up; 3"),
	PROGRAM_OTHER(set_call, "call", "P/V/N",
	              "procedure N of version V of program P"),
	PROGRAM_OTHER(set_arguments, "arguments", "FILE",
	              "its arguments in XDR, sent as they are; -: standard input"),
	PROGRAM_OTHER(set_arguments_hex, "arguments-hex", "HEX",
	              "the same, in hexadecimal; without either: none"),
	PROGRAM_NUMBER(result_bytes, "result-bytes", 0, INT_MAX,
	               "fail calls whose result is not N bytes of XDR"),

	PROGRAM_HEADING("\nHow:\n"),
	PROGRAM_NUMBER(n_threads, "threads", 1, 4096, "threads that call; 1"),
	PROGRAM_NUMBER(
		n_in_flight, "in-flight", 1, 1000000,
		"calls at the same time, from each thread; 1: one after the other, "
		"without waiters"),
	PROGRAM_NUMBER(
		n_clusters, "clusters", 1, 4096,
		"clusters that the threads share, each with a connection of its own "
		"to each node; 1"),
	PROGRAM_FLAG(in_order, "in-order",
	             "wait for the oldest call in flight, not for any one"),
	PROGRAM_NUMBER(
		rate, "rate", 1, 1000000000,
		"start N calls a second in all, evenly, however fast the answers "
		"are; latency counts from when a call was to start"),
	PROGRAM_NUMBER(timeout_ms, "timeout-ms", 1, INT_MAX,
	               "each call's deadline; none"),
	PROGRAM_FLAG(idempotent, "idempotent",
	             "calls whose node was lost go to another one"),
	PROGRAM_NUMBER(spin_us, "spin-us", 0, 1000000,
	               "poll so long for an answer before sleeping; 0"),
	PROGRAM_TIME(warm_up_ms, "warm-up", 0, INT_MAX,
	             "calls before those that count; 500ms"),
	PROGRAM_TIME(
		duration_ms, "duration", 1, INT_MAX,
		"how long calls count: a number with ms, s, m or h, as 10s, which is "
		"also the default"),
	PROGRAM_NUMBER(warm_up_ms, "warm-up-ms", 0, INT_MAX,
	               "as --warm-up, in milliseconds"),
	PROGRAM_NUMBER(duration_ms, "duration-ms", 1, INT_MAX,
	               "as --duration, in milliseconds"),
	PROGRAM_NUMBER(n_calls, "calls", 1, INT64_MAX,
	               "end when N calls have counted, however long it takes"),

	PROGRAM_HEADING("\nThe report:\n"),
	PROGRAM_OTHER(
		set_pids, "server-pid", "LIST",
		"PID[,PID...]: servers on this host, for their CPU time; without it "
		"nodes tell theirs"),
	PROGRAM_FLAG(json, "json", "print JSON"),
	PROGRAM_OTHER(set_print, "print", "LIST",
	              "print these members of the JSON alone, in one line"),
};

static const struct program_usage usage = {
	.before =
		"Usage: distbench --masters LIST [OPTION]...\n"
		"Call a service as fast as it answers, or at a given rate, and report latency,\n"
		"throughput and CPU time.\n"
		"\n",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.column = 23,
	.after =
		"\n"
		"Exit status: 0 all calls succeeded, 1 one failed or none could be made, 2 wrong\n"
		"usage. distbench(1) tells more.\n",
};

/* What is wrong with the whole; NULL: nothing. */
static const char *
find_fault(const struct config *config)
{
	if (!config->masters && !config->servers)
		return "--masters or --servers is missing: whom to call, such as "
		       "'--masters localhost'";
	if (config->arguments && !config->own_call)
		return "--arguments goes with --call, which says what takes them";
	if (config->result_bytes >= 0 && !config->own_call)
		return "--result-bytes goes with --call: sums are checked by themselves";
	if (config->n_clusters > config->n_threads)
		return "--clusters: there are more than threads to use them";
	if (config->n_calls && config->duration_ms)
		return "--calls and --duration: only one can say when it ends";
	if (config->in_order && config->rate)
		return "--in-order does not go with --rate, which takes answers as they "
		       "come";
	return NULL;
}

bool
config_parse(struct config *ret_config, int argc, char **argv, int *ret_status)
{
	struct config config = {
		.n_ints = 3,
		.result_bytes = -1,
		.n_threads = 1,
		.n_in_flight = 1,
		.n_clusters = 1,
		.warm_up_ms = 500,
	};
	const char *fault;

	if (!program_read(&usage, argc, argv, &config, ret_status)) {
		config_fini(&config);
		return false;
	}
	fault = find_fault(&config);
	if (!config.duration_ms)
		config.duration_ms = DEFAULT_DURATION_MS;
	if (!fault && optind == argc) {
		*ret_config = config;
		return true;
	}
	*ret_status = fault ? program_wrong_usage("%s", fault)
	                    : program_wrong_usage("'%s' is not an option; it takes "
	                                          "nothing else",
	                                          argv[optind]);
	config_fini(&config);
	return false;
}

void
config_fini(struct config *config)
{
	drop_arguments(config);
}
