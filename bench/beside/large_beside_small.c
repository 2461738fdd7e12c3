/*
 * How long small calls take alone, and while 64 MiB records move both ways between the
 * same two processes. The node is a child of this process; one thread makes small calls
 * one after the other, another large ones, in turns of a second each way.
 *
 *	large_beside_small [ROUNDS [MIB]]
 */
#include <dist/dist.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "child/node.h"
#include "measure/clock.h"
#include "measure/latency.h"

#define MIB     ((size_t)1024 * 1024)
#define TURN_NS INT64_C(1000000000)

extern const struct dist_service blob_prog_1_service;

static struct dist_cluster *cluster;
static atomic_bool over;
static atomic_ulong n_large;

static void
must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "large_beside_small: %s: %s\n", what, dist_error_text());
	exit(1);
}

bool_t
blob_echo_1_svc(blob bytes, blob *result, struct svc_req *rqstp)
{
	(void)rqstp;
	result->blob_len = bytes.blob_len;
	result->blob_val = malloc(bytes.blob_len + 1);
	if (!result->blob_val)
		return FALSE;
	memcpy(result->blob_val, bytes.blob_val, bytes.blob_len);
	return TRUE;
}

static void
echo(CLIENT *clnt, char *bytes, size_t length)
{
	blob sent = { (u_int)length, bytes }, got = { 0, NULL };

	must(blob_echo_1(sent, &got, clnt) == RPC_SUCCESS && got.blob_len == length,
	     "a call");
	clnt_freeres(clnt, (xdrproc_t)xdr_blob, (caddr_t)&got);
}

static void *
large_main(void *arg)
{
	size_t length = *(size_t *)arg;
	CLIENT *clnt = dist_client_create(cluster, BLOB_PROG, BLOB_V1);
	char *bytes = malloc(length);

	must(clnt && bytes, "memory");
	memset(bytes, 'x', length);
	while (!atomic_load(&over)) {
		echo(clnt, bytes, length);
		atomic_fetch_add(&n_large, 1);
	}
	clnt_destroy(clnt);
	free(bytes);
	return NULL;
}

static void
small_calls(struct latency *latency)
{
	CLIENT *clnt = dist_client_create(cluster, BLOB_PROG, BLOB_V1);
	int64_t until = clock_now_ns() + TURN_NS, began, ended;
	char bytes[16] = "a small call";

	must(clnt, "memory");
	do {
		began = clock_now_ns();
		echo(clnt, bytes, sizeof(bytes));
		ended = clock_now_ns();
		latency_add(latency, ended - began);
	} while (ended < until);
	clnt_destroy(clnt);
}

static void
show(const char *name, const struct latency *latency)
{
	static const double parts[] = { 0.1, 0.5, 0.9, 0.95, 0.99, 0.999 };

	printf("%-8s %8lu", name, (unsigned long)latency->n);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		printf(" %9.1f", latency_percentile_us(latency, parts[i]));
	printf(" %9.1f\n", (double)latency->max_ns / 1000);
}

int
main(int argc, char **argv)
{
	static struct latency alone, beside;
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	size_t length = (argc > 2 ? (size_t)atoi(argv[2]) : 64) * MIB;
	struct dist_cluster_options options = { 0 };
	char address[64];
	struct node node = node_start(&blob_prog_1_service, 0);

	snprintf(address, sizeof(address), "127.0.0.1:%u", node.port);
	options.servers = address;
	must(dist_cluster_open(&cluster, NULL, &options) == DIST_OK, "the cluster");
	for (int i = 0; i < rounds; i++) {
		pthread_t large;

		small_calls(&alone);
		atomic_store(&over, false);
		must(pthread_create(&large, NULL, large_main, &length) == 0,
		     "a thread");
		small_calls(&beside);
		atomic_store(&over, true);
		pthread_join(large, NULL);
	}
	printf("microseconds of a small call, alone and beside large ones (%lu of %zu MiB "
	       "there and back)\n",
	       atomic_load(&n_large), length / MIB);
	printf("%-8s %8s %9s %9s %9s %9s %9s %9s %9s\n", "", "calls", "p10", "p50",
	       "p90", "p95", "p99", "p99.9", "max");
	show("alone", &alone);
	show("beside", &beside);
	printf("p99 beside - p99 alone = %.1f us\n",
	       latency_percentile_us(&beside, 0.99) -
	               latency_percentile_us(&alone, 0.99));
	dist_cluster_close(cluster);
	node_stop(node);
	return 0;
}
