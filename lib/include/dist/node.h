/*
 * The serving side: services, and a node inside a program.
 *
 * A service is one version of a program: the dispatcher that rpcgen -m made, and names
 * for people. distgen writes one for each in NAME_dist.c. A node serves them over TCP
 * (RFC 5531) and keeps itself registered with the masters. distnode is this with a main.
 */
#ifndef DIST_NODE_H
#define DIST_NODE_H

#include <dist/error.h>
#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

struct dist_listeners;
struct dist_node;

struct dist_procedure {
	uint32_t number;
	const char *name; /* as in the .x file: "ARITH_SUM" */
};

struct dist_service {
	size_t size; /* sizeof(struct dist_service) when it was compiled */
	uint32_t program;
	uint32_t version;
	const char *program_name; /* "ARITH_PROG"; NULL: shown as a number */
	const char *version_name; /* "ARITH_V1" */
	const struct dist_procedure *procedures;
	size_t n_procedures;
	/*
	 * What rpcgen -m made; old style (no -M) too, if .serial is set, because its
	 * results are static. Called from several threads at once unless .serial. A
	 * procedure may fork(): the parent answers the call. Nothing that the child gives
	 * to the SVCXPRT is sent, and a child that returns from here ends with status 1.
	 */
	void (*dispatch)(struct svc_req *, SVCXPRT *);
	/* One call at a time, for code that was written for svc_run(). */
	bool serial;
	/*
	 * The .x that it was made of, preprocessed, for those who call it without the file
	 * (DIST_NODE_INTERFACE of idl/node.x); NULL: the node tells nothing. Over 262144
	 * bytes are as nothing. A service of an earlier release, whose .size ends before
	 * this, is served as it is.
	 */
	const char *interface;
};

/*
 * Services that come with a module: NAME_dist.c offers its own when it is loaded, and
 * withdraws them when it is unloaded. @service is borrowed in between. Offering the same
 * program and version again replaces nothing: the first stays. dist_service_each()
 * calls @fn for each service on offer, in order of program and version, until one call
 * gives an error, which it returns.
 */
DIST_PUBLIC void dist_service_offer(const struct dist_service *service);
DIST_PUBLIC void dist_service_withdraw(const struct dist_service *service);
typedef enum dist_err dist_service_fn(const struct dist_service *service, void *arg);
DIST_PUBLIC enum dist_err dist_service_each(dist_service_fn *fn,
                                            void *arg) DIST_MUST_CHECK;

/*
 * The weak ..._freeresult() of NAME_dist.c: frees a procedure's result after it was sent.
 * It frees nothing when no reply was sent, since rpcgen leaves the result undefined then.
 * Always 1. On a foreign transport it frees as rpcgen's manual says.
 */
DIST_PUBLIC int dist_freeresult(SVCXPRT *xprt, xdrproc_t xdr_result, caddr_t result);

struct dist_attribute {
	const char *name;
	const char *value;
};

/*
 * Zero in a field always means the default. What is over a limit is answered, or its
 * connection ends, and a log line says which limit it was; distnode(8) has them in one
 * table.
 */
struct dist_node_options {
	/* Masters, as for dist_cluster_open(); NULL: none, the node is called directly. */
	const char *masters;
	/*
	 * "ADDR:PORT", ":PORT" for all addresses, port 0 for any; 127.0.0.1 and ::1 on one
	 * port number, so that only this host can call.
	 */
	const char *listen;
	/* Sockets that listen already, in place of .listen. Borrowed for the call. */
	const struct dist_listeners *listeners;
	/* "ADDR" or "ADDR:PORT" that others call; what a master sees us come from. */
	const char *advertise;
	/* The node's name; its advertised "HOST:PORT". */
	const char *name;
	/*
	 * Procedures that run at once; the number of CPUs this process may use. With 1
	 * never two run at once; with more, one that has proved short may run besides, so
	 * that it need not wait for slow ones. One that waits for a call of its own
	 * counts: where nodes call their own program, have more workers than such calls
	 * can wait at once, and give these calls a deadline.
	 */
	unsigned workers;
	/* Calls that may wait for a worker before callers are told "busy"; 1024. */
	unsigned queue;
	/*
	 * The same for the bytes of their records; 1 GiB, or a quarter of the machine's
	 * memory where that is less. A record of any allowed size fits into an empty queue.
	 */
	size_t queue_bytes;
	/*
	 * Calls of one connection that wait, run in a worker, or are to be answered later,
	 * before its further ones are told "busy"; 8192.
	 */
	unsigned max_calls_per_connection;
	/* Time between two heartbeats; 1000. A lease is three. */
	int64_t heartbeat_ms;
	/* How long dist_node_stop() drains, if nobody did before; 10000. */
	int64_t drain_timeout_ms;
	/* The largest record taken or sent, in bytes; 128 MiB. */
	size_t max_record_bytes;
	/*
	 * Memory that decoding one call's arguments may take; the larger of 1 MiB and
	 * 16 times its record.
	 */
	size_t max_decode_bytes;
	/*
	 * Bytes that all connections together hold of calls that have not come in whole,
	 * and of replies that were not taken; a quarter of the machine's memory, or two
	 * records of the largest size where that is more. Beyond, those connections end
	 * that have gone longest without getting on.
	 */
	size_t max_buffered_bytes;
	/*
	 * Connections at once, 20000, and of these from one address, 12000. For a newcomer
	 * beyond, one ends that is half-sent (it has not called yet, or has begun a record
	 * and not finished it), the oldest first, or else the one that has been idle for
	 * longest, for a second at least; where the newcomer's address has too many, of
	 * that address. If all are in use, the newcomer is closed at once. The limit of
	 * descriptors (ulimit -n) is dealt with alike.
	 */
	unsigned max_connections;
	unsigned max_connections_per_peer;
	/* An unused connection is closed after this; 600000 (ten minutes). */
	int64_t idle_timeout_ms;
	/* A call's header, 40 bytes, begun and not there ends its connection; 10000. */
	int64_t header_timeout_ms;
	/* A record begun and not finished ends its connection after this; 30000. */
	int64_t record_timeout_ms;
	/*
	 * Replies wait, and the peer has taken nothing of them for so long: its connection
	 * ends; 60000. Until then no more of its calls are read once a megabyte waits, and
	 * those that were read are told "busy" beyond two records of the largest size.
	 */
	int64_t reply_timeout_ms;
	/* How long a thread polls for the next call before it sleeps; 0: never. */
	unsigned spin_us;
	/* Ask nothing of rpcbind, and tell it nothing. */
	bool no_rpcbind;
	/* Shown beside the node; ended by a NULL name. Borrowed for the call. */
	const struct dist_attribute *attributes;
};

DIST_PUBLIC enum dist_err dist_node_start_sized(struct dist_node **ret_node,
                                                const struct dist_service *const *services,
                                                const struct dist_node_options *options,
                                                size_t options_size) DIST_MUST_CHECK;

/*
 * Serve, and register with the masters.
 *
 * @ret_node  given: dist_node_stop() it. Untouched on failure.
 * @services  ended by NULL; the services are borrowed until dist_node_stop(), the array
 *            for the call. NULL: all on offer, see dist_service_offer().
 * @options   borrowed for the call; NULL: all defaults.
 *
 * Returns once it listens. Registration goes on behind: a master that is away is tried
 * again for as long as the node runs, with a log line. DIST_EINVAL: no service, two with
 * one program and version, or a master elsewhere while listening on loopback alone (the
 * text names .listen); DIST_EADDRESS; DIST_ERESOLVE: of .advertise; DIST_EADDRINUSE;
 * DIST_ENOMEM; DIST_ESYSTEM.
 */
static inline enum dist_err DIST_MUST_CHECK
dist_node_start(struct dist_node **ret_node, const struct dist_service *const *services,
                const struct dist_node_options *options)
{
	return dist_node_start_sized(ret_node, services, options,
	                             sizeof(struct dist_node_options));
}

/* The TCP port it listens on. */
DIST_PUBLIC unsigned dist_node_port(struct dist_node *node);

/* Its name. Borrowed until dist_node_stop(). */
DIST_PUBLIC const char *dist_node_name(struct dist_node *node);

/*
 * Wait until @n_masters hold a registration of the node. @timeout_ms from now, or
 * DIST_FOREVER. DIST_ETIMEDOUT; DIST_EREFUSED: a master said no, and without it there
 * are too few, the text says why; DIST_EINVAL: the node has fewer masters; DIST_ECLOSED:
 * it drains.
 */
DIST_PUBLIC enum dist_err dist_node_wait_registered(struct dist_node *node,
                                                    unsigned n_masters,
                                                    int64_t timeout_ms) DIST_MUST_CHECK;

/*
 * Leave the registry, answer every new call "not run: draining", finish what is running,
 * and wait until callers have taken their replies and closed. No call is lost. It still
 * listens afterwards; dist_node_stop() it. DIST_ETIMEDOUT: calls were still running
 * after @timeout_ms.
 */
DIST_PUBLIC enum dist_err dist_node_drain(struct dist_node *node,
                                          int64_t timeout_ms) DIST_MUST_CHECK;

/* Whether a DRAIN came in over RPC: a daemon's main ends then. */
DIST_PUBLIC bool dist_node_drain_asked(struct dist_node *node);

/*
 * A descriptor that is readable once a DRAIN came in, and stays so: for the poll() of a
 * daemon's main. It is the node's, not to be read or closed, until dist_node_stop().
 */
DIST_PUBLIC int dist_node_drain_fd(struct dist_node *node);

/*
 * Drain if nobody did, end all connections and threads, free the node. Procedures that
 * run are waited for. Taken; NULL is nothing. Never from one of its own procedures.
 */
DIST_PUBLIC void dist_node_stop(struct dist_node *node);

DIST_END_DECLS

#endif
