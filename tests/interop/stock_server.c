/*
 * A server that knows nothing of us: rpcgen's dispatcher under libtirpc's svc_run(), on a
 * port of the kernel's choice, which it prints. It needs no rpcbind.
 */
#include "stock_arith.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* Made by rpcgen -m, which declares it nowhere. */
void arith_prog_1(struct svc_req *rqstp, SVCXPRT *transport);

bool_t
arith_sum_1_svc(int_array numbers, quad_t *sum, struct svc_req *rqstp)
{
	(void)rqstp;
	*sum = 0;
	for (u_int i = 0; i < numbers.int_array_len; i++)
		*sum += numbers.int_array_val[i];
	return TRUE;
}

int
arith_prog_1_freeresult(SVCXPRT *transport, xdrproc_t xdr_result, caddr_t result)
{
	(void)transport;
	xdr_free(xdr_result, result);
	return 1;
}

int
main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SVCXPRT *transport;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		return 1;
	transport = svc_vc_create(fd, 0, 0);
	/* Without a netconfig nothing is asked of rpcbind. */
	if (!transport ||
	    !svc_reg(transport, ARITH_PROG, ARITH_V1, arith_prog_1, NULL))
		return 1;
	printf("listening port=%u\n", ntohs(address.sin_port));
	fflush(stdout);
	svc_run();
	return 1;
}
