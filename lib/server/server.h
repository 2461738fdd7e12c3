/*
 * A server: ONC RPC over TCP for services that rpcgen made, on a pool of threads.
 *
 * One thread at a time holds the loop role: it waits for readiness, reads all there is,
 * runs short procedures itself and hands the others to the workers. When a procedure
 * keeps it for over a millisecond another worker takes the role over.
 * docs/architecture.md follows a call through here.
 */
#ifndef DIST_SERVER_SERVER_H
#define DIST_SERVER_SERVER_H

#include "io/socket.h"

#include <dist/node.h>
#include <dist/request.h>
#include <stdbool.h>
#include <stdint.h>

struct dist_server;

/* Told when a connection marked by dist_request_watch_conn() is gone; on a server
 * thread, under no lock; once. */
typedef void dist_server_closed_fn(uint64_t conn_id, void *arg);
/* A DRAIN came in over loopback. On a server thread, under no lock; must not wait. */
typedef void dist_server_drain_fn(void *arg);

/* Zero always means the default, as in struct dist_node_options. */
struct dist_server_options {
	const char *listen;
	unsigned default_port;
	const struct dist_listeners *listeners; /* in place of @listen; borrowed */
	const char *name; /* of its threads and log lines: "node", "master" */
	unsigned workers;
	unsigned queue;
	size_t queue_bytes;
	unsigned max_calls_per_connection;
	unsigned max_deferred; /* of one connection; 0: as many as it likes */
	size_t max_record_bytes;
	size_t max_decode_bytes;
	size_t max_buffered_bytes;
	unsigned max_connections;
	unsigned max_connections_per_peer;
	int64_t idle_timeout_ms;
	int64_t header_timeout_ms;
	int64_t record_timeout_ms;
	int64_t reply_timeout_ms;
	int64_t idle_spared_ms; /* who called so lately does not go for a newcomer; 1000 */
	int64_t watched_spared_ms; /* one of dist_request_watch_conn(); idle_spared_ms */
	unsigned spin_us;
	bool prompt; /* no procedure added here ever waits: the thread that reads runs all */
	unsigned gather_us; /* under load, so long calls may wait to be read together */
	uint8_t instance[16]; /* PING gives it */
	dist_server_closed_fn *on_closed;
	dist_server_drain_fn *on_drain; /* NULL: DRAIN is refused */
	void *arg;
};

/*
 * Bind and listen, unless @listeners do already; nothing is served before
 * dist_server_start(). Given. The errors are those of dist_listeners_open(), and
 * DIST_ENOMEM.
 */
enum dist_err dist_server_open(struct dist_server **ret_server,
                               const struct dist_server_options *options)
	DIST_MUST_CHECK;

/* Before start. @service is borrowed until stop. DIST_EINVAL: that program and version
 * are there already; DIST_ENOMEM. The node program (idl/node.x) is always there. */
enum dist_err dist_server_add(struct dist_server *server,
                              const struct dist_service *service) DIST_MUST_CHECK;

enum dist_err dist_server_start(struct dist_server *server) DIST_MUST_CHECK;

const struct dist_listeners *dist_server_listeners(const struct dist_server *server);

struct dist_server_load {
	unsigned capacity; /* procedures that run at once */
	unsigned running;  /* procedures running now */
	unsigned queued;   /* calls waiting for a worker */
	unsigned deferred; /* calls whose answer comes later */
	unsigned n_connections;
	uint64_t calls;       /* ever taken */
	uint64_t n_takeovers; /* of the loop, from a procedure that was not short */
};
void dist_server_load(struct dist_server *server, struct dist_server_load *ret_load);

/*
 * From now on every new call of a user's service is answered NOT_RUN (draining), to
 * stock callers SYSTEM_ERR; the node program goes on. Then wait until no call is
 * running or queued, all replies are sent, and peers have closed, or have been quiet
 * for a second. DIST_ETIMEDOUT. Again: only waits.
 */
enum dist_err dist_server_drain(struct dist_server *server, int64_t timeout_ms)
	DIST_MUST_CHECK;

/* End connections and threads; procedures that run are waited for. Taken; NULL is
 * nothing. on_closed is not called any more. */
void dist_server_stop(struct dist_server *server);

/* --- For services of our own, in a procedure ------------------------------------- */

/* The connection's number, never used again; 0 on a foreign transport. */
uint64_t dist_request_conn_id(struct svc_req *rqstp);
/* Both ends of the connection. */
const struct dist_sockaddr *dist_request_peer(struct svc_req *rqstp);
const struct dist_sockaddr *dist_request_local(struct svc_req *rqstp);
/* Have the server's on_closed called when this connection ends. */
void dist_request_watch_conn(struct svc_req *rqstp);
/* The options' @arg of the server that this call came to. */
void *dist_request_server_arg(struct svc_req *rqstp);

#endif
