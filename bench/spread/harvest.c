/*
 * spread-harvest: one thread that keeps many calls in flight through a dist_queue, to
 * all nodes of a cluster. It measures what distbench does not: memory, where calls
 * went, and how long a number of calls takes.
 *
 *	spread-harvest --masters HOST --in-flight 100000 --seconds 2
 *	spread-harvest --masters HOST --in-flight 64 --calls 10000
 *
 * The first counts what gets done in a time, and how much memory the calls in flight
 * take; the second tells when the last of so many calls has ended. Each call adds three
 * numbers (ARITH_SUM) and is checked. Prints one line of JSON.
 */
#include "arith.h"
#include "measure/clock.h"
#include "measure/cpu.h"

#include <dist/dist.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_MAX  64
#define WARM_UP_NS INT64_C(250000000)

struct job {
	int first;
	quad_t sum;
};

struct node_count {
	char name[64];
	long n_calls;
};

struct arguments {
	struct dist_cluster_options cluster;
	const char *masters;
	unsigned n_nodes; /* to wait for */
	long n_in_flight;
	long n_calls; /* 0: by time */
	double seconds;
};

struct harvest {
	CLIENT *arith;
	struct dist_queue *queue;
	long n_started, n_ended;
	int64_t began_ns;
	double cpu_s;
	long memory_bytes; /* that the calls in flight take */
	struct node_count nodes[NODES_MAX];
};

static _Noreturn void
die(const char *why)
{
	fprintf(stderr, "spread-harvest: %s\n", why);
	exit(1);
}

/* --- Calls ------------------------------------------------------------------------ */

static void
harvest_start(struct harvest *harvest, struct job *job)
{
	int numbers[3] = { (int)(harvest->n_started++ & 0xffffff), 2, 3 };
	int_array args = { 3, numbers };

	job->first = numbers[0];
	job->sum = 0;
	if (dist_queue_add(harvest->queue,
	                   dist_go(harvest->arith, arith_sum_1, args, &job->sum), job))
		die(dist_error_text());
}

static void
harvest_count_node(struct harvest *harvest, const struct dist_node_info *node)
{
	struct node_count *count = harvest->nodes;

	while (*count->name && strcmp(count->name, node->name) != 0)
		if (++count == &harvest->nodes[NODES_MAX])
			return;
	if (!*count->name)
		snprintf(count->name, sizeof(count->name), "%s", node->name);
	count->n_calls++;
}

static struct job *
harvest_take(struct harvest *harvest)
{
	struct dist_waiter *waiter = dist_queue_take(harvest->queue, DIST_FOREVER);
	struct job *job = dist_waiter_tag(waiter);

	if (!waiter || dist_waiter_wait(waiter, 0))
		die(waiter ? dist_waiter_error(waiter) : "the queue is empty");
	if (job->sum != job->first + 5)
		die("a wrong sum");
	harvest_count_node(harvest, dist_waiter_node(waiter));
	dist_waiter_free(waiter);
	harvest->n_ended++;
	return job;
}

/* As many calls as there are places; each that ends makes room for the next. */
static void
harvest_until(struct harvest *harvest, int64_t until_ns)
{
	do {
		for (int i = 0; i < 256; i++)
			harvest_start(harvest, harvest_take(harvest));
	} while (clock_now_ns() < until_ns);
}

static void
harvest_drain(struct harvest *harvest)
{
	while (dist_queue_length(harvest->queue))
		harvest_take(harvest);
}

/* --- The two ways to measure ------------------------------------------------------ */

/* What counts begins here. */
static void
harvest_begin(struct harvest *harvest)
{
	memset(harvest->nodes, 0, sizeof(harvest->nodes));
	harvest->n_started = harvest->n_ended = 0;
	harvest->began_ns = clock_now_ns();
	harvest->cpu_s = cpu_self_s();
}

/* Bytes of this process that are in memory now. */
static long
resident_bytes(void)
{
	long n_pages, n_resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%ld %ld", &n_pages, &n_resident) != 2)
		n_resident = 0;
	fclose(file);
	return n_resident * sysconf(_SC_PAGESIZE);
}

static void
harvest_print(const struct harvest *harvest, long in_flight)
{
	double seconds = (double)(clock_now_ns() - harvest->began_ns) * 1e-9;
	double cpu_s = cpu_self_s() - harvest->cpu_s, n = (double)harvest->n_ended;
	const struct node_count *node = harvest->nodes;

	printf("{\"in_flight\": %ld, \"calls\": %ld, \"seconds\": %.4f, "
	       "\"calls_per_second\": %.1f, \"cpu_us_per_call\": %.3f, "
	       "\"memory_bytes_per_call\": %ld, \"nodes\": {",
	       in_flight, harvest->n_ended, seconds, n / seconds, cpu_s * 1e6 / n,
	       harvest->memory_bytes / in_flight);
	for (; node < &harvest->nodes[NODES_MAX] && *node->name; node++)
		printf("%s\"%s\": %ld", node == harvest->nodes ? "" : ", ", node->name,
		       node->n_calls);
	printf("}}\n");
}

static void
measure_rate(struct harvest *harvest, const struct arguments *arguments)
{
	harvest_until(harvest, clock_now_ns() + WARM_UP_NS);
	harvest_begin(harvest);
	harvest_until(harvest, harvest->began_ns + (int64_t)(arguments->seconds * 1e9));
	harvest_print(harvest, arguments->n_in_flight);
	harvest_drain(harvest);
}

static void
measure_makespan(struct harvest *harvest, struct job *jobs,
                 const struct arguments *arguments)
{
	/* Connections are there, and procedures are known, before the time runs. */
	harvest_drain(harvest);
	harvest_begin(harvest);
	for (long i = 0; i < arguments->n_in_flight; i++)
		harvest_start(harvest, &jobs[i]);
	while (harvest->n_started < arguments->n_calls)
		harvest_start(harvest, harvest_take(harvest));
	harvest_drain(harvest);
	harvest_print(harvest, arguments->n_in_flight);
}

/* --- The program ------------------------------------------------------------------ */

static const struct option long_options[] = {
	{ "masters", required_argument, NULL, 'm' },
	{ "servers", required_argument, NULL, 's' },
	{ "nodes", required_argument, NULL, 'n' },
	{ "in-flight", required_argument, NULL, 'f' },
	{ "calls", required_argument, NULL, 'c' },
	{ "seconds", required_argument, NULL, 'd' },
	{ NULL, 0, NULL, 0 },
};

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 'm')
			arguments->masters = optarg;
		else if (letter == 's')
			arguments->cluster.servers = optarg;
		else if (letter == 'n')
			arguments->n_nodes = (unsigned)strtoul(optarg, NULL, 10);
		else if (letter == 'f')
			arguments->n_in_flight = strtol(optarg, NULL, 10);
		else if (letter == 'c')
			arguments->n_calls = strtol(optarg, NULL, 10);
		else if (letter == 'd')
			arguments->seconds = strtod(optarg, NULL);
		else
			exit(2);
	}
	if (optind == argc && arguments->n_in_flight > 0 &&
	    (arguments->masters || arguments->cluster.servers))
		return;
	fputs("Usage: spread-harvest --masters LIST | --servers LIST [--nodes N] "
	      "[--in-flight N] [--calls N | --seconds N]\n",
	      stderr);
	exit(2);
}

static void
measure(struct dist_cluster *cluster, const struct arguments *arguments)
{
	struct job *jobs = calloc((size_t)arguments->n_in_flight, sizeof(*jobs));
	struct harvest harvest = { 0 };

	harvest.arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
	if (!jobs || !harvest.arith || dist_queue_new(&harvest.queue))
		die(dist_error_text());
	memset(jobs, 1, (size_t)arguments->n_in_flight * sizeof(*jobs));
	harvest.memory_bytes = -resident_bytes();
	for (long i = 0; i < arguments->n_in_flight; i++)
		harvest_start(&harvest, &jobs[i]);
	harvest.memory_bytes += resident_bytes();
	if (arguments->n_calls)
		measure_makespan(&harvest, jobs, arguments);
	else
		measure_rate(&harvest, arguments);
	dist_queue_free(harvest.queue);
	clnt_destroy(harvest.arith);
	free(jobs);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = { .n_nodes = 1, .n_in_flight = 64, .seconds = 2 };
	struct dist_cluster *cluster;

	arguments_parse(&arguments, argc, argv);
	if (dist_cluster_open(&cluster, arguments.masters, &arguments.cluster) ||
	    dist_cluster_wait_nodes(cluster, ARITH_PROG, ARITH_V1, arguments.n_nodes,
	                            10000))
		die(dist_error_text());
	measure(cluster, &arguments);
	dist_cluster_close(cluster);
	return 0;
}
