/* A connection's life but for its end: connecting, adding and giving up calls. */
#include "client/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/call.h"
#include "client/cancel.h"
#include "client/dispatch.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "io/socket.h"

/* What gathers before dist_go() flushes by itself. */
#define FLUSH_BYTES ((size_t)64 * 1024)
/* Calls that left together, from which on a first one does not leave alone. */
#define BATCHES_MIN 8
/* Fewer calls are no part: a segment costs more than they do. */
#define PART_MIN 8
/* A connection at rest for longer was waiting for more than the next round of calls. */
#define REST_NS (100 * DIST_NS_PER_US)
/* A connection that nobody read from for so long is read by the loop. */
#define IDLE_NS (10 * DIST_NS_PER_MS)
/*
 * A connection unused for longer is looked at before it is used: what its peer had closed
 * takes a call all the same, which then may have run. A system call, for one in so long.
 */
#define STALE_NS (1 * DIST_NS_PER_MS)

static void conn_on_ready(struct dist_source *source, uint32_t events);
static void conn_service(struct dist_task *task);
static void conn_on_idle(struct dist_timer *timer);
static void conn_on_connect_timeout(struct dist_timer *timer);

/* xids start anywhere, so that a stray reply to an earlier connection matches nothing. */
static uint32_t
conn_first_xid(void)
{
	uint32_t xid = 0;

	if (getrandom(&xid, sizeof(xid), GRND_NONBLOCK) < 0)
		xid = (uint32_t)dist_clock_ns();
	return xid;
}

enum dist_err
dist_conn_open(struct dist_conn **ret_conn, struct dist_peer *peer)
{
	struct dist_conn *conn = calloc(1, sizeof(*conn));
	enum dist_err err;

	if (!conn)
		return dist_error_set_plain(DIST_ENOMEM);
	err = dist_socket_connect(&peer->address, &conn->source.fd);
	if (err) {
		free(conn);
		return err;
	}
	conn->peer = dist_peer_ref(peer);
	conn->runtime = peer->runtime;
	conn->loop = dist_runtime_loop(peer->runtime);
	conn->source.on_ready = conn_on_ready;
	atomic_init(&conn->refs, 2); /* the loop's and the caller's */
	dist_mutex_init(&conn->lock, DIST_RANK_CONN);
	dist_calltab_init(&conn->calls, conn_first_xid());
	dist_outbuf_init(&conn->out);
	dist_trial_init(&conn->parts);
	dist_list_init(&conn->parked);
	dist_record_reader_init(&conn->reader, peer->max_record_bytes);
	dist_spin_init(&conn->spin, peer->spin_us);
	conn->service_task.run = conn_service;
	conn->dispose_task.run = dist_conn_dispose;
	dist_timer_init(&conn->idle_timer, conn_on_idle);
	dist_timer_init(&conn->connect_timer, conn_on_connect_timeout);

	err = dist_loop_add(conn->loop, &conn->source);
	if (err) {
		close(conn->source.fd);
		atomic_init(&conn->refs, 1);
		dist_conn_unref(conn);
		return err;
	}
	dist_runtime_count_conn(conn->runtime, 1);
	dist_conn_ref(conn); /* the timer's */
	dist_loop_timer_set(conn->loop, &conn->connect_timer,
	                    dist_deadline_in_ms(peer->connect_timeout_ms));
	dist_lock(&conn->lock);
	dist_conn_arm_locked(conn);
	dist_unlock(&conn->lock);
	*ret_conn = conn;
	return DIST_OK;
}

struct dist_conn *
dist_conn_ref(struct dist_conn *conn)
{
	atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
	return conn;
}

void
dist_conn_unref(struct dist_conn *conn)
{
	if (atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) != 1)
		return;
	dist_record_reader_fini(&conn->reader);
	dist_outbuf_fini(&conn->out);
	dist_calltab_fini(&conn->calls);
	dist_mutex_fini(&conn->lock);
	free(conn->unreached);
	dist_peer_unref(conn->peer);
	free(conn);
}

/* --- Readiness ----------------------------------------------------------------------- */

void
dist_conn_arm_locked(struct dist_conn *conn)
{
	uint32_t events = 0;

	if (conn->state == DIST_CONN_CLOSED)
		return;
	if (conn->state == DIST_CONN_CONNECTING || conn->blocked)
		events |= EPOLLOUT;
	if (conn->reader_role == DIST_READER_ARMED)
		events |= EPOLLIN;
	dist_loop_arm(conn->loop, &conn->source, events);
}

static void
conn_on_connected(struct dist_conn *conn)
{
	enum dist_err err;

	err = dist_socket_connect_result(conn->source.fd, &conn->peer->address);
	if (err) {
		dist_conn_close(conn, DIST_ECONNECT, dist_error_text());
		return;
	}
	if (dist_loop_timer_cancel(conn->loop, &conn->connect_timer))
		dist_conn_unref(conn);
	/* For the thread that sleeps in recv(); all other calls say MSG_DONTWAIT. */
	dist_socket_set_blocking(conn->source.fd, 0);
	dist_peer_conn_up(conn->peer);
	dist_lock(&conn->lock);
	if (conn->state == DIST_CONN_CONNECTING) {
		conn->state = DIST_CONN_READY;
		conn->used_at_ns = dist_clock_ns();
		dist_conn_flush_locked(conn);
		if (conn->reader_role == DIST_READER_NONE)
			dist_conn_pass_reader_locked(conn);
	}
	dist_unlock(&conn->lock);
}

static void
conn_on_ready(struct dist_source *source, uint32_t events)
{
	struct dist_conn *conn = DIST_CONTAINER_OF(source, struct dist_conn, source);
	bool read = false;

	dist_lock(&conn->lock);
	if (conn->state == DIST_CONN_CONNECTING) {
		dist_unlock(&conn->lock);
		conn_on_connected(conn);
		return;
	}
	if (conn->state == DIST_CONN_READY) {
		if (conn->blocked && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
			conn->blocked = false;
			dist_conn_flush_locked(conn);
		}
		if (conn->reader_role == DIST_READER_ARMED &&
		    events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
			conn->reader_role = DIST_READER_LOOP;
			read = true;
		}
		/* One shot disarmed all; what is still wanted is armed again. */
		if (conn->blocked || conn->reader_role == DIST_READER_ARMED)
			dist_conn_arm_locked(conn);
	}
	dist_unlock(&conn->lock);
	if (read)
		dist_conn_read_ready(conn);
}

void
dist_conn_post_service_locked(struct dist_conn *conn)
{
	if (conn->service_posted)
		return;
	conn->service_posted = true;
	dist_conn_ref(conn);
	dist_loop_post_soon(conn->loop, &conn->service_task);
}

/* Where a thread waits and reads again and again, flushing each time, it is left to it. */
static bool
conn_is_served_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	bool served = conn->n_waits != conn->served_waits;

	conn->served_waits = conn->n_waits;
	return served && conn->state == DIST_CONN_READY;
}

static void
conn_service(struct dist_task *task)
{
	struct dist_conn *conn = DIST_CONTAINER_OF(task, struct dist_conn, service_task);
	bool served;

	dist_lock(&conn->lock);
	served = conn_is_served_locked(conn);
	conn->service_posted = served;
	if (served)
		dist_loop_post_later(conn->loop, task);
	dist_unlock(&conn->lock);
	if (served)
		return;
	dist_conn_serve(conn);
	dist_conn_unref(conn);
}

void
dist_conn_serve(struct dist_conn *conn)
{
	dist_lock(&conn->lock);
	dist_conn_flush_locked(conn);
	if (conn->state == DIST_CONN_READY &&
	    conn->reader_role == DIST_READER_NONE && conn->calls.n_pending &&
	    conn->n_gathering == 0) {
		conn->reader_role = DIST_READER_ARMED;
		dist_conn_arm_locked(conn);
	}
	dist_unlock(&conn->lock);
}

void
dist_conn_set_idle_timer_locked(struct dist_conn *conn)
{
	if (conn->idle_timer_set || conn->state != DIST_CONN_READY)
		return;
	conn->idle_timer_set = true;
	conn->idle_reads = conn->n_reads;
	dist_conn_ref(conn);
	dist_loop_timer_set(conn->loop, &conn->idle_timer, dist_clock_ns() + IDLE_NS);
}

/* Nobody reads: the loop does from now on, unless the connection is in use. */
static void
conn_on_idle(struct dist_timer *timer)
{
	struct dist_conn *conn = DIST_CONTAINER_OF(timer, struct dist_conn, idle_timer);

	dist_lock(&conn->lock);
	conn->idle_timer_set = false;
	if (conn->reader_role == DIST_READER_CALLER || conn->n_reads != conn->idle_reads) {
		dist_conn_set_idle_timer_locked(conn);
	} else if (conn->state == DIST_CONN_READY &&
	           conn->reader_role == DIST_READER_NONE) {
		conn->reader_role = DIST_READER_ARMED;
		dist_conn_arm_locked(conn);
		/* Nobody holds the role: the reader's memory may be touched here. */
		if (dist_record_reader_settle(&conn->reader) != DIST_OK)
			dist_log_debug("no-memory", "peer=%s", conn->peer->info.address);
		dist_outbuf_slim(&conn->out);
	}
	dist_unlock(&conn->lock);
	dist_conn_unref(conn);
}

static void
conn_on_connect_timeout(struct dist_timer *timer)
{
	struct dist_conn *conn = DIST_CONTAINER_OF(timer, struct dist_conn, connect_timer);
	bool late;

	dist_lock(&conn->lock);
	late = conn->state == DIST_CONN_CONNECTING;
	dist_unlock(&conn->lock);
	if (late)
		dist_conn_close(conn, DIST_ECONNECT, "it did not answer in time");
	dist_conn_unref(conn);
}

/* --- Calls --------------------------------------------------------------------------- */

static enum dist_err
conn_check_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	size_t pending = dist_outbuf_pending(&conn->out);

	/* Of one that could not be made who comes a moment later is told why, too. */
	if (conn->state == DIST_CONN_CLOSED || atomic_load(&conn->send_errno))
		return dist_error_set(DIST_ECONNECT, "%s: %s",
		                      dist_peer_label(conn->peer),
		                      conn->unreached ? conn->unreached
		                                      : "the connection was closed");
	if (pending > conn->peer->max_unsent_bytes)
		return dist_error_set(DIST_EBUSY, "%s: %zu bytes wait to be sent",
		                      dist_peer_label(conn->peer), pending);
	return DIST_OK;
}

/* With an xid in the table, and its record in the output. */
static enum dist_err
conn_enter_locked(struct dist_conn *conn, struct dist_call *call, uint32_t *ret_xid)
	DIST_REQUIRES(&conn->lock)
{
	enum dist_err err = conn_check_locked(conn);

	if (!err)
		err = dist_calltab_add(&conn->calls, call, ret_xid);
	if (err)
		return err;
	err = dist_call_append(call, &conn->out, *ret_xid, conn->peer->with_meta);
	if (err) {
		dist_calltab_undo(&conn->calls, *ret_xid);
		return err;
	}
	dist_stats_sent(call, conn->calls.n_pending, &conn->draws);
	return DIST_OK;
}

/*
 * Whether the call ended while it was placed: whoever ended it looked here before it was
 * there. Its record is in the output, so it leaves, and what takes it back.
 */
static bool
conn_take_back_locked(struct dist_conn *conn, struct dist_call *call, uint32_t xid)
	DIST_REQUIRES(&conn->lock)
{
	if (dist_call_pending(call) || !dist_calltab_abandon(&conn->calls, xid, call))
		return false;
	if (conn->peer->with_meta)
		dist_cancel_queue_locked(conn, xid);
	return true;
}

/*
 * It was at rest, and is used again. False: nobody used it for a while, and the peer has
 * ended it.
 */
static bool
conn_wake_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	int64_t rested_ns;

	if (conn->state != DIST_CONN_READY)
		return true;
	rested_ns = dist_clock_ns() - conn->used_at_ns;
	if (rested_ns > REST_NS)
		dist_trial_void(&conn->parts);
	return rested_ns <= STALE_NS || !dist_socket_is_dead(conn->source.fd);
}

/*
 * A window of calls may leave at once, or in parts: as soon as a third of all that is in
 * flight has gathered, so that the node has work while this side makes more of it. With a
 * CPU for each side that is up to twice as fast, since else they take turns. Where they
 * share one it costs as much, for the sake of nothing; so both are tried (base/trial.h).
 */
static bool
conn_has_part_locked(const struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	unsigned n_unsent = conn->n_added - conn->n_taken;

	return conn->parts.way == 0 && n_unsent >= PART_MIN &&
	       3 * n_unsent >= conn->calls.n_pending;
}

/*
 * Whether what was added should leave now: a call that is alone (@first: on a connection
 * at rest), unless calls come in batches lately; a part; and what is much in any case.
 */
static bool
conn_should_flush_locked(struct dist_conn *conn, bool first) DIST_REQUIRES(&conn->lock)
{
	return (first && conn->last_batch < BATCHES_MIN) || conn_has_part_locked(conn) ||
	       dist_outbuf_pending(&conn->out) > FLUSH_BYTES;
}

enum dist_err
dist_conn_add(struct dist_conn *conn, struct dist_call *call)
{
	bool idle, taken_back;
	bool caller_waits = dist_dispatch_caller_waits(call);
	enum dist_err err;
	uint32_t xid;

	dist_lock(&conn->lock);
	idle = conn->calls.n_pending == 0;
	if (idle && !conn_wake_locked(conn)) {
		dist_unlock(&conn->lock);
		dist_conn_close(conn, DIST_ECONNECT, "the peer had closed it");
		return dist_error_set(DIST_ECONNECT, "%s: the peer had closed it",
		                      dist_peer_label(conn->peer));
	}
	err = conn_enter_locked(conn, call, &xid);
	if (err) {
		dist_unlock(&conn->lock);
		return err;
	}
	call->sent_at_offset = conn->out.appended;
	dist_call_set_conn(call, conn, xid);
	taken_back = conn_take_back_locked(conn, call, xid);

	/* From here on the call may end, and with it its reference to the connection. */
	conn->n_adding++;
	conn->n_added++;
	/* A caller that goes on to wait sends and reads itself. */
	if (!caller_waits && conn_should_flush_locked(conn, call->synchronous || idle))
		dist_conn_flush_locked(conn);
	if (!caller_waits)
		dist_conn_post_service_locked(conn);
	if (taken_back) {
		atomic_fetch_sub(&conn->peer->in_flight, 1);
		dist_stats_given_up(conn->peer, call);
	}
	conn->n_adding--;
	dist_conn_try_dispose_locked(conn);
	dist_unlock(&conn->lock);
	if (taken_back)
		dist_call_unref(call);
	return DIST_OK;
}

void
dist_conn_abandon(struct dist_conn *conn, uint32_t xid, struct dist_call *call)
{
	bool was_here;

	dist_lock(&conn->lock);
	was_here = dist_calltab_abandon(&conn->calls, xid, call);
	if (was_here && conn->peer->with_meta && conn->state == DIST_CONN_READY) {
		dist_cancel_queue_locked(conn, xid);
		dist_conn_flush_locked(conn);
	}
	if (conn->holder_call == call)
		dist_conn_kick_locked(conn);
	dist_unlock(&conn->lock);
	if (!was_here)
		return; /* a reply was being looked at: that thread sees that it ended */
	atomic_fetch_sub(&conn->peer->in_flight, 1);
	dist_stats_given_up(conn->peer, call);
	dist_call_unref(call);
}
