/*
 * The CPU time of the nodes that serve the calls, as they tell it themselves (STATS of
 * the node program): it needs no pids, and works over machines.
 */
#ifndef DISTBENCH_SERVERS_H
#define DISTBENCH_SERVERS_H

#include <dist/dist.h>

/* A node, when it was asked. */
struct server {
	uint8_t instance[16];
	int64_t asked_ns;
	double cpu_s;
	bool serves; /* the program was called there */
};

struct servers {
	rpcprog_t prog;
	rpcvers_t vers;
	int64_t deadline_ns;
	struct server *list;
	size_t n;
};

/*
 * Ask all nodes of @cluster, until @deadline_ns. False: one of them does not tell, such
 * as a stock server, or there is no memory. servers_fini() it in any case.
 */
bool servers_ask(struct servers *ret_servers, struct dist_cluster *cluster,
                 rpcprog_t prog, rpcvers_t vers, int64_t deadline_ns);
void servers_fini(struct servers *servers);

/*
 * What those that serve the program spent from @begin_ns, when they began to be asked
 * for @before, to @end_ns, when the calls ended. Negative: not known, as one of them
 * came or went meanwhile.
 */
double servers_cpu_s(const struct servers *before, const struct servers *after,
                     int64_t begin_ns, int64_t end_ns);

#endif
