/*
 * What statistics cost: the counting of made-up calls, on the client's side and on the
 * node's, one by one and in batches as threads and turns take them.
 *
 *	counting [ROUNDS]
 *
 * Prints nanoseconds a call, the median of the rounds, which take turns.
 */
#include "base/histogram.h"
#include "client/cluster.h"
#include "client/stats.h"
#include "measure/clock.h"
#include "server/call.h"
#include "server/stats.h"
#include "wire/callmsg.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 1001
#define N_CALLS    200000u
#define BATCH_MAX  256u

static struct dist_cluster *cluster;
static struct dist_peer *peer;

/* Calls leave and are answered, @batch of them by one read. */
static void
count_on_client(unsigned batch)
{
	static const struct dist_reply_header success = { .stat = MSG_ACCEPTED,
		                                          .accept = SUCCESS };
	static struct dist_call calls[BATCH_MAX];
	static uint32_t draws;
	struct dist_tally tally;

	for (unsigned i = 0; i < batch; i++) {
		calls[i].prog = 0x20000099;
		calls[i].n_sent = 1;
		calls[i].sent_bytes = 60;
		dist_stats_sent(&calls[i], batch, &draws);
	}
	dist_tally_init(&tally, peer);
	for (unsigned i = 0; i < batch; i++)
		dist_tally_reply(&tally, &calls[i], &success, 32);
	dist_tally_flush(&tally);
}

/* One turn reads and runs @batch calls. When they ran is known: paces need it too. */
static void
count_on_node(unsigned batch)
{
	static struct dist_served_counts counts;
	static struct dist_server_tally tally;
	struct dist_server_call call = { .counts = &counts,
		                         .outcome = DIST_OUTCOME_OK,
		                         .reply_bytes = 32 };

	for (unsigned i = 0; i < batch; i++) {
		dist_server_tally_taken(&tally, &counts, 60);
		dist_server_tally_ran(&tally, &call, 700 + i % 8, 900 + i % 16);
	}
	dist_server_tally_flush(&tally);
}

static const struct {
	const char *name;
	void (*count)(unsigned batch);
	unsigned batch;
} works[] = {
	{ "client, one by one", count_on_client, 1 },
	{ "client, 16 at once", count_on_client, 16 },
	{ "client, 64 at once", count_on_client, 64 },
	{ "client, 256 at once", count_on_client, 256 },
	{ "node, one by one", count_on_node, 1 },
	{ "node, 64 at once", count_on_node, 64 },
};

#define N_WORKS (sizeof(works) / sizeof(works[0]))

static double
measure(size_t work)
{
	int64_t began_ns = clock_now_ns();

	for (unsigned i = 0; i < N_CALLS; i += works[work].batch)
		works[work].count(works[work].batch);
	return (double)(clock_now_ns() - began_ns) / N_CALLS;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	/* Nobody listens there, and nobody is called. */
	const struct dist_cluster_options options = { .servers = "127.0.0.1:9" };
	long n_rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 51;
	static double ns[N_WORKS][ROUNDS_MAX];

	if (n_rounds < 1 || n_rounds > ROUNDS_MAX) {
		fputs("Usage: counting [ROUNDS]\n", stderr);
		return 2;
	}
	if (dist_cluster_open(&cluster, NULL, &options)) {
		fprintf(stderr, "counting: %s\n", dist_error_text());
		return 1;
	}
	peer = cluster->members.list[0]->peer;
	for (long round = 0; round < n_rounds; round++) {
		for (size_t i = 0; i < N_WORKS; i++)
			ns[i][round] = measure(i);
	}
	for (size_t i = 0; i < N_WORKS; i++) {
		qsort(ns[i], (size_t)n_rounds, sizeof(double), compare);
		printf("%-20s %6.1f ns a call\n", works[i].name, ns[i][n_rounds / 2]);
	}
	dist_cluster_close(cluster);
	return 0;
}
