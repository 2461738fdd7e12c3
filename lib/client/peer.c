#include "client/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/clnt.h"
#include "client/conn.h"
#include "client/harvest.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"
#include "idl/node.h"

#define CONNECT_TIMEOUT_MS 3000
#define MAX_RECORD_BYTES ((size_t)128 * 1024 * 1024)
#define MAX_UNSENT_BYTES ((size_t)64 * 1024 * 1024)

/* A peer that cannot be reached is left alone for 50 ms, then twice as long, to 5 s. */
#define REST_FIRST_NS (50 * DIST_NS_PER_MS)
#define REST_DOUBLINGS_MAX 7

static void
peer_set_label(struct dist_peer *peer, const char *name)
{
	const char *address = peer->info.address;

	if (name && *name && strcmp(name, address) != 0)
		snprintf(peer->label, sizeof(peer->label), "%s (%s)", name, address);
	else
		snprintf(peer->label, sizeof(peer->label), "%s", address);
}

enum dist_err
dist_peer_new(struct dist_peer **ret_peer, struct dist_runtime *runtime,
              const struct dist_sockaddr *address, const struct dist_peer_options *options)
{
	static const struct dist_peer_options defaults = { 0 };
	struct dist_peer *peer = calloc(1, sizeof(*peer));
	char text[DIST_ADDRESS_TEXT_MAX];

	if (!options)
		options = &defaults;
	if (!peer)
		return dist_error_set_plain(DIST_ENOMEM);
	peer->info.address = strdup(dist_sockaddr_format(address, text));
	peer->info.name = strdup(options->name && *options->name ? options->name : text);
	if (!peer->info.address || !peer->info.name) {
		free((char *)peer->info.address);
		free((char *)peer->info.name);
		free(peer);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	memcpy(peer->info.instance, options->instance, sizeof(peer->info.instance));
	peer->info.capacity = options->capacity ? options->capacity : 1;
	peer_set_label(peer, options->name);
	peer->runtime = dist_runtime_ref(runtime);
	peer->address = *address;
	peer->with_meta = options->features & DIST_FEATURE_META;
	peer->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms
	                                                       : CONNECT_TIMEOUT_MS;
	peer->max_record_bytes =
		options->max_record_bytes ? options->max_record_bytes : MAX_RECORD_BYTES;
	peer->max_unsent_bytes =
		options->max_unsent_bytes ? options->max_unsent_bytes : MAX_UNSENT_BYTES;
	peer->spin_us = options->spin_us;
	atomic_init(&peer->refs, 1);
	dist_mutex_init(&peer->lock, DIST_RANK_NODE);
	if (options->counted)
		dist_peer_counts_begin(peer, dist_runtime_counts(runtime));
	*ret_peer = peer;
	return DIST_OK;
}

void
dist_peer_unref(struct dist_peer *peer)
{
	if (!peer || atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) != 1)
		return;
	/* An open connection holds a reference, so there is none now. */
	dist_peer_counts_end(peer);
	free(peer->unserved);
	free((char *)peer->info.address);
	free((char *)peer->info.name);
	dist_mutex_fini(&peer->lock);
	dist_runtime_unref(peer->runtime);
	free(peer);
}

/* --- Connections --------------------------------------------------------------------- */

/* The connection for a record of this size, with a reference, opened if need be. */
static enum dist_err
peer_conn(struct dist_peer *peer, enum dist_lane lane, struct dist_conn **ret_conn)
{
	struct dist_conn *conn;
	enum dist_err err = DIST_OK;
	int cancel_state;

	dist_lock(&peer->lock);
	conn = peer->conns[lane];
	if (peer->closed) {
		err = dist_error_set(DIST_ECONNECT, "%s: it left", dist_peer_label(peer));
	} else if (!conn) {
		/* connect() does not wait here; under the lock, so that it is done once. */
		cancel_state = dist_cancel_off();
		err = dist_conn_open(&conn, peer);
		dist_cancel_restore(cancel_state);
		if (!err)
			peer->conns[lane] = conn;
	}
	if (!err)
		*ret_conn = dist_conn_ref(conn);
	dist_unlock(&peer->lock);
	return err;
}

static void
peer_note_failure(struct dist_peer *peer) DIST_REQUIRES(&peer->lock)
{
	unsigned doublings = DIST_MIN(peer->n_failures, REST_DOUBLINGS_MAX);

	peer->n_failures++;
	peer->retry_at_ns = dist_clock_ns() + (REST_FIRST_NS << doublings);
	atomic_fetch_or(&peer->troubles, DIST_PEER_FAILING);
}

static bool
peer_has_conn_locked(const struct dist_peer *peer, const struct dist_conn *conn)
	DIST_REQUIRES(&peer->lock)
{
	bool has = false;

	for (unsigned lane = 0; lane < DIST_N_LANES; lane++)
		has = has || peer->conns[lane] == conn;
	return has;
}

/* It is not to be used any more. True: it was, and a reference is yours. */
static bool
peer_take_conn_locked(struct dist_peer *peer, const struct dist_conn *conn)
	DIST_REQUIRES(&peer->lock)
{
	bool was_open = false;

	for (unsigned lane = 0; lane < DIST_N_LANES; lane++) {
		if (peer->conns[lane] == conn) {
			peer->conns[lane] = NULL;
			was_open = true;
		}
	}
	/* Whoever is there next may serve more. */
	if (was_open)
		atomic_store(&peer->n_unserved, 0);
	/* It left, and may come back: it rests for a moment like one that failed. */
	if (was_open && atomic_exchange(&peer->leaving, false))
		peer_note_failure(peer);
	return was_open;
}

/* Whoever closes a connection may not have told yet: the next call needs a fresh one. */
static void
peer_drop_conn(struct dist_peer *peer, struct dist_conn *conn)
{
	bool was_open;

	dist_lock(&peer->lock);
	was_open = peer_take_conn_locked(peer, conn);
	dist_unlock(&peer->lock);
	if (was_open)
		dist_conn_unref(conn);
}

enum dist_err
dist_peer_send(struct dist_peer *peer, struct dist_call *call)
{
	enum dist_lane lane = call->args_length > DIST_BULK_BYTES ? DIST_LANE_BULK
	                                                          : DIST_LANE_SMALL;
	struct dist_conn *conn;
	enum dist_err err;

	/* Twice: a connection that was found dead is replaced by a fresh one. */
	for (int attempt = 0; attempt < 2; attempt++) {
		err = peer_conn(peer, lane, &conn);
		if (err) {
			if (err == DIST_ECONNECT) {
				dist_lock(&peer->lock);
				peer_note_failure(peer);
				dist_unlock(&peer->lock);
			}
			return err;
		}
		err = dist_conn_add(conn, call);
		if (err == DIST_ECONNECT)
			peer_drop_conn(peer, conn);
		if (err)
			dist_conn_unref(conn);
		if (err != DIST_ECONNECT)
			return err;
	}
	return err;
}

void
dist_peer_conn_up(struct dist_peer *peer)
{
	dist_lock(&peer->lock);
	peer->n_failures = 0;
	peer->retry_at_ns = 0;
	atomic_fetch_and(&peer->troubles, ~DIST_PEER_FAILING);
	atomic_store(&peer->leaving, false); /* at this address something new has begun */
	dist_unlock(&peer->lock);
}

void
dist_peer_set_leaving(struct dist_peer *peer, const struct dist_conn *conn)
{
	dist_lock(&peer->lock);
	if (peer_has_conn_locked(peer, conn))
		atomic_store(&peer->leaving, true);
	dist_unlock(&peer->lock);
}

void
dist_peer_conn_gone(struct dist_peer *peer, struct dist_conn *conn, bool failed)
{
	dist_peer_gone_fn *on_gone;
	void *arg;
	bool was_open;

	dist_lock(&peer->lock);
	if (failed)
		peer_note_failure(peer);
	was_open = peer_take_conn_locked(peer, conn);
	on_gone = peer->closed ? NULL : peer->on_gone;
	arg = peer->on_gone_arg;
	dist_unlock(&peer->lock);
	if (on_gone)
		on_gone(peer, arg);
	if (was_open)
		dist_conn_unref(conn);
}

void
dist_peer_on_gone(struct dist_peer *peer, dist_peer_gone_fn *fn, void *arg)
{
	dist_lock(&peer->lock);
	peer->on_gone = fn;
	peer->on_gone_arg = arg;
	dist_unlock(&peer->lock);
}

/* What is open, each with a reference. */
static void
peer_list_conns_locked(struct dist_peer *peer, struct dist_conn *conns[DIST_N_LANES])
	DIST_REQUIRES(&peer->lock)
{
	for (unsigned lane = 0; lane < DIST_N_LANES; lane++) {
		conns[lane] = peer->conns[lane];
		if (conns[lane])
			dist_conn_ref(conns[lane]);
	}
}

void
dist_peer_list_conns(struct dist_peer *peer, struct dist_harvest *harvest)
{
	struct dist_conn *conns[DIST_N_LANES];

	dist_lock(&peer->lock);
	peer_list_conns_locked(peer, conns);
	dist_unlock(&peer->lock);
	for (unsigned lane = 0; lane < DIST_N_LANES; lane++) {
		if (conns[lane] && !dist_harvest_add(harvest, conns[lane]))
			dist_conn_unref(conns[lane]);
	}
}

void
dist_peer_leave(struct dist_peer *peer)
{
	struct dist_conn *conns[DIST_N_LANES];

	atomic_store(&peer->unlisted, true);
	atomic_store(&peer->leaving, true);
	dist_lock(&peer->lock);
	peer_list_conns_locked(peer, conns);
	dist_unlock(&peer->lock);
	for (unsigned lane = 0; lane < DIST_N_LANES; lane++) {
		if (!conns[lane])
			continue;
		dist_conn_close_if_idle(conns[lane]);
		dist_conn_unref(conns[lane]);
	}
}

void
dist_peer_shut(struct dist_peer *peer, enum dist_err err)
{
	struct dist_conn *conns[DIST_N_LANES];

	dist_lock(&peer->lock);
	peer->closed = true;
	peer_list_conns_locked(peer, conns);
	dist_unlock(&peer->lock);
	for (unsigned lane = 0; lane < DIST_N_LANES; lane++) {
		if (!conns[lane])
			continue;
		dist_conn_close(conns[lane], err, dist_error_string(err));
		dist_conn_unref(conns[lane]);
	}
}

bool
dist_peer_in_trouble_rests(struct dist_peer *peer)
{
	unsigned troubles = atomic_load_explicit(&peer->troubles, memory_order_relaxed);
	int64_t now_ns = dist_clock_ns();
	bool resting;

	dist_lock(&peer->lock);
	resting = peer->retry_at_ns > now_ns;
	dist_unlock(&peer->lock);
	return resting || (troubles & DIST_PEER_ASIDE &&
	                   dist_outlier_rests(&peer->outlier, now_ns));
}

bool
dist_peer_closed(struct dist_peer *peer)
{
	bool closed;

	dist_lock(&peer->lock);
	closed = peer->closed;
	dist_unlock(&peer->lock);
	return closed;
}

/* --- What it does not serve ---------------------------------------------------------- */

bool
dist_peer_lacks(struct dist_peer *peer, uint32_t prog, uint32_t vers)
{
	bool lacks = false;

	if (atomic_load_explicit(&peer->n_unserved, memory_order_relaxed) == 0)
		return false;
	dist_lock(&peer->lock);
	for (unsigned i = 0; i < atomic_load(&peer->n_unserved); i++)
		lacks = lacks ||
		        (peer->unserved[i].prog == prog && peer->unserved[i].vers == vers);
	dist_unlock(&peer->lock);
	return lacks;
}

void
dist_peer_set_lacking(struct dist_peer *peer, const struct dist_conn *conn, uint32_t prog,
                      uint32_t vers)
{
	struct dist_unserved *grown;
	unsigned n;

	if (dist_peer_lacks(peer, prog, vers))
		return;
	dist_lock(&peer->lock);
	n = atomic_load(&peer->n_unserved);
	grown = peer_has_conn_locked(peer, conn)
	                ? realloc(peer->unserved, (n + 1) * sizeof(*grown))
	                : NULL;
	if (grown) { /* else it will be asked again, and say so again */
		peer->unserved = grown;
		grown[n] = (struct dist_unserved){ prog, vers };
		atomic_store(&peer->n_unserved, n + 1);
	}
	dist_unlock(&peer->lock);
}

/* --- Called directly ----------------------------------------------------------------- */

enum dist_err
dist_peer_open(struct dist_peer **ret_peer, struct dist_runtime *runtime,
               const struct dist_sockaddr *address, const struct dist_peer_options *options)
{
	return dist_peer_new(ret_peer, runtime, address, options);
}

void
dist_peer_close(struct dist_peer *peer)
{
	if (!peer)
		return;
	dist_peer_shut(peer, DIST_ECLOSED);
	dist_peer_unref(peer);
}

struct peer_route {
	struct dist_route route;
	struct dist_peer *peer;
};

static enum dist_err
peer_route_pick(struct dist_route *route, struct dist_call *call,
                struct dist_peer **ret_peer)
{
	struct dist_peer *peer = DIST_CONTAINER_OF(route, struct peer_route, route)->peer;

	if (dist_peer_closed(peer))
		return dist_error_set(DIST_ECLOSED, "%s: closed", dist_peer_label(peer));
	if (dist_call_has_tried(call, peer))
		return dist_error_set(DIST_ENONODE, "%s: no other server to try",
		                      dist_peer_label(peer));
	atomic_fetch_add(&peer->in_flight, 1);
	*ret_peer = dist_peer_ref(peer);
	return DIST_OK;
}

static bool
peer_route_park(struct dist_route *route, struct dist_call *call)
{
	(void)route;
	(void)call;
	return false;
}

static void
peer_route_destroy(struct dist_route *route)
{
	struct peer_route *self = DIST_CONTAINER_OF(route, struct peer_route, route);

	dist_peer_unref(self->peer);
	dist_bound_fini(&self->route.bound);
	free(self);
}

static const struct dist_route_ops peer_route_ops = {
	.pick = peer_route_pick,
	.park = peer_route_park,
	.destroy = peer_route_destroy,
};

CLIENT *
dist_peer_client(struct dist_peer *peer, rpcprog_t prog, rpcvers_t vers,
                 const struct dist_call_options *options)
{
	struct peer_route *self = calloc(1, sizeof(*self));
	CLIENT *clnt;

	if (!self) {
		dist_error_set_plain(DIST_ENOMEM);
		return NULL;
	}
	self->route.ops = &peer_route_ops;
	self->route.runtime = peer->runtime;
	self->route.max_record_bytes = peer->max_record_bytes;
	dist_bound_init(&self->route.bound, 0, false);
	atomic_init(&self->route.refs, 1);
	self->peer = dist_peer_ref(peer);
	clnt = dist_clnt_new(&self->route, prog, vers, options);
	dist_route_unref(&self->route);
	return clnt;
}
