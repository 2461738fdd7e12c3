/*
 * pick: what the choice of a node costs among ten of them, and among thousands.
 *
 *	pick [N...]
 *
 * The cluster is a real one; its view comes from a source in this process instead of a
 * master, and nobody listens at the nodes' addresses. A call is picked for, counted in
 * flight, and taken off the count again when a hundred others were picked for. One line
 * of JSON for each number of nodes; rounds take turns, and the median counts.
 */
#include "base/clock.h"
#include "client/call.h"
#include "client/cluster.h"

#include <dist/dist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROG      0x20000099
#define VERS      1
#define SIZES     8
#define ROUNDS    15
#define PICKS     100000
#define IN_FLIGHT 100

/* What a cluster follows: a view of @n nodes, once. */
struct source {
	pthread_mutex_t lock;
	pthread_cond_t interrupted;
	bool told, stopping;
	unsigned n;
};

struct contest {
	unsigned n;
	struct source source;
	struct dist_cluster *cluster;
	double ns[ROUNDS];
};

/* --- A view of nodes that are not there ------------------------------------------- */

static void
fill_node(dist_node_entry *node, unsigned i)
{
	char name[32], uaddr[64];

	memcpy(node->instance, &i, sizeof(i));
	node->instance[15] = 1;
	snprintf(name, sizeof(name), "node-%u", i);
	snprintf(uaddr, sizeof(uaddr), "127.%u.%u.%u.27.58", 16 + (i >> 16),
	         i >> 8 & 255, i & 255);
	node->name = strdup(name);
	node->endpoints.endpoints_len = 1;
	node->endpoints.endpoints_val = calloc(1, sizeof(dist_endpoint));
	node->endpoints.endpoints_val[0].netid = strdup("tcp");
	node->endpoints.endpoints_val[0].uaddr = strdup(uaddr);
	node->services.services_len = 1;
	node->services.services_val = calloc(1, sizeof(dist_service_entry));
	node->services.services_val[0] =
		(dist_service_entry){ PROG, VERS, strdup("P"), strdup("V") };
	node->capacity = 4;
	node->lease_ms = 3000;
}

static enum dist_err
source_next(void *arg, const dist_id master, uint64_t epoch, int64_t hold_ms,
            dist_view *ret_view)
{
	struct source *source = arg;
	bool first;

	(void)master;
	(void)epoch;
	(void)hold_ms;
	pthread_mutex_lock(&source->lock);
	first = !source->told;
	source->told = true;
	while (!first && !source->stopping)
		pthread_cond_wait(&source->interrupted, &source->lock);
	pthread_mutex_unlock(&source->lock);
	if (!first)
		return DIST_ECLOSED;
	*ret_view = (dist_view){ .epoch = 1, .lease_ms = 3000, .full = TRUE };
	ret_view->master[0] = 1;
	ret_view->nodes.dist_node_entries_len = source->n;
	ret_view->nodes.dist_node_entries_val =
		calloc(source->n, sizeof(dist_node_entry));
	for (unsigned i = 0; i < source->n; i++)
		fill_node(&ret_view->nodes.dist_node_entries_val[i], i);
	return DIST_OK;
}

static void
source_interrupt(void *arg)
{
	struct source *source = arg;

	pthread_mutex_lock(&source->lock);
	source->stopping = true;
	pthread_cond_broadcast(&source->interrupted);
	pthread_mutex_unlock(&source->lock);
}

/* --- Picking ---------------------------------------------------------------------- */

static bool
contest_open(struct contest *contest, unsigned n)
{
	struct dist_view_source source = { .next = source_next,
		                           .interrupt = source_interrupt,
		                           .arg = &contest->source };

	contest->n = contest->source.n = n;
	pthread_mutex_init(&contest->source.lock, NULL);
	pthread_cond_init(&contest->source.interrupted, NULL);
	if (!dist_cluster_open_source(&contest->cluster, source, NULL, 0))
		return true;
	fprintf(stderr, "pick: %s\n", dist_error_text());
	return false;
}

static void
let_go(struct dist_peer *peer)
{
	if (!peer)
		return;
	atomic_fetch_sub_explicit(&peer->in_flight, 1, memory_order_relaxed);
	dist_peer_unref(peer);
}

static double
pick_round(struct contest *contest)
{
	struct dist_peer *in_flight[IN_FLIGHT] = { NULL };
	struct dist_call call = { .prog = PROG, .vers = VERS };
	int64_t began_ns = dist_clock_ns();

	for (unsigned i = 0; i < PICKS; i++) {
		struct dist_peer **slot = &in_flight[i % IN_FLIGHT];

		let_go(*slot);
		if (dist_cluster_pick(&contest->cluster->route, &call, slot))
			abort();
	}
	began_ns = dist_clock_ns() - began_ns;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		let_go(in_flight[i]);
	return (double)began_ns / PICKS;
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
	static const unsigned usual[] = { 10, 100, 1000, 10000 };
	static struct contest contests[SIZES];
	unsigned n = argc > 1 ? (unsigned)argc - 1 : 4;

	if (n > SIZES)
		return 2;
	for (unsigned i = 0; i < n; i++) {
		unsigned size =
			argc > 1 ? (unsigned)strtoul(argv[i + 1], NULL, 10) : usual[i];

		if (!contest_open(&contests[i], size))
			return 1;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < n; i++)
			contests[i].ns[round] = pick_round(&contests[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		qsort(contests[i].ns, ROUNDS, sizeof(double), compare);
		printf("{\"nodes\": %u, \"pick_ns\": %.1f, \"lowest\": %.1f, "
		       "\"highest\": %.1f}\n",
		       contests[i].n, contests[i].ns[ROUNDS / 2], contests[i].ns[0],
		       contests[i].ns[ROUNDS - 1]);
		dist_cluster_close(contests[i].cluster);
	}
	return 0;
}
