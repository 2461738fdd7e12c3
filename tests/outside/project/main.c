/* Multiplies two matrices on a node, and asks for a trace through a waiter. */
#include "matrix.h"

#include <dist/dist.h>

#include <stdio.h>

static int
multiply(CLIENT *client)
{
	double cells[] = { 1, 2, 3, 4 };
	matrix square = { 2, { 4, cells } }, product = { 0 };

	if (matrix_multiply_1(square, square, &product, client) != RPC_SUCCESS) {
		fprintf(stderr, "%s\n", dist_error_text());
		return 1;
	}
	for (u_int i = 0; i < product.cells.cells_len; i++)
		printf("%g ", product.cells.cells_val[i]);
	clnt_freeres(client, (xdrproc_t)xdr_matrix, &product);
	return 0;
}

static int
trace(CLIENT *client)
{
	double cells[] = { 1, 2, 3, 4 }, sum = 0;
	matrix square = { 2, { 4, cells } };
	struct dist_waiter *waiter = dist_go(client, matrix_trace_1, square, &sum);
	int failed = dist_waiter_wait(waiter, DIST_FOREVER) != DIST_OK;

	if (failed)
		fprintf(stderr, "%s\n", dist_waiter_error(waiter));
	else
		printf("trace %g from %s\n", sum, dist_waiter_node(waiter)->name);
	dist_waiter_free(waiter);
	return failed;
}

int
main(int argc, char **argv)
{
	struct dist_cluster *cluster;
	CLIENT *client;
	int failed;

	if (argc != 2 || dist_cluster_open(&cluster, argv[1], NULL)) {
		fprintf(stderr, "%s\n", dist_error_text());
		return 1;
	}
	client = dist_client_create(cluster, MATRIX_PROG, MATRIX_V1);
	failed = multiply(client) || trace(client);
	clnt_destroy(client);
	dist_cluster_close(cluster);
	return failed;
}
