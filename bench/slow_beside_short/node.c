#include "node.h"

#include "measure/clock.h"
#include "mixed.h"

#include <dist/dist.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
keep_busy(u_int us)
{
	int64_t until_ns = clock_now_ns() + (int64_t)us * 1000;

	while (clock_now_ns() < until_ns)
		;
}

bool_t
mixed_short_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	keep_busy(us);
	*result = us;
	return TRUE;
}

bool_t
mixed_slow_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	return mixed_short_1_svc(us, result, rqstp);
}

bool_t
mixed_slow_asleep_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	clock_sleep_until(clock_now_ns() + (int64_t)us * 1000);
	*result = us;
	return TRUE;
}

/* In the child: serve until it is killed, or its parent is gone. */
static void
node_serve(unsigned n_workers, int port_pipe)
{
	struct dist_node_options options = { .workers = n_workers, .no_rpcbind = true };
	struct dist_node *node;
	unsigned port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dist_node_start(&node, NULL, &options)) {
		fprintf(stderr, "slow_beside_short: %s\n", dist_error_text());
		_exit(1);
	}
	port = dist_node_port(node);
	if (write(port_pipe, &port, sizeof(port)) != sizeof(port))
		_exit(1);
	while (true)
		pause();
}

struct node
node_start(unsigned n_workers)
{
	struct node node = { .pid = -1 };
	int ends[2];

	if (pipe(ends) || (node.pid = fork()) < 0) {
		perror("slow_beside_short");
		exit(1);
	}
	if (node.pid == 0)
		node_serve(n_workers, ends[1]);
	close(ends[1]);
	if (read(ends[0], &node.port, sizeof(node.port)) != sizeof(node.port))
		exit(1);
	close(ends[0]);
	return node;
}

void
node_stop(struct node node)
{
	kill(node.pid, SIGKILL);
	waitpid(node.pid, NULL, 0);
}
