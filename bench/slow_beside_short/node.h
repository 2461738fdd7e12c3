/* A node in a process of its own, which serves mixed.x on loopback. */
#ifndef SLOW_BESIDE_SHORT_NODE_H
#define SLOW_BESIDE_SHORT_NODE_H

#include <sys/types.h>

struct node {
	pid_t pid;
	unsigned port;
};

/* Ends this program with a line on stderr when it cannot be started. */
struct node node_start(unsigned n_workers);
void node_stop(struct node node);

#endif
