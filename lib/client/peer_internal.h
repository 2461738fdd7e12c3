/* Inside of a peer, for the client layer alone. */
#ifndef DIST_CLIENT_PEER_INTERNAL_H
#define DIST_CLIENT_PEER_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/mutex.h"
#include "client/outlier.h"
#include "client/peer.h"
#include "client/stats.h"

struct dist_call;
struct dist_conn;
struct dist_harvest;

/* Records over this go by a connection of their own, so that they never block small ones. */
#define DIST_BULK_BYTES ((size_t)256 * 1024)

enum dist_lane {
	DIST_LANE_SMALL,
	DIST_LANE_BULK,
	DIST_N_LANES,
};

/* The last connection to it failed. */
#define DIST_PEER_FAILING 1u
/* It is set aside, or tried after that. */
#define DIST_PEER_ASIDE 2u

/* A program and version that the peer said it does not serve. */
struct dist_unserved {
	uint32_t prog, vers;
};

/* A connection to it ended, or could not be made. On the thread that noticed, under no
 * lock; it must not wait. */
typedef void dist_peer_gone_fn(struct dist_peer *peer, void *arg);

struct dist_peer {
	/* What a pick looks at, together, so that it costs one line of the cache. */
	atomic_uint refs;
	atomic_uint in_flight;   /* calls picked for it and not over */
	atomic_uint troubles;    /* DIST_PEER_...: why others are better just now, mostly 0 */
	atomic_bool leaving;     /* it drains or left: connections end when they are idle */
	atomic_uint n_unserved;  /* read without the lock, to skip it */
	/* As the view has it: it drains or left, and no end of a connection changes that. */
	atomic_bool unlisted;

	/* Set by dist_peer_new(), then read-only. */
	struct dist_runtime *runtime;
	struct dist_sockaddr address;
	struct dist_node_info info; /* its strings are the peer's */
	char label[320];            /* "NAME (HOST:PORT)", or the address alone */
	bool with_meta;             /* it understands DIST_META */
	int64_t connect_timeout_ms;
	size_t max_record_bytes, max_unsent_bytes;
	unsigned spin_us;

	struct dist_peer_counts counts;
	struct dist_outlier outlier; /* guarded by its cluster's lock */

	struct dist_mutex lock; /* guards the rest */
	struct dist_conn *conns[DIST_N_LANES]; /* open or opening; each holds a reference */
	bool closed;
	dist_peer_gone_fn *on_gone;
	void *on_gone_arg;
	unsigned n_failures; /* to connect, in a row */
	int64_t retry_at_ns; /* not before this, while others will do */
	struct dist_unserved *unserved;
};

/* With one reference, and no connection. DIST_ENOMEM. */
enum dist_err dist_peer_new(struct dist_peer **ret_peer, struct dist_runtime *runtime,
                            const struct dist_sockaddr *address,
                            const struct dist_peer_options *options) DIST_MUST_CHECK;

static inline struct dist_peer *
dist_peer_ref(struct dist_peer *peer)
{
	atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
	return peer;
}

void dist_peer_unref(struct dist_peer *peer);

/* For people: its name and address. */
static inline const char *
dist_peer_label(const struct dist_peer *peer)
{
	return peer->label;
}

/*
 * Give @call to the connection to this peer, which is opened if there is none. On DIST_OK
 * the connection has taken a reference of the call's. DIST_ECONNECT, DIST_EBUSY (its
 * unsent bytes are over the limit), DIST_ECLOSED, DIST_ESYSTEM, DIST_ENOMEM: it was not
 * sent, and the thread's text says why.
 */
enum dist_err dist_peer_send(struct dist_peer *peer, struct dist_call *call)
	DIST_MUST_CHECK;

/* Those that are open, as far as @harvest takes them. */
void dist_peer_list_conns(struct dist_peer *peer, struct dist_harvest *harvest);

/* It drains, or left the view: its connections end as soon as no call is on them. */
void dist_peer_leave(struct dist_peer *peer);

/* Have @fn called when a connection ends; NULL: no more, from the next end on. */
void dist_peer_on_gone(struct dist_peer *peer, dist_peer_gone_fn *fn, void *arg);

/* End its connections with @err for the calls on them; none is opened from now on. */
void dist_peer_shut(struct dist_peer *peer, enum dist_err err);

bool dist_peer_closed(struct dist_peer *peer);

/* It gets no more calls. */
static inline bool
dist_peer_gone(struct dist_peer *peer)
{
	return atomic_load_explicit(&peer->leaving, memory_order_relaxed) ||
	       atomic_load_explicit(&peer->unlisted, memory_order_relaxed);
}

/*
 * Whether it is better left alone for now: it could not be reached a moment ago, or is set
 * aside. Under the lock of its cluster.
 */
bool dist_peer_in_trouble_rests(struct dist_peer *peer);

static inline bool
dist_peer_resting(struct dist_peer *peer)
{
	/* Mostly it has none. */
	return atomic_load_explicit(&peer->troubles, memory_order_relaxed) &&
	       dist_peer_in_trouble_rests(peer);
}

/*
 * What it says of itself over @conn, by the thread that reads there. Where another one has
 * ended that meanwhile it is too late: it says nothing of who is at this address next.
 */

/* It drains, or has stopped: no more calls until that ends. */
void dist_peer_set_leaving(struct dist_peer *peer, const struct dist_conn *conn);
/* What it does not serve, until then. */
void dist_peer_set_lacking(struct dist_peer *peer, const struct dist_conn *conn,
                           uint32_t prog, uint32_t vers);
bool dist_peer_lacks(struct dist_peer *peer, uint32_t prog, uint32_t vers);

/* A connection's side: it is up; it is gone, or could not be made (@failed). */
void dist_peer_conn_up(struct dist_peer *peer);
void dist_peer_conn_gone(struct dist_peer *peer, struct dist_conn *conn, bool failed);

#endif
