/* CLIENTs for rpcgen's stubs, over a route. */
#ifndef DIST_CLIENT_CLNT_H
#define DIST_CLIENT_CLNT_H

#include <dist/cluster.h>
#include <stdatomic.h>

struct dist_route;

/* Of calls whose options do not say. */
#define DIST_MAX_TRIES 3

struct dist_clnt {
	CLIENT sync; /* first: what the user holds */
	CLIENT go;   /* the starting twin */
	/* Set before calls are made on it, then read-only. */
	uint64_t id;
	struct dist_route *route;
	uint32_t prog, vers;
	struct dist_call_options options;
	bool may_be_hedged; /* by dist_hedge_now(), without hedge_after_ms */
	_Atomic int64_t timeout_ms; /* of options, until CLSET_TIMEOUT */
};

/* A CLIENT; it holds the route. @options NULL: the defaults. NULL: DIST_ENOMEM. */
CLIENT *dist_clnt_new(struct dist_route *route, rpcprog_t prog, rpcvers_t vers,
                      const struct dist_call_options *options);

/* NULL: @clnt is none of ours, or NULL. */
struct dist_clnt *dist_clnt_of(CLIENT *clnt);

/* Another one for the same calls. Given: clnt_destroy() it. NULL: DIST_ENOMEM. */
struct dist_clnt *dist_clnt_copy(struct dist_clnt *of);

#endif
