/*
 * What dist_map() adds to an item: the same calls, sums of three numbers, made by a
 * map, and by a window of bare waiters in a queue, in turns. The node is a child of
 * this process.
 *
 *	bulk [ROUNDS [ITEMS]]
 *
 * Prints nanoseconds an item, by the clock, so client's and node's together, and the
 * median of the ratios of each round to the first way: a window of waiters that starts
 * a call for each that it takes. The second takes all there is before it starts more.
 */
#include <dist/dist.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "child/node.h"
#include "measure/clock.h"

#define WINDOW     256
#define ROUNDS_MAX 1001
#define ROUNDS     15
#define ITEMS      300000
#define N_WAYS     5

static int numbers[] = { 1, 2, 3 };
static const int_array args = { 3, numbers };
static uint64_t n_items = ITEMS;
static CLIENT *arith, *arith_idempotent;

static void
must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "bulk: %s: %s\n", what, dist_error_text());
	exit(1);
}

/* --- The node --------------------------------------------------------------------- */

bool_t
arith_sum_1_svc(int_array to_add, quad_t *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = 0;
	for (u_int i = 0; i < to_add.int_array_len; i++)
		*result += to_add.int_array_val[i];
	return TRUE;
}

/* --- Bare waiters ----------------------------------------------------------------- */

static void
bare_start(struct dist_queue *queue, quad_t *result)
{
	struct dist_waiter *waiter;

	*result = 0;
	waiter = dist_go(arith, arith_sum_1, args, result);
	must(waiter && dist_queue_add(queue, waiter, result) == DIST_OK, "a call");
}

/* Its place is free again. */
static quad_t *
bare_end(struct dist_waiter *waiter)
{
	quad_t *result = dist_waiter_tag(waiter);

	must(dist_waiter_wait(waiter, 0) == DIST_OK && *result == 6, "a result");
	dist_waiter_free(waiter);
	return result;
}

static void
bare_run(bool in_batches)
{
	quad_t results[WINDOW], *idle[WINDOW];
	uint64_t n_started = 0, n_done = 0, n_idle = 0;
	struct dist_queue *queue;
	struct dist_waiter *waiter;

	must(dist_queue_new(&queue) == DIST_OK, "a queue");
	for (; n_idle < WINDOW; n_idle++)
		idle[n_idle] = &results[n_idle];
	while (n_done < n_items) {
		while (n_idle && n_started < n_items) {
			bare_start(queue, idle[--n_idle]);
			n_started++;
		}
		waiter = dist_queue_take(queue, DIST_FOREVER);
		do {
			idle[n_idle++] = bare_end(waiter);
			n_done++;
		} while (in_batches && (waiter = dist_queue_take(queue, 0)));
	}
	dist_queue_free(queue);
}

static void
bare_one_by_one(void)
{
	bare_run(false);
}

static void
bare_in_batches(void)
{
	bare_run(true);
}

/* --- Maps ------------------------------------------------------------------------- */

static struct dist_waiter *
map_start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	(void)arg;
	return dist_go(clnt, arith_sum_1, args, item->result);
}

static enum dist_err
map_done(const struct dist_map_item *item, void *arg)
{
	(void)arg;
	must(!item->err && *(quad_t *)item->result == 6, "a result");
	return DIST_OK;
}

static void
map_run(CLIENT *clnt, bool in_order)
{
	struct dist_map_options options = { .n_items = n_items,
		                            .start = map_start,
		                            .done = map_done,
		                            .result_bytes = sizeof(quad_t),
		                            .in_order = in_order };

	must(dist_map(clnt, &options) == DIST_OK, "a map");
}

static void
map_plain(void)
{
	map_run(arith, false);
}

static void
map_in_order(void)
{
	map_run(arith, true);
}

static void
map_idempotent(void)
{
	map_run(arith_idempotent, false);
}

/* --- Taking turns ----------------------------------------------------------------- */

/* The first is what the others are held against. */
static const struct {
	const char *name;
	void (*run)(void);
} ways[N_WAYS] = {
	{ "waiters, one by one", bare_one_by_one },
	{ "waiters, in batches", bare_in_batches },
	{ "dist_map", map_plain },
	{ "dist_map, in order", map_in_order },
	{ "dist_map, idempotent", map_idempotent },
};

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double
median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void
measure(unsigned n_rounds)
{
	static double ns[N_WAYS][ROUNDS_MAX], ratios[N_WAYS][ROUNDS_MAX];

	for (unsigned i = 0; i < N_WAYS; i++)
		ways[i].run(); /* to warm up */
	for (unsigned round = 0; round < n_rounds; round++) {
		for (unsigned i = 0; i < N_WAYS; i++) {
			unsigned way = (round + i) % N_WAYS;
			int64_t began = clock_now_ns();

			ways[way].run();
			ns[way][round] =
				(double)(clock_now_ns() - began) / (double)n_items;
		}
		for (unsigned i = 0; i < N_WAYS; i++)
			ratios[i][round] = ns[i][round] / ns[0][round];
	}
	for (unsigned i = 0; i < N_WAYS; i++)
		printf("%-22s %6.0f ns an item, ratio %.2f\n", ways[i].name,
		       median(ns[i], n_rounds), median(ratios[i], n_rounds));
}

int
main(int argc, char **argv)
{
	struct dist_call_options idempotent = { .idempotent = true };
	int n_rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct dist_cluster_options options = { 0 };
	struct dist_cluster *cluster;
	char servers[32];
	struct node node;

	if (argc > 2)
		n_items = (uint64_t)atoll(argv[2]);
	if (argc > 3 || n_rounds < 1 || n_rounds > ROUNDS_MAX || n_items == 0) {
		fprintf(stderr, "Usage: bulk [ROUNDS [ITEMS]]\n");
		return 2;
	}
	node = node_start(&arith_prog_1_service, 0);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", node.port);
	options.servers = servers;
	must(dist_cluster_open(&cluster, NULL, &options) == DIST_OK, "the cluster");
	arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
	arith_idempotent =
		dist_client_create_with(cluster, ARITH_PROG, ARITH_V1, &idempotent);
	must(arith && arith_idempotent, "a CLIENT");
	measure((unsigned)n_rounds);
	clnt_destroy(arith);
	clnt_destroy(arith_idempotent);
	dist_cluster_close(cluster);
	node_stop(node);
	return 0;
}
