/*
 * How long short calls take beside slow ones, on one node and one connection.
 *
 *	slow_beside_short [SECONDS [WORKERS [SLOW_MS]]]
 *
 * A thread makes a call of 5 us every 2 ms and notes how long it takes: alone; then
 * while others keep as many slow calls in flight as the node has workers, which sleep;
 * then the same with slow calls that compute. What is due to the machine alone, such as
 * queueing for a CPU, shows when the same slow calls go to another node, in another
 * process: the last column compares with that. Each slow procedure was fast for its
 * first thousand runs, so that the node takes it for a short one, and the change is part
 * of what is measured.
 */
#include "measure/clock.h"
#include "measure/latency.h"
#include "mixed.h"
#include "child/node.h"

#include <dist/dist.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_US     5
#define INTERVAL_NS  2000000
#define WARM_UP_RUNS 1000
#define WORKERS_MAX  64

typedef enum clnt_stat slow_stub(u_int us, u_int *result, CLIENT *clnt);

struct bench {
	CLIENT *clnt, *elsewhere;
	int64_t seconds;
	unsigned n_workers;
	u_int slow_us;
	/* Of this part. */
	slow_stub *slow;
	CLIENT *slow_clnt;
	atomic_bool stop;
	atomic_ulong n_slow;
};

static void
die(const char *what)
{
	fprintf(stderr, "slow_beside_short: %s: %s\n", what, dist_error_text());
	exit(1);
}

static void
call(CLIENT *clnt, slow_stub *stub, u_int us)
{
	u_int result = 0;

	if (stub(us, &result, clnt) != RPC_SUCCESS || result != us)
		die("a call failed");
}

static void *
make_slow_calls(void *arg)
{
	struct bench *bench = arg;

	while (!atomic_load(&bench->stop)) {
		call(bench->slow_clnt, bench->slow, bench->slow_us);
		atomic_fetch_add(&bench->n_slow, 1);
	}
	return NULL;
}

/*
 * One every so often. A call that could not start in time, because the one before it
 * took so long, has begun when it should have; what is far behind ends early.
 */
static void
measure_short_calls(struct bench *bench, struct latency *latency)
{
	int64_t length_ns = bench->seconds * 1000000000;
	int64_t due_ns = clock_now_ns(), until_ns = due_ns + length_ns, began_ns = 0;

	memset(latency, 0, sizeof(*latency));
	for (; due_ns < until_ns && clock_now_ns() < until_ns + length_ns;
	     due_ns += INTERVAL_NS) {
		began_ns = due_ns;
		if (clock_now_ns() < due_ns) {
			clock_sleep_until(due_ns);
			began_ns = clock_now_ns();
		}
		call(bench->clnt, mixed_short_1, SHORT_US);
		latency_add(latency, clock_now_ns() - began_ns);
	}
}

/* Returns the p99, in us, after which less @base_us is shown. */
static double
report(const char *what, const struct latency *latency, double base_us,
       unsigned long n_slow)
{
	double p99_us = latency_percentile_us(latency, 0.99);

	printf("%-26s %6llu %8.0f %8.0f %8.0f %8.0f %8.0f %7lu", what,
	       (unsigned long long)latency->n, latency_percentile_us(latency, 0.5),
	       latency_percentile_us(latency, 0.9), p99_us,
	       latency_percentile_us(latency, 0.999), (double)latency->max_ns / 1000,
	       n_slow);
	if (base_us > 0)
		printf(" %+9.0f", p99_us - base_us);
	printf("\n");
	fflush(stdout);
	return p99_us;
}

static double
measure_beside(struct bench *bench, CLIENT *slow_clnt, slow_stub *slow,
               const char *what, double base_us)
{
	static struct latency latency;
	pthread_t threads[WORKERS_MAX];

	bench->slow = slow;
	bench->slow_clnt = slow_clnt;
	atomic_store(&bench->stop, false);
	atomic_store(&bench->n_slow, 0);
	for (int i = 0; i < WARM_UP_RUNS; i++)
		call(slow_clnt, slow, SHORT_US);
	for (unsigned i = 0; i < bench->n_workers; i++) {
		if (pthread_create(&threads[i], NULL, make_slow_calls, bench)) {
			perror("slow_beside_short");
			exit(1);
		}
	}
	measure_short_calls(bench, &latency);
	atomic_store(&bench->stop, true);
	for (unsigned i = 0; i < bench->n_workers; i++)
		pthread_join(threads[i], NULL);
	return report(what, &latency, base_us, atomic_load(&bench->n_slow));
}

static void
run(struct bench *bench)
{
	static struct latency lone;
	double p99_us;

	for (int i = 0; i < WARM_UP_RUNS; i++)
		call(bench->clnt, mixed_short_1, SHORT_US);
	measure_short_calls(bench, &lone);

	printf("%-26s %6s %8s %8s %8s %8s %8s %7s %9s\n", "short calls, us", "n", "p50",
	       "p90", "p99", "p99.9", "max", "n slow", "p99 more");
	report("alone", &lone, 0, 0);
	p99_us = measure_beside(bench, bench->elsewhere, mixed_slow_asleep_1,
	                        "sleeping ones elsewhere", 0);
	measure_beside(bench, bench->clnt, mixed_slow_asleep_1, "beside sleeping ones",
	               p99_us);
	p99_us = measure_beside(bench, bench->elsewhere, mixed_slow_1,
	                        "computing ones elsewhere", 0);
	measure_beside(bench, bench->clnt, mixed_slow_1, "beside computing ones",
	               p99_us);
}

static CLIENT *
client_of(struct dist_cluster **ret_cluster, struct node node)
{
	struct dist_cluster_options options = { 0 };
	char address[32];
	CLIENT *clnt;

	snprintf(address, sizeof(address), "127.0.0.1:%u", node.port);
	options.servers = address;
	if (dist_cluster_open(ret_cluster, NULL, &options))
		die("no cluster");
	clnt = dist_client_create(*ret_cluster, MIXED_PROG, MIXED_V1);
	if (!clnt)
		die("no client");
	return clnt;
}

static unsigned
argument(int argc, char **argv, int i, unsigned otherwise, unsigned max)
{
	unsigned long value = argc > i ? strtoul(argv[i], NULL, 10) : otherwise;

	if (value < 1 || value > max) {
		fprintf(stderr, "slow_beside_short: %s is not from 1 to %u\n", argv[i],
		        max);
		exit(2);
	}
	return (unsigned)value;
}

int
main(int argc, char **argv)
{
	struct bench bench = {
		.seconds = argument(argc, argv, 1, 5, 3600),
		.n_workers = argument(argc, argv, 2, 2, WORKERS_MAX),
		.slow_us = argument(argc, argv, 3, 20, 1000) * 1000,
	};
	struct dist_cluster *clusters[2];
	struct node nodes[2];

	for (int i = 0; i < 2; i++)
		nodes[i] = node_start(NULL, bench.n_workers);
	bench.clnt = client_of(&clusters[0], nodes[0]);
	bench.elsewhere = client_of(&clusters[1], nodes[1]);
	run(&bench);
	clnt_destroy(bench.clnt);
	clnt_destroy(bench.elsewhere);
	for (int i = 0; i < 2; i++) {
		dist_cluster_close(clusters[i]);
		node_stop(nodes[i]);
	}
	return 0;
}
