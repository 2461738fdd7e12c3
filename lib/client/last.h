/*
 * What a thread's last synchronous call on each CLIENT came to: clnt_geterr() and
 * dist_last_node() ask here. A thread remembers the CLIENTs that it used last.
 */
#ifndef DIST_CLIENT_LAST_H
#define DIST_CLIENT_LAST_H

#include <rpc/rpc.h>
#include <stdbool.h>
#include <stdint.h>

struct dist_peer;

struct dist_last {
	uint64_t clnt_id; /* 0: none */
	struct rpc_err rpc_err;
	struct dist_peer *peer; /* holds a reference; NULL: none was picked */
};

/*
 * Before a call, so that there is memory to remember which node has answered it. False:
 * DIST_ENOMEM; of such a call it is still remembered that it failed.
 */
bool dist_last_prepare(void);

/* This thread's entry for a CLIENT; NULL: it made no call on it lately. */
struct dist_last *dist_last_find(uint64_t clnt_id);

/* Remember; takes a reference of @peer's, which may be NULL, and is unless prepared for. */
void dist_last_set(uint64_t clnt_id, const struct rpc_err *rpc_err, struct dist_peer *peer);

/* This thread forgets a CLIENT that is destroyed. */
void dist_last_forget(uint64_t clnt_id);

#endif
