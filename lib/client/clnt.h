/* CLIENTs for rpcgen's stubs, over a route. */
#ifndef DIST_CLIENT_CLNT_H
#define DIST_CLIENT_CLNT_H

#include <dist/cluster.h>

struct dist_route;

/* A CLIENT; it holds the route. @options NULL: the defaults. NULL: DIST_ENOMEM. */
CLIENT *dist_clnt_new(struct dist_route *route, rpcprog_t prog, rpcvers_t vers,
                      const struct dist_call_options *options);

#endif
