#include "support/stock_server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arith.h"
#include "support/check.h"

bool_t
arith_sum_1_svc(int_array numbers, quad_t *result, struct svc_req *rqstp)
{
	(void)rqstp;
	if (numbers.int_array_len && numbers.int_array_val[0] == STOCK_SERVER_POISON)
		kill(getpid(), SIGKILL);
	*result = 0;
	for (u_int i = 0; i < numbers.int_array_len; i++)
		*result += numbers.int_array_val[i];
	return TRUE;
}

/* What rpcgen -M leaves to the user. */
int
arith_prog_1_freeresult(SVCXPRT *transport, xdrproc_t xdr_result, caddr_t result)
{
	(void)transport;
	xdr_free(xdr_result, result);
	return 1;
}

static void
serve(int listener)
{
	SVCXPRT *transport;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	transport = svc_vc_create(listener, 0, 0);
	if (!transport || !svc_reg(transport, ARITH_PROG, ARITH_V1, arith_prog_1, NULL))
		_exit(1);
	svc_run();
	_exit(1);
}

struct stock_server
stock_server_start(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct stock_server server = { 0 };
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 64), 0);
	server.address.length = sizeof(server.address.storage);
	assert_int_equal(getsockname(listener, &server.address.sa, &server.address.length),
	                 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0)
		serve(listener);
	close(listener);
	return server;
}

void
stock_server_kill(struct stock_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}
