/*
 * The reader role. One thread at a time receives, and ends whatever calls the records at
 * hand answer: a caller that waits for its own call (which saves a hop between threads),
 * else the loop.
 *
 * Granting, timing out and leaving happen under the connection's lock: a thread that
 * leaves while it was just granted the role passes it on.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/call.h"
#include "client/conn.h"
#include "client/dispatch.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "wire/callmsg.h"

/* Replies looked up under one taking of the lock. */
#define BATCH_MAX 64
/* Larger results are left to the thread that waits for them. */
#define DECODE_HERE_MAX ((size_t)64 * 1024)

struct reply {
	struct dist_bytes record;
	struct dist_reply_header header;
	struct dist_call *call;
};

/* --- Records to outcomes ------------------------------------------------------------- */

/* Leave a large result to its waiter. Memory short: decode it here after all. */
static void
reply_hand_over(struct dist_conn *conn, struct reply *reply)
{
	size_t skip = (size_t)(reply->header.results.data - reply->record.data);
	struct dist_bytes kept;
	void *memory;

	if (dist_record_reader_take(&conn->reader, reply->record, &memory, &kept) != DIST_OK)
		dist_call_decode(reply->call, reply->header.results.data,
		                 reply->header.results.length);
	else
		dist_call_replied(reply->call, memory, kept.data + skip,
		                  kept.length - skip);
}

/* Ends the call, or sends it elsewhere; takes the reference that the table had. */
static void
reply_end_call(struct dist_conn *conn, struct reply *reply, struct dist_call *own)
{
	struct dist_call *call = reply->call;

	atomic_fetch_sub(&conn->peer->in_flight, 1);
	if (reply->header.stat != MSG_ACCEPTED || reply->header.accept != SUCCESS) {
		dist_dispatch_refused(call, conn->peer, &reply->header);
		return;
	}
	if (call == own || reply->header.results.length <= DECODE_HERE_MAX)
		dist_call_decode(call, reply->header.results.data,
		                 reply->header.results.length);
	else
		reply_hand_over(conn, reply);
	dist_call_unref(call);
}

static void
conn_look_up(struct dist_conn *conn, struct reply *replies, unsigned n)
{
	dist_lock(&conn->lock);
	for (unsigned i = 0; i < n; i++) {
		replies[i].call = NULL;
		/* Late and stray replies are nobody's. */
		if (dist_calltab_take(&conn->calls, replies[i].header.xid,
		                      &replies[i].call) != DIST_CALLTAB_CALL)
			replies[i].call = NULL;
	}
	if (conn->calls.n_pending == 0)
		conn->used_at_ns = dist_clock_ns();
	dist_unlock(&conn->lock);
}

/* All whole records that are here; @own is what this thread itself waits for, or NULL. */
static enum dist_err
conn_take_replies(struct dist_conn *conn, struct dist_call *own)
{
	struct reply replies[BATCH_MAX];
	enum dist_err err = DIST_OK;
	bool have = true;
	unsigned n;

	while (have && !err) {
		for (n = 0; n < BATCH_MAX; n++) {
			err = dist_record_reader_next(&conn->reader, &replies[n].record, &have);
			if (err || !have)
				break;
			err = dist_reply_header_read(replies[n].record, &replies[n].header);
			if (err)
				break;
		}
		if (n == 0)
			break;
		conn_look_up(conn, replies, n);
		for (unsigned i = 0; i < n; i++) {
			if (replies[i].call)
				reply_end_call(conn, &replies[i], own);
		}
	}
	if (atomic_load_explicit(&conn->peer->leaving, memory_order_relaxed))
		dist_conn_close_if_idle(conn);
	return err;
}

enum received {
	RECEIVED_SOME,
	RECEIVED_NOTHING, /* not now */
	RECEIVED_END,     /* the connection is closed */
};

/* Receive once and end the calls that this answers. The role is held. */
static enum received
conn_receive(struct dist_conn *conn, struct dist_call *own)
{
	uint8_t *space;
	size_t length;
	ssize_t received;
	enum dist_err err;

	err = dist_record_reader_space(&conn->reader, &space, &length);
	if (!err) {
		received = recv(conn->source.fd, space, length, MSG_DONTWAIT);
		if (received < 0 && (errno == EAGAIN || errno == EINTR))
			return RECEIVED_NOTHING;
		if (received <= 0) {
			dist_conn_close(conn, DIST_ECONNRESET,
			                received ? strerror(errno)
			                         : "the peer closed the connection");
			return RECEIVED_END;
		}
		dist_record_reader_filled(&conn->reader, (size_t)received);
		err = conn_take_replies(conn, own);
	}
	if (err) {
		dist_conn_close(conn, err, dist_error_text());
		return RECEIVED_END;
	}
	return RECEIVED_SOME;
}

/* --- The loop as reader -------------------------------------------------------------- */

void
dist_conn_read_ready(struct dist_conn *conn)
{
	conn_receive(conn, NULL);
	dist_lock(&conn->lock);
	conn->n_reads++;
	conn->reader_role = DIST_READER_NONE;
	if (conn->state == DIST_CONN_READY && dist_list_empty(&conn->parked)) {
		conn->reader_role = DIST_READER_ARMED;
		dist_conn_arm_locked(conn);
	} else {
		dist_conn_pass_reader_locked(conn);
	}
	dist_unlock(&conn->lock);
}

/* --- A caller as reader -------------------------------------------------------------- */

void
dist_conn_pass_reader_locked(struct dist_conn *conn)
{
	struct dist_list *link;
	uint64_t one;

	conn->reader_role = DIST_READER_NONE;
	conn->holder_call = NULL;
	/* A kick that the holder left without seeing would keep all who poll awake. */
	if (conn->kicked && read(dist_runtime_kick_fd(conn->runtime), &one, sizeof(one)) < 0)
		dist_log_debug("kick-lost", "peer=%s", conn->peer->info.address);
	conn->kicked = false;
	if (conn->state != DIST_CONN_READY) {
		dist_conn_try_dispose_locked(conn);
		return;
	}
	while ((link = dist_list_pop(&conn->parked))) {
		struct dist_parked *parked =
			DIST_CONTAINER_OF(link, struct dist_parked, link);

		if (!dist_call_pending(parked->call))
			continue; /* it is about to leave, or will be woken to */
		parked->granted = true;
		conn->reader_role = DIST_READER_CALLER;
		conn->holder_call = parked->call;
		dist_call_nudge(parked->call);
		return;
	}
	if (conn->calls.n_pending)
		dist_conn_post_service_locked(conn);
	else
		dist_conn_set_idle_timer_locked(conn);
}

void
dist_conn_kick_locked(struct dist_conn *conn)
{
	uint64_t one = 1;

	if (conn->kicked || conn->reader_role != DIST_READER_CALLER)
		return;
	conn->kicked = true;
	if (write(dist_runtime_kick_fd(conn->runtime), &one, sizeof(one)) < 0)
		return; /* it is full of kicks, so the thread is woken anyway */
}

/* The kick descriptor is shared by all that poll: one that was not meant goes on. */
static void
conn_take_kick(struct dist_conn *conn)
{
	uint64_t one;
	bool kicked;

	dist_lock(&conn->lock);
	kicked = conn->kicked;
	conn->kicked = false;
	dist_unlock(&conn->lock);
	if (kicked && read(dist_runtime_kick_fd(conn->runtime), &one, sizeof(one)) < 0)
		return;
}

/* Sleep until there is something to read; false: @deadline_ns passed. */
static bool
conn_poll(struct dist_conn *conn, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ .fd = conn->source.fd, .events = POLLIN },
		{ .fd = dist_runtime_kick_fd(conn->runtime), .events = POLLIN },
	};
	struct timespec time = { 0, 0 };
	int64_t left_ns = 0;
	int n;

	if (deadline_ns != DIST_NEVER) {
		left_ns = DIST_MAX(deadline_ns - dist_clock_ns(), 0);
		time.tv_sec = left_ns / 1000000000;
		time.tv_nsec = left_ns % 1000000000;
	}
	n = ppoll(fds, 2, deadline_ns == DIST_NEVER ? NULL : &time, NULL);
	if (n > 0 && fds[1].revents)
		conn_take_kick(conn);
	return n != 0 || left_ns > 0;
}

/* Look without sleeping, for as long as was asked for; true: something was received. */
static bool
conn_spin(struct dist_conn *conn, struct dist_call *call)
{
	int64_t until_ns = dist_clock_ns() + conn->peer->spin_us * DIST_NS_PER_US;

	do {
		if (conn_receive(conn, call) != RECEIVED_NOTHING)
			return true;
	} while (dist_clock_ns() < until_ns);
	return false;
}

/*
 * With the role held: read for all until @call is over or went elsewhere (its answer was
 * that it did not run here), the connection is, or the time. When another thread writes
 * its outcome, this one must not poll: nothing more will come for the call.
 */
static void
conn_read_until(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
{
	while (dist_call_pending(call) && dist_call_is_on(call, conn)) {
		if (conn->peer->spin_us && conn_spin(conn, call))
			continue;
		if (!dist_call_pending(call) || !conn_poll(conn, deadline_ns))
			return;
		if (conn_receive(conn, call) == RECEIVED_END)
			return;
		if (dist_deadline_passed(deadline_ns))
			return;
	}
}

/* Sleep while another thread reads. True: the role was granted to this one. */
static bool
conn_park_locked(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
	DIST_REQUIRES(&conn->lock)
{
	struct dist_parked self = { .call = call, .granted = false };
	unsigned seen = atomic_load(&call->word);

	dist_list_init(&self.link);
	if ((seen & DIST_CALL_STATE) != DIST_CALL_PENDING)
		return false;
	dist_list_append(&conn->parked, &self.link);
	dist_unlock(&conn->lock);
	dist_call_sleep(call, seen, deadline_ns);
	dist_lock(&conn->lock);
	dist_list_remove(&self.link);
	return self.granted;
}

void
dist_conn_wait(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
{
	bool alive, mine = false;

	dist_thread_will_block();
	dist_lock(&conn->lock);
	alive = dist_conn_flush_locked(conn);
	while (alive && dist_call_pending(call) && conn->state != DIST_CONN_CLOSED &&
	       dist_call_is_on(call, conn) && !dist_deadline_passed(deadline_ns)) {
		if (!mine && conn->state == DIST_CONN_READY &&
		    (conn->reader_role == DIST_READER_NONE ||
		     conn->reader_role == DIST_READER_ARMED)) {
			bool armed = conn->reader_role == DIST_READER_ARMED;

			conn->reader_role = DIST_READER_CALLER;
			conn->holder_call = call;
			if (armed)
				dist_conn_arm_locked(conn);
			mine = true;
		}
		if (!mine) {
			mine = conn_park_locked(conn, call, deadline_ns);
			continue;
		}
		dist_unlock(&conn->lock);
		conn_read_until(conn, call, deadline_ns);
		dist_lock(&conn->lock);
		conn->n_reads++;
	}
	if (mine)
		dist_conn_pass_reader_locked(conn);
	dist_unlock(&conn->lock);
	if (!alive)
		dist_conn_close(conn, DIST_ECONNRESET, strerror(errno));
}
