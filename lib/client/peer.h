/*
 * A peer: one process at one address, and the connections to it, opened on first use. The
 * nodes of a cluster are peers; a master, as agents and watchers call it, is one too.
 *
 * A CLIENT made here always calls this peer, with everything else as in dist/cluster.h:
 * rpcgen's stubs, dist_go(), deadlines, waiters.
 */
#ifndef DIST_CLIENT_PEER_H
#define DIST_CLIENT_PEER_H

#include "client/runtime.h"
#include "wire/uaddr.h"

#include <dist/cluster.h>

struct dist_peer;

/* Zero always means the default. */
struct dist_peer_options {
	const char *name;         /* shown in errors; the address */
	uint8_t instance[16];
	unsigned capacity;        /* 1 */
	unsigned features;        /* DIST_FEATURE_... of idl/node.x: what it announced */
	int64_t connect_timeout_ms;
	size_t max_record_bytes;
	size_t max_unsent_bytes;
	unsigned spin_us;
	bool counted; /* in the statistics of its runtime's cluster */
};

/* Given: dist_peer_close() it. @runtime is borrowed until then. DIST_ENOMEM. */
enum dist_err dist_peer_open(struct dist_peer **ret_peer, struct dist_runtime *runtime,
                             const struct dist_sockaddr *address,
                             const struct dist_peer_options *options) DIST_MUST_CHECK;

/*
 * A CLIENT for stubs, as dist_client_create_with(); it holds the peer: clnt_destroy() it.
 * @options NULL: the defaults (no deadline!). NULL: DIST_ENOMEM.
 */
CLIENT *dist_peer_client(struct dist_peer *peer, rpcprog_t prog, rpcvers_t vers,
                         const struct dist_call_options *options);

/* End its connections; calls in flight end with DIST_ECLOSED. Taken; NULL is nothing. */
void dist_peer_close(struct dist_peer *peer);

#endif
