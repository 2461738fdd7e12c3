#include <dist/dist.h>
#include "arith.h"                                 /* made by distgen from arith.x */

int main(void)
{
	struct dist_cluster *cluster;
	struct dist_waiter *waiters[2];
	int numbers[] = { 2, 4, 6 };
	int_array args = { 3, numbers };
	quad_t sum = 0, sums[2] = { 0, 0 };        /* results are zeroed first, as rpcgen's decoding wants */
	CLIENT *arith;

	if (dist_cluster_open(&cluster, "localhost", NULL)) {
		fprintf(stderr, "%s\n", dist_error_text());
		return 1;
	}
	arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);

	/* Synchronous: rpcgen's stub, unchanged. Any number of threads may share @arith. */
	if (arith_sum_1(args, &sum, arith) != RPC_SUCCESS)
		fprintf(stderr, "%s\n", dist_error_text());

	/* Asynchronous: the same stub, started by dist_go(). */
	waiters[0] = dist_go(arith, arith_sum_1, args, &sums[0]);
	waiters[1] = dist_go(arith, arith_sum_1, args, &sums[1]);
	for (int i = 0; i < 2; i++) {
		if (dist_waiter_wait(waiters[i], DIST_FOREVER) == DIST_OK)
			printf("%s: %ld\n", dist_waiter_node(waiters[i])->name, (long)sums[i]);
		else
			printf("%s\n", dist_waiter_error(waiters[i]));
		dist_waiter_free(waiters[i]);
	}
	clnt_destroy(arith);
	dist_cluster_close(cluster);
}
