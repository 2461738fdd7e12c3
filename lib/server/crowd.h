/*
 * Who goes when there is no room for a newcomer: the connection that has been half-sent
 * for longest, else the one that has been idle for longest; of the newcomer's own host,
 * where that has as many as one may have.
 *
 *   halves  no whole call has come yet, or a record was begun and is not finished
 *   others  all else
 *
 * Both lists are in the order in which connections last did something, as far as the
 * sweep has seen it, which brings them up to date once a second. A search for one that
 * may go looks from the front, and puts each that may not at the back, so the next one
 * goes on where it ended; how many it may look at is bounded, so that a flood of
 * newcomers costs no more than a look at every connection twice a second.
 */
#ifndef DIST_SERVER_CROWD_H
#define DIST_SERVER_CROWD_H

#include "base/list.h"
#include "base/map.h"
#include "wire/uaddr.h"

struct dist_server;
struct dist_server_conn;

struct dist_crowd_order {
	struct dist_list halves, others;
};

/* Connections of one address, which is an IPv6 one or was made one. */
struct dist_crowd_host {
	struct dist_map_link link;
	uint8_t address[16];
	unsigned n_conns;
	struct dist_crowd_order order; /* by dist_crowd_place.of_host */
};

struct dist_crowd {
	struct dist_map hosts;
	struct dist_crowd_order order; /* by dist_crowd_place.of_all */
	size_t n_looks; /* that searches may still take before the next sweep */
};

/* Where a connection stands in both orders. */
struct dist_crowd_place {
	struct dist_crowd_host *host; /* NULL: in none */
	struct dist_list of_all, of_host;
	bool half;
	int64_t since_ns; /* what it was put there for */
};

/* All by the holder of the loop role, or before it and after. DIST_ENOMEM,
 * DIST_ESYSTEM; fini after a failed init too. */
enum dist_err dist_crowd_init(struct dist_crowd *crowd) DIST_MUST_CHECK;
void dist_crowd_fini(struct dist_crowd *crowd);

/* A newcomer. DIST_ENOMEM. */
enum dist_err dist_crowd_join(struct dist_server *server, struct dist_server_conn *conn)
	DIST_MUST_CHECK;
/* Again does no harm. */
void dist_crowd_leave(struct dist_server *server, struct dist_server_conn *conn);

/* NULL: it has no connection. */
struct dist_crowd_host *dist_crowd_find_host(struct dist_server *server,
                                             const struct dist_sockaddr *peer);

/* By the sweep: once for all, then for each connection. */
void dist_crowd_refresh(struct dist_server *server);
void dist_crowd_note(struct dist_server *server, struct dist_server_conn *conn);

/* Who has to go; of @host, or of all, if that is NULL. NULL: nobody has. */
struct dist_server_conn *dist_crowd_find(struct dist_server *server,
                                         struct dist_crowd_host *host);

#endif
