/*
 * arith-load: keeps a cluster busy, and counts what comes of it.
 *
 *	arith-load --masters HOST --in-flight 64 --seconds 10
 *
 * A number of calls is always in flight, through a queue: whenever one ends, its result
 * is checked and the next starts. The calls are declared idempotent, since adding twice
 * does no harm: a call whose node was lost goes to another one, and nothing fails.
 *
 * Each second it prints how many calls ended, and at the end one line a node and
 * "calls=N failures=N nodes=N"; the exit status is 0 only if none failed.
 */
#include "arith.h"

#include "numbers.h"

#include <dist/dist.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOAD_MAX_NODES     1024
#define LOAD_MAX_IN_FLIGHT 100000

struct arguments {
	const char *masters;
	int64_t in_flight;
	int64_t seconds; /* 0: until a signal */
};

struct node_count {
	char name[256];
	long n_calls;
	bool in_second; /* it answered in the second that is running */
};

/* One call: what it adds up, and where its result goes. */
struct load_call {
	int numbers[3];
	quad_t sum;
};

struct load {
	CLIENT *arith;
	struct dist_queue *queue;
	struct load_call *calls;
	long n_started;
	long n_ended;
	long n_failures;
	struct node_count nodes[LOAD_MAX_NODES];
	size_t n_nodes;
};

static volatile sig_atomic_t load_stopped;

static void
load_on_signal(int signal_number)
{
	(void)signal_number;
	load_stopped = 1;
}

static double
load_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void
load_failed(struct load *load, const char *reason)
{
	load->n_failures++;
	if (load->n_failures <= 10)
		fprintf(stderr, "arith-load: %s\n", reason);
}

/* In order of name, so that they can be read; the last takes what is beyond the table.
 */
static struct node_count *
load_find_node(struct load *load, const char *name)
{
	struct node_count *nodes = load->nodes;
	size_t place = 0;

	while (place < load->n_nodes && strcmp(nodes[place].name, name) < 0)
		place++;
	if (place < load->n_nodes && !strcmp(nodes[place].name, name))
		return &nodes[place];
	if (load->n_nodes == LOAD_MAX_NODES)
		return &nodes[LOAD_MAX_NODES - 1];

	memmove(&nodes[place + 1], &nodes[place],
	        (load->n_nodes - place) * sizeof(nodes[0]));
	nodes[place] = (struct node_count){ 0 };
	snprintf(nodes[place].name, sizeof(nodes[place].name), "%s", name);
	load->n_nodes++;
	return &nodes[place];
}

/* Starts one call and gives its waiter to the queue. False: it did not start. */
static bool
load_start_call(struct load *load, struct load_call *call)
{
	int_array numbers = { 3, call->numbers };
	int n = (int)(load->n_started++ % 1000000);
	struct dist_waiter *waiter;

	call->numbers[0] = n;
	call->numbers[1] = -2 * n;
	call->numbers[2] = 3 * n;
	call->sum = 0;
	waiter = dist_go(load->arith, arith_sum_1, numbers, &call->sum);
	if (waiter && !dist_queue_add(load->queue, waiter, call))
		return true;

	load->n_ended++;
	load_failed(load, dist_error_text());
	dist_waiter_free(waiter);
	return false;
}

/* Counts a call that ended, and checks its answer. */
static void
load_end_call(struct load *load, struct dist_waiter *waiter)
{
	const struct load_call *call = dist_waiter_tag(waiter);
	struct node_count *node;

	load->n_ended++;
	if (dist_waiter_wait(waiter, 0)) {
		load_failed(load, dist_waiter_error(waiter));
		return;
	}
	if (call->sum != 2 * (quad_t)call->numbers[0])
		load_failed(load, "a wrong sum came back");
	node = load_find_node(load, dist_waiter_node(waiter)->name);
	node->n_calls++;
	node->in_second = true;
}

static void
load_report(struct load *load, int64_t second, long n_calls)
{
	printf("%4lld s  %7ld calls  %ld failed  by", (long long)second, n_calls,
	       load->n_failures);
	for (size_t i = 0; i < load->n_nodes; i++) {
		if (load->nodes[i].in_second)
			printf(" %s", load->nodes[i].name);
		load->nodes[i].in_second = false;
	}
	printf("\n");
	fflush(stdout);
}

/*
 * Until time is up or a signal comes: takes what ended and starts the next in its
 * place. A call that cannot start ends the run, since the cluster would be asked in a
 * busy loop.
 */
static void
load_run(struct load *load, const struct arguments *arguments)
{
	double start = load_now();
	int64_t second = 1;
	long n_reported = 0;
	bool going = true;

	for (int64_t i = 0; i < arguments->in_flight && going; i++)
		going = load_start_call(load, &load->calls[i]);

	while (going && !load_stopped) {
		struct dist_waiter *waiter = dist_queue_take(load->queue, 100);

		if (waiter) {
			load_end_call(load, waiter);
			going = load_start_call(load, dist_waiter_tag(waiter));
			dist_waiter_free(waiter);
		}
		if (load_now() - start < (double)second)
			continue;
		load_report(load, second, load->n_ended - n_reported);
		n_reported = load->n_ended;
		if (second++ == arguments->seconds)
			break;
	}
}

/* What is still in flight is waited for: stopping loses no call either. */
static void
load_finish(struct load *load)
{
	struct dist_waiter *waiter;

	while ((waiter = dist_queue_take(load->queue, DIST_FOREVER))) {
		load_end_call(load, waiter);
		dist_waiter_free(waiter);
	}
	for (size_t i = 0; i < load->n_nodes; i++)
		printf("%s %ld\n", load->nodes[i].name, load->nodes[i].n_calls);
	printf("calls=%ld failures=%ld nodes=%zu\n", load->n_ended, load->n_failures,
	       load->n_nodes);
}

/* False: it could not begin; this thread's error says why. */
static bool
load_on_cluster(struct load *load, struct dist_cluster *cluster,
                const struct arguments *arguments)
{
	struct dist_call_options options = { .idempotent = true };

	load->calls = calloc((size_t)arguments->in_flight, sizeof(*load->calls));
	load->arith = dist_client_create_with(cluster, ARITH_PROG, ARITH_V1, &options);
	if (!load->calls || !load->arith || dist_queue_new(&load->queue))
		return false;
	load_run(load, arguments);
	load_finish(load);
	return true;
}

static void
load_fini(struct load *load)
{
	dist_queue_free(load->queue);
	if (load->arith)
		clnt_destroy(load->arith);
	free(load->calls);
}

static const char load_help[] =
	"Usage: arith-load [--masters LIST] [--in-flight N] [--seconds N]\n"
	"Keep a cluster busy with sums, and count the calls by node.\n"
	"\n"
	"  --masters LIST  HOST[:PORT][,HOST[:PORT]...]; localhost\n"
	"  --in-flight N   calls at the same time; 64\n"
	"  --seconds N     how long; 0, the default: until SIGINT or SIGTERM\n"
	"  --help          print this\n"
	"  --version       print the version\n";

static int64_t
arguments_parse_number(const char *option, const char *text, int64_t min, int64_t max)
{
	int64_t number;

	if (number_parse(text, min, max, &number))
		return number;
	fprintf(stderr, "arith-load: %s takes %lld to %lld, not %s\n", option,
	        (long long)min, (long long)max, text);
	fputs("Try 'arith-load --help'\n", stderr);
	exit(2);
}

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "masters", required_argument, NULL, 'm' },
		{ "in-flight", required_argument, NULL, 'i' },
		{ "seconds", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			arguments->masters = optarg;
			break;
		case 'i':
			arguments->in_flight = arguments_parse_number(
				"--in-flight", optarg, 1, LOAD_MAX_IN_FLIGHT);
			break;
		case 's':
			arguments->seconds =
				arguments_parse_number("--seconds", optarg, 0, 86400);
			break;
		case 'h':
			fputs(load_help, stdout);
			exit(0);
		case 'V':
			puts("arith-load " EXAMPLES_VERSION);
			exit(0);
		default:
			fputs("Try 'arith-load --help'\n", stderr);
			exit(2);
		}
	}
	if (optind == argc)
		return;
	fprintf(stderr, "arith-load: it takes no arguments: %s\n", argv[optind]);
	fputs("Try 'arith-load --help'\n", stderr);
	exit(2);
}

int
main(int argc, char **argv)
{
	static struct load load; /* too large for a stack */
	struct arguments arguments = { .masters = "localhost", .in_flight = 64 };
	struct sigaction action = { .sa_handler = load_on_signal };
	struct dist_cluster *cluster;
	bool began;

	arguments_parse(&arguments, argc, argv);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	if (dist_cluster_open(&cluster, arguments.masters, NULL)) {
		fprintf(stderr, "arith-load: %s\n", dist_error_text());
		return 1;
	}
	began = load_on_cluster(&load, cluster, &arguments);
	if (!began)
		fprintf(stderr, "arith-load: %s\n", dist_error_text());
	load_fini(&load);
	dist_cluster_close(cluster);
	return began && !load.n_failures ? 0 : 1;
}
