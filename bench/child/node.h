/* A node on loopback, in a process of its own that ends with this one. */
#ifndef BENCH_CHILD_NODE_H
#define BENCH_CHILD_NODE_H

#include <dist/node.h>
#include <sys/types.h>

struct node {
	pid_t pid;
	unsigned port;
};

/*
 * @service    what it serves; NULL: all that is linked into the program.
 * @n_workers  0: as many as there are CPUs.
 *
 * Ends this program with a line on stderr when it cannot be started. node_stop() it.
 */
struct node node_start(const struct dist_service *service, unsigned n_workers);
void node_stop(struct node node);

#endif
