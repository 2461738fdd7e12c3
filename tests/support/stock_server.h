/*
 * A stock libtirpc server in a child process: rpcgen's own dispatcher under svc_run(), as
 * a fixed server of ours meets it. Procedures: ARITH_SUM, which sums, and dies of a first
 * number of STOCK_SERVER_POISON.
 */
#ifndef TESTS_STOCK_SERVER_H
#define TESTS_STOCK_SERVER_H

#include "io/socket.h"

#include <sys/types.h>

#define STOCK_SERVER_POISON INT32_MIN

struct stock_server {
	pid_t pid;
	struct dist_sockaddr address;
};

/* Before the test starts threads. Fails the test when it cannot. */
struct stock_server stock_server_start(void);
/* With SIGKILL; waits for its end. */
void stock_server_kill(struct stock_server *server);

#endif
