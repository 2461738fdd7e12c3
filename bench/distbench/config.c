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

static const char help[] =
	"Usage: distbench --masters LIST [OPTION]...\n"
	"Call a service as fast as it answers, or at a given rate, and report latency,\n"
	"throughput and CPU time.\n"
	"\n"
	"  --masters LIST       HOST[:PORT][,HOST[:PORT]...]: call the nodes they know\n"
	"  --servers LIST       HOST:PORT[,HOST:PORT...]: call these, without a master\n"
	"\n"
	"What is called; without --call, ARITH_SUM of idl/arith.x, its results checked:\n"
	"  --ints N             how many integers to add up; 3\n"
	"  --call P/V/N         procedure N of version V of program P\n"
	"  --arguments FILE     its arguments in XDR, sent as they are; -: standard input\n"
	"  --arguments-hex HEX  the same, in hexadecimal; without either: none\n"
	"  --result-bytes N     fail calls whose result is not N bytes of XDR\n"
	"\n"
	"How:\n"
	"  --threads N          threads that call; 1\n"
	"  --in-flight N        calls at the same time, from each thread; 1: one after the\n"
	"                       other, without waiters\n"
	"  --clusters N         clusters that the threads share, each with a connection of\n"
	"                       its own to each node; 1\n"
	"  --in-order           wait for the oldest call in flight, not for any one\n"
	"  --rate N             start N calls a second in all, evenly, however fast the\n"
	"                       answers are; latency counts from when a call was to start\n"
	"  --timeout-ms N       each call's deadline; none\n"
	"  --idempotent         calls whose node was lost go to another one\n"
	"  --spin-us N          poll so long for an answer before sleeping; 0\n"
	"  --warm-up TIME       calls before those that count; 500ms\n"
	"  --duration TIME      how long calls count: a number with ms, s, m or h, as 10s,\n"
	"                       which is also the default\n"
	"  --warm-up-ms N, --duration-ms N\n"
	"                       the same in milliseconds\n"
	"  --calls N            end when N calls have counted, however long it takes\n"
	"\n"
	"The report:\n"
	"  --server-pid LIST    PID[,PID...]: servers on this host, for their CPU time; without\n"
	"                       it nodes tell theirs\n"
	"  --json               print JSON\n"
	"  --print LIST         print these members of the JSON alone, in one line\n"
	"  --help               print this and exit\n"
	"  --version            print the version and exit\n"
	"\n"
	"Exit status: 0 all calls succeeded, 1 one failed or none could be made, 2 wrong\n"
	"usage. distbench(1) tells more.\n";

enum {
	OPTION_MASTERS = 256,
	OPTION_SERVERS,
	OPTION_INTS,
	OPTION_CALL,
	OPTION_ARGUMENTS,
	OPTION_ARGUMENTS_HEX,
	OPTION_RESULT_BYTES,
	OPTION_THREADS,
	OPTION_IN_FLIGHT,
	OPTION_CLUSTERS,
	OPTION_IN_ORDER,
	OPTION_RATE,
	OPTION_TIMEOUT,
	OPTION_IDEMPOTENT,
	OPTION_SPIN,
	OPTION_WARM_UP,
	OPTION_WARM_UP_MS,
	OPTION_DURATION,
	OPTION_DURATION_MS,
	OPTION_CALLS,
	OPTION_SERVER_PID,
	OPTION_JSON,
	OPTION_PRINT,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "masters", required_argument, NULL, OPTION_MASTERS },
	{ "servers", required_argument, NULL, OPTION_SERVERS },
	{ "ints", required_argument, NULL, OPTION_INTS },
	{ "call", required_argument, NULL, OPTION_CALL },
	{ "arguments", required_argument, NULL, OPTION_ARGUMENTS },
	{ "arguments-hex", required_argument, NULL, OPTION_ARGUMENTS_HEX },
	{ "result-bytes", required_argument, NULL, OPTION_RESULT_BYTES },
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "in-flight", required_argument, NULL, OPTION_IN_FLIGHT },
	{ "clusters", required_argument, NULL, OPTION_CLUSTERS },
	{ "in-order", no_argument, NULL, OPTION_IN_ORDER },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "timeout-ms", required_argument, NULL, OPTION_TIMEOUT },
	{ "idempotent", no_argument, NULL, OPTION_IDEMPOTENT },
	{ "spin-us", required_argument, NULL, OPTION_SPIN },
	{ "warm-up", required_argument, NULL, OPTION_WARM_UP },
	{ "warm-up-ms", required_argument, NULL, OPTION_WARM_UP_MS },
	{ "duration", required_argument, NULL, OPTION_DURATION },
	{ "duration-ms", required_argument, NULL, OPTION_DURATION_MS },
	{ "calls", required_argument, NULL, OPTION_CALLS },
	{ "server-pid", required_argument, NULL, OPTION_SERVER_PID },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "print", required_argument, NULL, OPTION_PRINT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

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

static bool
set_call(struct config *config, const char *text)
{
	const char *rest = text;
	unsigned long prog, vers, proc;

	if (!take_u32(&rest, '/', &prog) || !take_u32(&rest, '/', &vers) ||
	    !take_u32(&rest, '\0', &proc)) {
		program_wrong_usage(
			"--call: '%s' is not PROGRAM/VERSION/PROCEDURE, three "
			"numbers such as 0x20000A01/1/1",
			text);
		return false;
	}
	config->own_call = true;
	config->prog = (rpcprog_t)prog;
	config->vers = (rpcvers_t)vers;
	config->proc = (rpcproc_t)proc;
	return true;
}

static bool
set_pids(struct config *config, const char *text)
{
	const char *rest = text;
	unsigned long pid;

	for (config->n_pids = 0; config->n_pids < CONFIG_MAX_PIDS;) {
		bool more = take_u32(&rest, ',', &pid);

		if ((!more && !take_u32(&rest, '\0', &pid)) || pid == 0 ||
		    pid > INT_MAX)
			break;
		config->pids[config->n_pids++] = (int)pid;
		if (!more)
			return true;
	}
	program_wrong_usage("--server-pid: '%s' is not PID[,PID...], at most %d", text,
	                    CONFIG_MAX_PIDS);
	return false;
}

static bool
set_number(struct config *config, int option, const char *value)
{
	switch (option) {
	case OPTION_INTS:
		return program_number("--ints", value, 0, 1 << 28, &config->n_ints);
	case OPTION_RESULT_BYTES:
		return program_number("--result-bytes", value, 0, INT_MAX,
		                      &config->result_bytes);
	case OPTION_THREADS:
		return program_number("--threads", value, 1, 4096, &config->n_threads);
	case OPTION_IN_FLIGHT:
		return program_number("--in-flight", value, 1, 1000000,
		                      &config->n_in_flight);
	case OPTION_CLUSTERS:
		return program_number("--clusters", value, 1, 4096,
		                      &config->n_clusters);
	case OPTION_RATE:
		return program_number("--rate", value, 1, 1000000000, &config->rate);
	case OPTION_TIMEOUT:
		return program_number("--timeout-ms", value, 1, INT_MAX,
		                      &config->timeout_ms);
	case OPTION_SPIN:
		return program_number("--spin-us", value, 0, 1000000, &config->spin_us);
	case OPTION_WARM_UP:
		return program_duration("--warm-up", value, 0, INT_MAX,
		                        &config->warm_up_ms);
	case OPTION_WARM_UP_MS:
		return program_number("--warm-up-ms", value, 0, INT_MAX,
		                      &config->warm_up_ms);
	case OPTION_CALLS:
		return program_number("--calls", value, 1, INT64_MAX, &config->n_calls);
	case OPTION_DURATION:
		return program_duration("--duration", value, 1, INT_MAX,
		                        &config->duration_ms);
	default:
		return program_number("--duration-ms", value, 1, INT_MAX,
		                      &config->duration_ms);
	}
}

/* False: wrong usage or no such file, and a sentence said so. */
static bool
set_arguments(struct config *config, int option, const char *value, int *ret_status)
{
	free(config->arguments);
	config->arguments = NULL;
	*ret_status = option == OPTION_ARGUMENTS
	                      ? arguments_read(value, &config->arguments,
	                                       &config->arguments_size)
	                      : arguments_parse(value, &config->arguments,
	                                        &config->arguments_size);
	return *ret_status == PROGRAM_DONE;
}

/* False: a sentence said what is wrong, and @ret_status is what to exit with. */
static bool
set_option(struct config *config, int option, const char *value, int *ret_status)
{
	*ret_status = PROGRAM_WRONG_USAGE;
	switch (option) {
	case OPTION_MASTERS:
		config->masters = value;
		return true;
	case OPTION_SERVERS:
		config->servers = value;
		return true;
	case OPTION_CALL:
		return set_call(config, value);
	case OPTION_ARGUMENTS:
	case OPTION_ARGUMENTS_HEX:
		return set_arguments(config, option, value, ret_status);
	case OPTION_IN_ORDER:
		config->in_order = true;
		return true;
	case OPTION_IDEMPOTENT:
		config->idempotent = true;
		return true;
	case OPTION_SERVER_PID:
		return set_pids(config, value);
	case OPTION_JSON:
		config->json = true;
		return true;
	case OPTION_PRINT:
		config->print = value;
		return report_check_names(value);
	case '?':
		program_wrong_option();
		return false;
	default:
		return set_number(config, option, value);
	}
}

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
	int option;

	while ((option = program_next_option(argc, argv, options)) != -1) {
		if (option == OPTION_HELP || option == OPTION_VERSION) {
			*ret_status = option == OPTION_HELP ? program_print(help)
			                                    : program_print_version();
			config_fini(&config);
			return false;
		}
		if (!set_option(&config, option, optarg, ret_status)) {
			config_fini(&config);
			return false;
		}
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
	free(config->arguments);
	config->arguments = NULL;
}
