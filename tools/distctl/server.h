/* One server, called directly: a master, or a node that is pinged. */
#ifndef DISTCTL_SERVER_H
#define DISTCTL_SERVER_H

#include <dist/cluster.h>
#include <stdint.h>

struct server {
	char *address; /* "HOST:PORT" */
	struct dist_cluster *cluster;
	CLIENT *client;
};

/*
 * Make ready to call @prog and @vers at @address; nothing is sent yet. @timeout_ms: the
 * deadline of each call. An exit status, with a sentence on stderr unless it is 0;
 * server_close() it then.
 */
int server_open(struct server *server, const char *address, rpcprog_t prog,
                rpcvers_t vers, int64_t timeout_ms);

/* One that was only zeroed is nothing. */
void server_close(struct server *server);

#endif
