/*
 * The reader role. One thread at a time receives, and ends whatever calls the records at
 * hand answer: a caller that waits for its own call (which saves a hop between threads),
 * else the loop.
 *
 * Granting, timing out and leaving happen under the connection's lock: a thread that
 * leaves while it was just granted the role passes it on.
 */
#include <errno.h>
#include <inttypes.h>
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
#include "client/conn_gather.h"
#include "client/dispatch.h"
#include "client/harvest.h"
#include "client/hedge.h"
#include "client/observe.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"
#include "client/seldom.h"
#include "client/stats.h"
#include "idl/node.h"
#include "io/socket.h"
#include "wire/callmsg.h"

/* Replies looked up under one taking of the lock. */
#define BATCH_MAX 64
/* Received at once: the loop has other connections. */
#define READ_MAX ((size_t)1024 * 1024)
/* Larger results are left to the thread that waits for them. */
#define DECODE_HERE_MAX ((size_t)64 * 1024)
/* So large a result takes a while: what was ended with it is pushed to its queue at once. */
#define DECODE_AFTER_PUSH ((size_t)4 * 1024)
/* Of threads that look in turn, one asks the kernel once in this time. */
#define LOOK_AGAIN_NS (5 * DIST_NS_PER_US)
/* A thread that sleeps in recv() for a call with a deadline looks up so often. */
#define RECEIVE_MS 200u

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

	if (reply->header.stat != MSG_ACCEPTED || reply->header.accept != SUCCESS) {
		dist_dispatch_refused(call, conn, &reply->header);
		return;
	}
	if (call->hedging == DIST_HEDGE_SECOND)
		dist_hedge_answered(call, reply->header.results.data,
		                    reply->header.results.length);
	else if (reply->header.results.length <= DECODE_HERE_MAX ||
	    (call == own && !dist_record_reader_fills(&conn->reader, reply->record)))
		dist_call_decode(call, reply->header.results.data,
		                 reply->header.results.length);
	else
		reply_hand_over(conn, reply);
}

/* Counted and dropped: a server that sends it is broken, or means harm. */
static void
conn_drop_stray_locked(struct dist_conn *conn, uint32_t xid) DIST_REQUIRES(&conn->lock)
{
	dist_stats_stray(&conn->peer->counts);
	if (dist_seldom(&conn->stray_logged_ns))
		dist_log_warning("stray-reply", "peer=%s xid=%#x so_far=%" PRIu64,
		                 conn->peer->info.address, xid,
		                 dist_count_get(&conn->peer->counts.stray));
}

static void
conn_look_up(struct dist_conn *conn, struct reply *replies, unsigned n)
{
	enum dist_calltab_found found;
	unsigned n_found = 0;
	int64_t now_ns = 0;
	bool judge;

	dist_lock(&conn->lock);
	for (unsigned i = 0; i < n; i++) {
		replies[i].call = NULL;
		/* Late and stray replies are nobody's. */
		found = dist_calltab_take(&conn->calls, replies[i].header.xid,
		                          &replies[i].call);
		n_found += found == DIST_CALLTAB_CALL;
		if (found != DIST_CALLTAB_CALL)
			replies[i].call = NULL;
		if (found == DIST_CALLTAB_ABANDONED)
			dist_stats_late(&conn->peer->counts);
		else if (found == DIST_CALLTAB_UNKNOWN)
			conn_drop_stray_locked(conn, replies[i].header.xid);
	}
	conn->n_answered += n;
	judge = dist_trial_count(&conn->parts, n);
	if (judge || conn->calls.n_pending == 0)
		now_ns = dist_clock_ns();
	if (judge)
		dist_trial_judge(&conn->parts, now_ns);
	if (conn->calls.n_pending == 0)
		conn->used_at_ns = now_ns;
	dist_unlock(&conn->lock);
	atomic_fetch_sub_explicit(&conn->peer->in_flight, n_found, memory_order_relaxed);
}

/* None of the calls on its connection runs that was not answered before it (node.x). */
static bool
reply_is_goodbye(const struct dist_reply_header *header)
{
	return header->xid == 0 && header->has_meta &&
	       header->meta.not_run == DIST_NOT_RUN_GOODBYE;
}

/* All whole records that are here; @own is what this thread itself waits for, or NULL. */
static enum dist_err
conn_take_replies(struct dist_conn *conn, struct dist_call *own)
{
	struct reply replies[BATCH_MAX];
	struct dist_pushes pushes;
	struct dist_tally tally;
	enum dist_err err = DIST_OK;
	bool have = true, goodbye = false;
	unsigned n;

	dist_tally_init(&tally, conn->peer);
	dist_pushes_begin(&pushes);
	while (have && !err && !goodbye) {
		for (n = 0; n < BATCH_MAX; n++) {
			err = dist_record_reader_next(&conn->reader, &replies[n].record, &have);
			if (err || !have)
				break;
			err = dist_reply_header_read(replies[n].record, &replies[n].header);
			goodbye = !err && reply_is_goodbye(&replies[n].header);
			if (err || goodbye)
				break;
		}
		if (n == 0)
			break;
		conn_look_up(conn, replies, n);
		for (unsigned i = 0; i < n; i++) {
			if (!replies[i].call)
				continue;
			dist_tally_reply(&tally, replies[i].call, &replies[i].header,
			                 replies[i].record.length);
			reply_end_call(conn, &replies[i], own);
			if (replies[i].record.length > DECODE_AFTER_PUSH)
				dist_pushes_flush(&pushes);
		}
		dist_pushes_flush(&pushes);
	}
	dist_tally_flush(&tally);
	dist_pushes_end(&pushes);
	if (atomic_load_explicit(&conn->peer->leaving, memory_order_relaxed))
		dist_conn_close_if_idle(conn);
	if (!goodbye)
		return err;
	/* Not here again for a while, and not by the calls that go elsewhere now. */
	dist_peer_set_leaving(conn->peer, conn);
	return dist_error_set(DIST_EBUSY, "it has stopped, and did not run the calls that "
	                                  "it had not answered");
}

/* @failure: of the recv() that found its end; 0: in order. */
static const char *
conn_why_ended(const struct dist_conn *conn, int failure)
{
	int send_failure = atomic_load(&conn->send_errno);

	if (failure || send_failure)
		return strerror(send_failure ? send_failure : failure);
	return "the peer closed the connection";
}

enum received {
	RECEIVED_SOME,
	RECEIVED_NOTHING, /* not now */
	RECEIVED_END,     /* the connection is closed */
};

/*
 * Receive once and end the calls that this answers; @flags: MSG_DONTWAIT, or 0 to sleep
 * until there is something. The role is held.
 */
static enum received
conn_receive(struct dist_conn *conn, struct dist_call *own, int flags)
{
	uint8_t *space;
	size_t length;
	ssize_t received;
	enum dist_err err;

	err = dist_record_reader_space(&conn->reader, &space, &length);
	if (!err) {
		received = recv(conn->source.fd, space, DIST_MIN(length, READ_MAX), flags);
		if (received < 0 && (errno == EAGAIN || errno == EINTR))
			return RECEIVED_NOTHING;
		if (received <= 0) {
			dist_conn_close(conn, DIST_ECONNRESET,
			                conn_why_ended(conn, received ? errno : 0));
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

bool
dist_conn_read_once(struct dist_conn *conn, bool *ret_open)
{
	enum received received = conn_receive(conn, NULL, MSG_DONTWAIT);

	*ret_open = received != RECEIVED_END;
	return received == RECEIVED_SOME;
}

/* --- The loop as reader -------------------------------------------------------------- */

void
dist_conn_read_ready(struct dist_conn *conn)
{
	conn_receive(conn, NULL, MSG_DONTWAIT);
	dist_lock(&conn->lock);
	conn->n_reads++;
	conn->reader_role = DIST_READER_NONE;
	if (conn->state == DIST_CONN_READY && conn->n_gathering) {
		/* These look at it next. */
	} else if (conn->state == DIST_CONN_READY && dist_list_empty(&conn->parked)) {
		conn->reader_role = DIST_READER_ARMED;
		dist_conn_arm_locked(conn);
	} else {
		dist_conn_pass_reader_locked(conn);
	}
	dist_unlock(&conn->lock);
}

/* --- A caller as reader -------------------------------------------------------------- */

/* Whether it still waits: otherwise it is about to leave, or will be woken to. */
static bool
parked_waits(const struct dist_parked *parked)
{
	return parked->call ? dist_call_pending(parked->call)
	                    : !dist_harvest_told(parked->harvest);
}

void
dist_conn_wake_parked(struct dist_parked *parked)
{
	if (parked->call)
		dist_call_nudge(parked->call);
	else
		dist_harvest_nudge(parked->harvest);
}

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

		if (!parked_waits(parked))
			continue;
		parked->granted = true;
		conn->reader_role = DIST_READER_CALLER;
		conn->holder_call = parked->call;
		dist_conn_wake_parked(parked);
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

/* Look without sleeping, as long as that pays; true: something was received. */
static bool
conn_spin(struct dist_conn *conn, struct dist_call *call)
{
	bool seen;

	if (!dist_spin_begin(&conn->spin, dist_clock_ns()))
		return false;
	do
		seen = conn_receive(conn, call, MSG_DONTWAIT) != RECEIVED_NOTHING;
	while (!seen && dist_spin_goes_on(&conn->spin, dist_clock_ns()));
	dist_spin_end(&conn->spin, seen, dist_clock_ns());
	return seen;
}

/*
 * Whether to sleep in recv() itself: one system call where ppoll() and recv() are two, and
 * one thing to be woken by. No kick reaches it there, so it is for synchronous calls,
 * which nobody else ends before their connection does, unless they are hedged; and not for
 * a deadline that is near.
 */
static bool
conn_may_sleep_in_recv(struct dist_conn *conn, const struct dist_call *call,
                       int64_t deadline_ns)
{
	if (!call->synchronous || call->hedging)
		return false;
	if (deadline_ns == DIST_NEVER)
		return true;
	if (deadline_ns - dist_clock_ns() < 2 * RECEIVE_MS * DIST_NS_PER_MS)
		return false;
	if (!conn->receives_timed)
		dist_socket_set_blocking(conn->source.fd, RECEIVE_MS);
	conn->receives_timed = true;
	return true;
}

static enum received
conn_sleep_and_receive(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
{
	if (conn_may_sleep_in_recv(conn, call, deadline_ns))
		return conn_receive(conn, call, 0);
	if (!conn_poll(conn, deadline_ns))
		return RECEIVED_NOTHING;
	return conn_receive(conn, call, MSG_DONTWAIT);
}

/*
 * With the role held: read for all until @call is over or went elsewhere (its answer was
 * that it did not run here), the connection is, or the time. When another thread writes
 * its outcome, this one must not sleep: nothing more will come for the call.
 */
static void
conn_read_until(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
{
	while (dist_call_pending(call) && dist_call_is_on(call, conn)) {
		if (conn->peer->spin_us && conn_spin(conn, call))
			continue;
		if (!dist_call_pending(call) ||
		    conn_sleep_and_receive(conn, call, deadline_ns) == RECEIVED_END ||
		    dist_deadline_passed(deadline_ns))
			return;
	}
}

/*
 * With nothing to receive a moment ago, the next thread that looks need not ask the
 * kernel again.
 */
void
dist_conn_look_locked(struct dist_conn *conn, struct dist_call *own)
{
	int64_t now_ns = dist_clock_ns();
	enum received received;
	bool armed = conn->reader_role == DIST_READER_ARMED;

	if ((conn->reader_role != DIST_READER_NONE && !armed) ||
	    conn->state != DIST_CONN_READY || now_ns - conn->looked_at_ns < LOOK_AGAIN_NS)
		return;
	conn->reader_role = DIST_READER_CALLER;
	conn->holder_call = own;
	if (armed)
		dist_conn_arm_locked(conn);
	dist_unlock(&conn->lock);
	received = conn_receive(conn, own, MSG_DONTWAIT);
	dist_lock(&conn->lock);
	conn->n_reads++;
	if (received == RECEIVED_NOTHING)
		conn->looked_at_ns = now_ns;
	/* Whoever gathers looks at it next; the last of these passes it on. */
	conn->reader_role = DIST_READER_NONE;
	conn->holder_call = NULL;
	if (conn->kicked || conn->state != DIST_CONN_READY)
		dist_conn_pass_reader_locked(conn);
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

bool
dist_conn_wait(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns)
{
	bool was_open, mine = false;

	dist_thread_will_block();
	dist_lock(&conn->lock);
	was_open = conn->state != DIST_CONN_CLOSED;
	conn->n_waiting++;
	if (dist_conn_may_gather_locked(conn))
		dist_conn_gather_locked(conn, call);
	if (dist_call_pending(call))
		dist_conn_flush_locked(conn);
	conn->n_waits++;
	while (dist_call_pending(call) && conn->state != DIST_CONN_CLOSED &&
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
	conn->n_waiting--;
	if (mine || (conn->reader_role == DIST_READER_NONE && conn->n_gathering == 0))
		dist_conn_pass_reader_locked(conn);
	dist_unlock(&conn->lock);
	return was_open;
}
