/*
 * The callers' side: a cluster is all nodes that the masters know, seen from one program.
 *
 *	dist_cluster_open(&cluster, "master-host", NULL);
 *	CLIENT *arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
 *	arith_sum_1(args, &sum, arith);    (to the least busy live node)
 *	clnt_destroy(arith);
 *	dist_cluster_close(cluster);
 *
 * The cluster follows every master it can reach and keeps a local view of who is alive:
 * no call ever asks a master. It holds one connection to each node it uses, and many
 * calls share it. A few threads (named dist-...) belong to it, with all signals blocked.
 */
#ifndef DIST_CLUSTER_H
#define DIST_CLUSTER_H

#include <dist/error.h>
#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_cluster;
struct dist_master;

/* Zero in a field always means the default. */
struct dist_cluster_options {
	/* How long dist_cluster_open() waits for the first view of the nodes; 5000. */
	int64_t open_timeout_ms;
	/* How long one attempt to connect to a node may last; 3000. */
	int64_t connect_timeout_ms;
	/*
	 * Servers called without any registry, "HOST:PORT[,HOST:PORT...]", stock svc_run()
	 * servers among them. They count as live while they can be connected to, and are
	 * taken to serve every program; one that answers PROG_UNAVAIL or PROG_MISMATCH
	 * is not asked for that program and version again until its connection ends.
	 */
	const char *servers;
	/* The largest record sent or received, in bytes; 128 MiB. */
	size_t max_record_bytes;
	/* Bytes that may wait unsent for one node before another is picked; 64 MiB. */
	size_t max_unsent_bytes;
	/*
	 * Calls, synchronous ones too, that may be in flight in this cluster at once; no
	 * bound. One beyond fails with DIST_EBUSY, unless wait_for_room is set.
	 */
	size_t max_in_flight;
	/* How long a waiting caller polls before it sleeps, in microseconds; 0: never. */
	unsigned spin_us;
	/*
	 * How many idempotent calls that were lost with their node may go to another one,
	 * in percent of the calls started in the last ten seconds or so, and 10 a second
	 * besides, of which up to 1000 are saved; 10. Beyond that they fail, so that
	 * retries never make an outage of a trouble. DIST_RETRY_ALL: no bound. Calls that
	 * certainly did not run are not under it.
	 */
	unsigned retry_budget_percent;
	/*
	 * Beyond max_in_flight a call, of dist_go() too, waits until another one has ended,
	 * and fails with DIST_EDEADLINE when its deadline comes first. Its thread sends and
	 * reads meanwhile, so it may be the only one there is.
	 */
	bool wait_for_room;
};

#define DIST_RETRY_ALL (~0u)

DIST_PUBLIC enum dist_err dist_cluster_open_sized(struct dist_cluster **ret_cluster,
                                                  const char *masters,
                                                  const struct dist_cluster_options *options,
                                                  size_t options_size) DIST_MUST_CHECK;

/*
 * Open a cluster.
 *
 * @ret_cluster  given: dist_cluster_close() it. Untouched on failure.
 * @masters      "HOST[:PORT][,HOST[:PORT]...]": names, IPv4, or IPv6 in brackets. Without
 *               a port, rpcbind on HOST is asked for the registry program (RFC 1833),
 *               then port 3000 is tried. NULL with @options->servers: no registry.
 * @options      borrowed for the call; NULL: all defaults.
 *
 * Returns when the first master has told who is alive (or, with servers alone, at once).
 * DIST_ENOMASTER: none answered within open_timeout_ms, the text says what each said;
 * DIST_EADDRESS: @masters or a server does not parse; DIST_EINVAL: neither given, or
 * @options from a newer header with fields this library does not know; DIST_ENOMEM;
 * DIST_ESYSTEM: no descriptor or thread to be had.
 */
static inline enum dist_err DIST_MUST_CHECK
dist_cluster_open(struct dist_cluster **ret_cluster, const char *masters,
                  const struct dist_cluster_options *options)
{
	return dist_cluster_open_sized(ret_cluster, masters, options,
	                               sizeof(struct dist_cluster_options));
}

DIST_PUBLIC enum dist_err dist_cluster_of_sized(struct dist_cluster **ret_cluster,
                                                struct dist_master *master,
                                                const struct dist_cluster_options *options,
                                                size_t options_size) DIST_MUST_CHECK;

/*
 * Open a cluster on a master of this same process, as dist_cluster_open() does with a
 * master's address, but without a connection between the two. @master is borrowed until
 * the cluster is closed, which must come before dist_master_stop().
 */
static inline enum dist_err DIST_MUST_CHECK
dist_cluster_of(struct dist_cluster **ret_cluster, struct dist_master *master,
                const struct dist_cluster_options *options)
{
	return dist_cluster_of_sized(ret_cluster, master, options,
	                             sizeof(struct dist_cluster_options));
}

/*
 * Close a cluster: every call in flight ends with DIST_ECLOSED, then all its threads are
 * joined. Its CLIENTs and waiters stay valid, to be asked and destroyed; calls on them
 * fail. Masters that gather statistics are told what it counted, for which half a second
 * may pass if one does not answer. @cluster is taken; NULL is nothing. Never from a
 * completion callback.
 */
DIST_PUBLIC void dist_cluster_close(struct dist_cluster *cluster);

/*
 * Where masters answer, for programs that speak with masters themselves (idl/registry.x),
 * such as an operator's tool: clusters and nodes find them alone.
 *
 * @masters     as for dist_cluster_open().
 * @timeout_ms  for each of them; DIST_FOREVER leaves it to the system's own limits.
 * @fn          called for each, in their order: @master as "HOST[:PORT]" and @address
 *              the "ADDR:PORT" that answers; NULL: none does, and dist_error_text() says
 *              what was tried. Both are borrowed for the call. An error that it returns
 *              ends the round and is returned.
 *
 * DIST_EADDRESS: @masters does not parse; DIST_ENOMEM.
 */
typedef enum dist_err dist_master_found_fn(const char *master, const char *address,
                                           void *arg);
DIST_PUBLIC enum dist_err dist_masters_find(const char *masters, int64_t timeout_ms,
                                            dist_master_found_fn *fn,
                                            void *arg) DIST_MUST_CHECK;

/* A node as the cluster sees it. */
struct dist_node_info {
	const char *name;      /* its --name, else its address; UTF-8, never "" */
	const char *address;   /* "HOST:PORT" as it is called, IPv6 in brackets */
	uint8_t instance[16];  /* this run of the node process; zero for a fixed server */
	unsigned capacity;     /* its workers; 1 for a fixed server */
	bool draining;         /* it takes no new calls */
	unsigned in_flight;    /* calls of this cluster there when it was asked */
	bool set_aside;        /* it fails much more than the others: see below */
};

/*
 * Call @fn for each node in the view, live and draining, in order of name; an error that
 * it returns ends the round and is returned. @info is borrowed for the call. @fn may use
 * the cluster. DIST_ENOMEM.
 *
 * A node where within ten seconds at least five calls, and 20 % of all, were lost or had
 * their deadline pass, four times the share of the better half of the nodes, is set aside:
 * it gets calls only when no other node will do, never more than half of the nodes that
 * serve. After a second one call goes there; when that fails, after two, and so on, up to
 * a minute.
 */
typedef enum dist_err dist_node_info_fn(const struct dist_node_info *info, void *arg);
DIST_PUBLIC enum dist_err dist_cluster_each_node(struct dist_cluster *cluster,
                                                 dist_node_info_fn *fn,
                                                 void *arg) DIST_MUST_CHECK;

/*
 * Wait until at least @n_nodes live nodes serve @prog and @vers; 0, 0: any program.
 * @timeout_ms from now, DIST_FOREVER to wait for good. DIST_ETIMEDOUT, DIST_ECLOSED.
 */
DIST_PUBLIC enum dist_err dist_cluster_wait_nodes(struct dist_cluster *cluster,
                                                  rpcprog_t prog, rpcvers_t vers,
                                                  unsigned n_nodes,
                                                  int64_t timeout_ms) DIST_MUST_CHECK;

/* How the calls of a CLIENT behave. Zero in a field always means the default. */
struct dist_call_options {
	/*
	 * A call's deadline, from its start until its result is decoded, name look-up,
	 * connecting, sending and waiting included; none. Work may last days: without a
	 * deadline the liveness of its node bounds a call.
	 */
	int64_t timeout_ms;
	/*
	 * Running twice does no harm: a call whose node was lost goes to another one, as
	 * long as the cluster's retry_budget_percent allows it.
	 */
	bool idempotent;
	/*
	 * Nodes that may be lost under one idempotent call before it fails; 3. It goes to
	 * none of them again, and the error names them. Nodes that did not run it, busy
	 * ones, say, do not count.
	 */
	unsigned max_tries;
	/* Calls with equal affinity go to the same node while it serves well; none. */
	uint64_t affinity;
	/* How long a call waits for a first node to appear; 0: fails at once. */
	int64_t wait_for_nodes_ms;
	/*
	 * Without an answer for so long, some 4 ms more or less, a call that is idempotent
	 * goes to another node too; the first answer counts, and the other node is told
	 * that it is not needed. It does so once, which may be to one node beyond
	 * max_tries, and is under the cluster's retry_budget_percent. 0: never.
	 */
	int64_t hedge_after_ms;
};

DIST_PUBLIC CLIENT *dist_client_create_sized(struct dist_cluster *cluster, rpcprog_t prog,
                                             rpcvers_t vers,
                                             const struct dist_call_options *options,
                                             size_t options_size);

/*
 * A CLIENT for rpcgen's stubs, with the options of its calls. It is cheap: another set of
 * options is another CLIENT. Nothing is asked of the network.
 *
 * @options  borrowed for the call; NULL: all defaults.
 *
 * Given: clnt_destroy() it, also after its cluster was closed; calls in flight go on.
 * Any number of threads may call through it at once. It keeps ONC RPC's conventions:
 * clnt_control() with CLSET_TIMEOUT (a deadline; rpcgen's own 25 s are not applied),
 * CLGET_TIMEOUT, CLGET_PROG, CLGET_VERS; clnt_geterr(), clnt_perror() and
 * dist_last_node() tell of the calling thread's last call on it; clnt_freeres(). Its
 * cl_auth may be set to an AUTH_NONE or AUTH_SYS handle, before threads share it;
 * the handle stays the caller's.
 *
 * NULL: DIST_ENOMEM, or DIST_EINVAL (no cluster, or hedge_after_ms for calls that are not
 * idempotent, or below 0); dist_error_text() says it.
 */
static inline CLIENT *
dist_client_create_with(struct dist_cluster *cluster, rpcprog_t prog, rpcvers_t vers,
                        const struct dist_call_options *options)
{
	return dist_client_create_sized(cluster, prog, vers, options,
	                                sizeof(struct dist_call_options));
}

/* The same with the default options. */
static inline CLIENT *
dist_client_create(struct dist_cluster *cluster, rpcprog_t prog, rpcvers_t vers)
{
	return dist_client_create_with(cluster, prog, vers, NULL);
}

/*
 * The node that answered this thread's last synchronous call on @clnt, or was tried last;
 * NULL before the first, or when none was. Borrowed until this thread's next call on
 * @clnt, or clnt_destroy().
 */
DIST_PUBLIC const struct dist_node_info *dist_last_node(CLIENT *clnt);

DIST_END_DECLS

#endif
