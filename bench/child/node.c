#include "child/node.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: serve until it is killed, or its parent is gone. */
static void
node_serve(const struct dist_service *service, unsigned n_workers, int port_pipe)
{
	const struct dist_service *services[] = { service, NULL };
	struct dist_node_options options = { .listen = "127.0.0.1:0",
		                             .workers = n_workers,
		                             .no_rpcbind = true };
	struct dist_node *node;
	unsigned port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dist_node_start(&node, service ? services : NULL, &options)) {
		fprintf(stderr, "%s: the node: %s\n", program_invocation_short_name,
		        dist_error_text());
		_exit(1);
	}
	port = dist_node_port(node);
	if (write(port_pipe, &port, sizeof(port)) != sizeof(port))
		_exit(1);
	while (true)
		pause();
}

struct node
node_start(const struct dist_service *service, unsigned n_workers)
{
	struct node node = { .pid = -1 };
	int ends[2];

	if (pipe(ends) || (node.pid = fork()) < 0) {
		perror(program_invocation_short_name);
		exit(1);
	}
	if (node.pid == 0)
		node_serve(service, n_workers, ends[1]);
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
