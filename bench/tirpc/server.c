/*
 * Stock libtirpc: the dispatcher that rpcgen makes, and svc_run().
 *
 *	server PORT
 *
 * It asks nothing of rpcbind: the client is told the port.
 */
#include "measure/peer.h"

#include "arith.h"

#include <stdlib.h>

void arith_prog_1(struct svc_req *, SVCXPRT *);

bool_t
arith_sum_1_svc(int_array numbers, quad_t *sum, struct svc_req *rqstp)
{
	(void)rqstp;
	*sum = peer_sum(numbers.int_array_val, numbers.int_array_len);
	return TRUE;
}

int
arith_prog_1_freeresult(SVCXPRT *xprt, xdrproc_t xdr_result, caddr_t result)
{
	(void)xprt;
	xdr_free(xdr_result, result);
	return 1;
}

int
main(int argc, char **argv)
{
	SVCXPRT *xprt = svc_vc_create(peer_listen(argc == 2 ? atoi(argv[1]) : 0), 0, 0);

	if (!xprt || !svc_reg(xprt, ARITH_PROG, ARITH_V1, arith_prog_1, NULL))
		peer_die("the service cannot be registered");
	svc_run();
	return 1;
}
