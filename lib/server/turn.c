/*
 * A connection's turn: one read (more only for a record that fills the buffer), then
 * its records, until they, the turn's bounds or the room for output are used up. What
 * the turn answered leaves in one write at its end, and what it leaves to the workers
 * is queued in one go.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/large.h"
#include "base/log.h"
#include "server/core.h"
#include "server/inline_run.h"
#include "server/reply.h"
#include "server/rest.h"
#include "server/xprt.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The bounds of a turn, after which others have theirs. */
#define TURN_CALLS_MAX 256
#define TURN_TIME_NS   (1000 * DIST_NS_PER_US)
#define TURN_BYTES_MAX ((size_t)1024 * 1024)

/* For so long a connection that found the queue full is taken to want room there. */
#define TURN_STARVED_NS (1000 * DIST_NS_PER_MS)

/* Longer arguments are never decoded by the thread that reads. */
#define TURN_INLINE_MAX ((size_t)1088 * 1024)

/* What became of a record. */
enum handled {
	HANDLED,
	HANDLED_BADLY, /* the connection ends */
	ROLE_LOST,
};

/* --- Reading -------------------------------------------------------------------- */

bool
dist_turn_receive(struct dist_worker *self, struct dist_server_conn *conn, int flags,
                  size_t *ret_n_bytes)
{
	struct dist_record_reader *reader = &conn->reader;
	size_t room, total = 0;
	uint8_t *space;
	ssize_t n;

	*ret_n_bytes = 0;
	if (dist_rest_take_up(self, conn))
		return false;
	do {
		if (dist_record_reader_space(reader, &space, &room))
			return false;
		room = DIST_MIN(room, TURN_BYTES_MAX - total);
		n = recv(conn->fd, space, room, total ? MSG_DONTWAIT : flags);
		if (n <= 0)
			break;
		dist_record_reader_filled(reader, (size_t)n);
		total += (size_t)n;
		/* A large record is read straight into place, as much as there is. */
	} while ((size_t)n == room && !reader->lent && total < TURN_BYTES_MAX &&
	         !dist_record_reader_full(reader));

	*ret_n_bytes = total;
	if (total > 0)
		return true;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* --- Records -------------------------------------------------------------------- */

/* Calls that wait for a worker, or will when this turn is over. */
static unsigned
turn_n_queued(const struct dist_server *server)
{
	return server->loop.n_calls + dist_workers_n_queued(&server->workers);
}

static struct dist_reply_to
turn_reply_to(const struct dist_server *server, const struct dist_call_header *header)
{
	return (struct dist_reply_to){
		.conn = server->loop.current,
		.xid = header->xid,
		.has_meta = header->has_meta,
		.queued = turn_n_queued(server),
	};
}

static void
turn_refuse_program(struct dist_server *server, const struct dist_call_header *header)
{
	struct dist_reply_to to = turn_reply_to(server, header);
	uint32_t low, high;

	dist_server_count(server, no_program);
	if (dist_served_table_versions(&server->services, header->prog, &low, &high))
		dist_reply_prog_mismatch(&to, low, high);
	else
		dist_reply_accepted(&to, PROG_UNAVAIL);
}

/* Whoever is told "busy" goes elsewhere, so that only the operator sees the limit. */
static void
turn_log_busy(struct dist_server *server, const char *why)
{
	struct dist_server_loop *loop = &server->loop;
	char peer[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	if (dist_limit_allows_rarely(&loop->busy_limit, loop->now_ns, &n_dropped))
		dist_log_warning("calls-refused", "peer=%s why=\"%s\" not_shown=%u",
		                 dist_sockaddr_format(&loop->current->peer, peer), why,
		                 n_dropped);
}

static void
turn_refuse(struct dist_server *server, const struct dist_server_call *call,
            enum dist_not_run why)
{
	struct dist_reply_to to = turn_reply_to(server, &call->header);

	if (why == DIST_NOT_RUN_BUSY) {
		dist_server_count(server, refused_busy);
		dist_server_stats_over(call->counts, DIST_OUTCOME_BUSY);
	} else {
		dist_server_count(server, refused_draining);
		dist_server_stats_over(call->counts, DIST_OUTCOME_DRAINING);
	}
	dist_reply_not_run(&to, why);
}

/* How many other connections have calls in the queue, or found no room there just now. */
static unsigned
turn_n_others(const struct dist_server *server)
{
	const struct dist_server_loop *loop = &server->loop;
	unsigned n = atomic_load_explicit(&server->workers.n_queuing,
	                                  memory_order_relaxed);

	n -= atomic_load_explicit(&loop->current->n_queued, memory_order_relaxed) > 0;
	if (n == 0 && loop->starved_ns != 0 &&
	    loop->now_ns - loop->starved_ns < TURN_STARVED_NS)
		n = 1;
	return n;
}

/*
 * Of calls or bytes: whether @mine is all that one of so many may have of @most, when
 * more than half of that is @used. One share is kept for whoever comes next, who would
 * find no room among others that have theirs.
 */
static bool
turn_has_its_share(size_t used, size_t mine, size_t most, unsigned n_others)
{
	return n_others > 0 && used >= most / 2 && mine > 0 &&
	       mine >= most / (n_others + 2);
}

/*
 * Why there is no room in the queue for another call of this connection; NULL: there is.
 * A record of any allowed size fits into an empty one.
 *
 * A connection that fills the queue must not keep others out: where the queue is more
 * than half full, and others want it too, one that has its share is told "busy" first.
 */
static const char *
turn_queue_is_full(struct dist_server *server, size_t n_bytes)
{
	const struct dist_server_options *options = &server->options;
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = loop->current;
	size_t used_bytes = atomic_load_explicit(&server->workers.queued_bytes,
	                                         memory_order_relaxed);
	unsigned used = turn_n_queued(server), n_others = turn_n_others(server);
	size_t mine = loop->n_calls + atomic_load_explicit(&conn->n_queued,
	                                                   memory_order_relaxed);
	size_t my_bytes = loop->n_call_bytes +
	                  atomic_load_explicit(&conn->queued_bytes, memory_order_relaxed);
	bool over = turn_has_its_share(used, mine, options->queue, n_others) ||
	            turn_has_its_share(used_bytes, my_bytes, options->queue_bytes,
	                               n_others);
	const char *why = NULL;

	if (used >= options->queue)
		why = "as many calls wait as queue allows";
	else if (used_bytes > 0 && used_bytes + n_bytes > options->queue_bytes)
		why = "as many bytes wait as queue_bytes allows";
	if (over)
		return "others wait too, and it has its share of queue or queue_bytes";
	if (why && n_others > 0)
		loop->starved_ns = loop->now_ns;
	return why;
}

/* Have the workers run it. What memory it owns is taken. */
static void
turn_queue(struct dist_server *server, struct dist_server_call *call,
           struct dist_bytes record)
{
	struct dist_server_loop *loop = &server->loop;
	const char *why = turn_queue_is_full(server, record.length);
	struct dist_server_call *queued;

	if (!why && dist_server_call_new(&queued, call, record))
		why = "no memory";
	if (why) {
		turn_log_busy(server, why);
		turn_refuse(server, call, DIST_NOT_RUN_BUSY);
		dist_large_free(call->memory);
		return;
	}
	atomic_fetch_add_explicit(&server->workers.queued_bytes, record.length,
	                          memory_order_relaxed);
	dist_list_append(&loop->calls, &queued->link);
	loop->n_calls++;
	loop->n_call_bytes += record.length;
}

static void
turn_publish(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;

	if (loop->n_calls == 0)
		return;
	dist_slots_publish(&server->workers, &loop->calls, loop->n_calls);
	loop->n_calls = 0;
	loop->n_call_bytes = 0;
}

/*
 * A large record is run here only while nothing else is known to wait for this thread,
 * and only up to what takes it about as long as reading it did.
 */
static bool
turn_is_too_large(const struct dist_server_loop *loop, const struct dist_server_call *call)
{
	size_t n_bytes = call->header.args.length;

	return n_bytes > DIST_PACE_LARGE &&
	       (n_bytes > TURN_INLINE_MAX || loop->next_event < loop->n_events ||
	        !dist_list_empty(&loop->ready));
}

/*
 * Whether the thread that reads may run it. The node program always, as the loop's own
 * work, and so a master's registry: ten thousand heartbeats a second are not handed to
 * other threads because one of them was interrupted once. And what a dispatcher of
 * several threads answers itself, NULLPROC and unknown procedures, because that is no
 * work. All else only when it is known to be short, and in a slot.
 */
static bool
turn_may_run(struct dist_server *server, const struct dist_server_call *call)
{
	struct dist_served *served = call->served;
	struct dist_server_loop *loop = &server->loop;

	if (served->is_node || server->options.prompt)
		return true;
	if (!served->serial && served->n_paces > 0 && call->pace == &served->other)
		return true;
	if (!dist_pace_is_short(call->pace) || turn_is_too_large(loop, call))
		return false;
	if (!loop->slot)
		loop->slot = dist_slots_take(&server->workers);
	return loop->slot &&
	       (!served->serial || dist_slots_take_serial(&server->workers, served));
}

/* Send what there is, with what inline runs answered. */
static void
turn_send(struct dist_worker *self, struct dist_server_conn *conn)
{
	struct dist_replies *replies = &self->replies;

	dist_server_conn_send(conn, replies->bytes, dist_replies_length(replies));
	dist_replies_clear(replies);
}

/* Run it here. */
static enum handled
turn_run(struct dist_worker *self, struct dist_server_call *call)
{
	struct dist_server *server = self->server;
	struct dist_inline_run run = { .call = call, .replies = &self->replies };
	size_t n_bytes = call->header.args.length;
	int64_t began = server->loop.now_ns, ended, used;
	struct dist_pace_run large;
	bool still_ours;

	if (dist_replies_length(&self->replies) >= DIST_REPLIES_FULL)
		turn_send(self, call->conn);
	self->replies.had = dist_replies_length(&self->replies);
	dist_server_count_own(server, calls_inline, 1);
	if (n_bytes > DIST_PACE_LARGE)
		dist_pace_run_begin(&large);
	dist_inline_run_begin(self, &run, began);
	dist_xprt_run(call, &self->replies, true);
	ended = dist_clock_ns();
	used = n_bytes > DIST_PACE_LARGE ? dist_pace_run_end(&large) : ended - began;
	dist_pace_note_inline(call->pace,
	                      self->handed_on ? DIST_NEVER
	                                      : dist_pace_without_bytes(used, n_bytes));
	still_ours = dist_inline_run_end(self, &run);
	dist_large_free(call->memory);
	if (!still_ours) {
		dist_server_stats_ran(call, true, began, ended);
		return ROLE_LOST;
	}
	dist_server_tally_ran(&server->loop.tally, call, began, ended);
	server->loop.now_ns = ended;
	return HANDLED;
}

/* NULL: not served. Mostly it is what the connection's last call was for. */
static struct dist_served *
turn_find_served(struct dist_server *server, const struct dist_call_header *header)
{
	struct dist_server_conn *conn = server->loop.current;
	struct dist_served *served = conn->served;

	if (!served || served->prog != header->prog || served->vers != header->vers)
		served = dist_served_table_find(&server->services, header->prog,
		                                header->vers);
	if (served)
		conn->served = served;
	return served;
}

/*
 * One more is answered "busy", rather than left unread until others are over: so its
 * caller can go elsewhere, and the peer's PING and CANCEL are heard.
 */
static bool
turn_has_too_many(const struct dist_server *server)
{
	return atomic_load_explicit(&server->loop.current->n_pending,
	                            memory_order_relaxed) >=
	       server->options.max_calls_per_connection;
}

/* @call has its header, and no more. */
static enum handled
turn_call(struct dist_worker *self, struct dist_server_call *call,
          struct dist_bytes record)
{
	const struct dist_call_header *header = &call->header;
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	struct dist_served *served = turn_find_served(server, header);

	if (!served) {
		turn_refuse_program(server, header);
		return HANDLED;
	}
	loop->current->has_meta |= header->has_meta;
	dist_server_count_own(server, calls, 1);
	dist_server_call_init(call, loop->current, served, loop->current->received_ns);
	dist_server_tally_taken(&loop->tally, call->counts, record.length);
	if (atomic_load_explicit(&server->draining, memory_order_relaxed) &&
	    !served->is_node) {
		turn_refuse(server, call, DIST_NOT_RUN_DRAINING);
		return HANDLED;
	}
	if (turn_has_too_many(server) && !served->is_node) {
		turn_log_busy(server, "as many calls of one connection are under way as "
		                      "max_calls_per_connection allows");
		turn_refuse(server, call, DIST_NOT_RUN_BUSY);
		return HANDLED;
	}
	/*
	 * Only a record that lies in this thread's own scratch may stay where it is:
	 * loop.h says why.
	 */
	if (!loop->current->reader.lent && dist_server_call_own_record(call, record)) {
		dist_server_stats_over(call->counts, DIST_OUTCOME_EXPIRED);
		return HANDLED_BADLY;
	}
	if (turn_may_run(server, call))
		return turn_run(self, call);
	turn_queue(server, call, record);
	return HANDLED;
}

static enum handled
turn_record(struct dist_worker *self, struct dist_bytes record)
{
	struct dist_server_call call;
	const struct dist_call_header *header = &call.header;
	struct dist_reply_to to;

	if (dist_call_header_read(record, &call.header))
		return HANDLED_BADLY;
	if (header->rpc_version != RPC_MSG_VERSION) {
		to = (struct dist_reply_to){ .conn = self->server->loop.current,
			                     .xid = header->xid };
		dist_reply_rpc_mismatch(&to);
		return HANDLED;
	}
	if (header->cred.flavor != AUTH_NONE && header->cred.flavor != AUTH_SYS) {
		to = turn_reply_to(self->server, header);
		dist_server_count(self->server, auth_rejected);
		dist_reply_auth_error(&to, AUTH_REJECTEDCRED);
		return HANDLED;
	}
	return turn_call(self, &call, record);
}

/* --- The turn ------------------------------------------------------------------- */

/* The error text says why. */
static void
turn_log_bad(struct dist_server *server, const struct dist_server_conn *conn)
{
	struct dist_server_loop *loop = &server->loop;
	char peer[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	dist_server_count(server, bad_records);
	if (dist_limit_allows(&loop->bad_record_limit, loop->now_ns, &n_dropped))
		dist_log_warning("bad-record", "peer=%s why=\"%s\" not_shown=%u",
		                 dist_sockaddr_format(&conn->peer, peer),
		                 dist_error_text(), n_dropped);
}

/* What the loop forgets of a connection between turns, and what it has to remember. */
static bool
turn_settle(struct dist_server *server, struct dist_server_conn *conn)
{
	if (dist_rest_leave(conn))
		return false;
	if (conn->has_records || !dist_record_reader_partial(&conn->reader)) {
		conn->record_since_ns = 0;
		if (conn->counted_held > 0)
			dist_hoard_count(&server->buffered_bytes, &conn->counted_held, 0);
		return true;
	}
	dist_hoard_count(&server->buffered_bytes, &conn->counted_held,
	                 dist_record_reader_held(&conn->reader));
	if (conn->record_since_ns == 0 || server->loop.n_turn_calls > 0)
		conn->record_since_ns = server->loop.now_ns;
	return true;
}

/* The turn is over; @alive: the connection goes on. */
static void
turn_end(struct dist_worker *self, bool alive)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = loop->current;
	struct dist_replies *replies = &self->replies;
	bool stalled;

	loop->current = NULL;
	dist_server_tally_flush(&loop->tally);
	alive = turn_settle(server, conn) && alive;
	turn_publish(server);
	if (!alive) {
		turn_send(self, conn);
		dist_server_drop(server, conn);
		return;
	}
	stalled = dist_server_conn_send_and_arm(conn, replies->bytes,
	                                        dist_replies_length(replies),
	                                        conn->has_records);
	dist_replies_clear(replies);
	if (conn->has_records && !stalled)
		dist_list_append(&loop->ready, &conn->ready_link);
}

static bool
turn_has_room(const struct dist_server_loop *loop)
{
	return loop->n_turn_calls < TURN_CALLS_MAX &&
	       loop->now_ns - loop->turn_began_ns < TURN_TIME_NS &&
	       !dist_server_conn_full(loop->current);
}

bool
dist_server_turn_go_on(struct dist_worker *self)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = loop->current;
	enum handled handled = HANDLED;
	struct dist_bytes record;

	while (handled == HANDLED && turn_has_room(loop)) {
		if (dist_record_reader_next(&conn->reader, &record,
		                            &conn->has_records)) {
			handled = HANDLED_BADLY;
			break;
		}
		if (!conn->has_records)
			break;
		loop->n_turn_calls++;
		handled = turn_record(self, record);
	}
	if (handled == ROLE_LOST)
		return false;
	if (handled == HANDLED_BADLY)
		turn_log_bad(server, conn);
	turn_end(self, handled == HANDLED);
	return true;
}

bool
dist_server_turn_begin(struct dist_worker *self, struct dist_server_conn *conn)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	size_t n_bytes;
	bool alive = true;

	dist_list_remove(&conn->ready_link);
	loop->current = conn;
	loop->n_turn_calls = 0;
	loop->turn_began_ns = loop->now_ns;
	if (conn->has_records) {
		alive = dist_rest_take_up(self, conn) == DIST_OK;
	} else {
		alive = dist_turn_receive(self, conn, MSG_DONTWAIT, &n_bytes);
		dist_server_count_own(server, bytes_in, n_bytes);
		/*
		 * Not when the turn began: this thread may have waited for a CPU since,
		 * and deadlines count from no earlier than their calls were made.
		 */
		loop->now_ns = conn->received_ns = dist_clock_ns();
		/* For all we know: a turn may end before it looks at the first one. */
		conn->has_records = true;
	}
	if (!alive) {
		turn_end(self, false);
		return true;
	}
	atomic_store_explicit(&conn->active_ns, loop->now_ns, memory_order_relaxed);
	atomic_store_explicit(&server->quiet, false, memory_order_relaxed);
	return dist_server_turn_go_on(self);
}

/*
 * The bytes that were not read yet are copied out of the scratch of the thread that had
 * the role. Without memory for that the connection ends.
 */
void
dist_server_turn_inherit(struct dist_worker *self)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;

	loop->now_ns = dist_clock_ns();
	turn_publish(server);
	if (dist_rest_take_up(self, loop->current)) {
		turn_log_bad(server, loop->current);
		turn_end(self, false);
	}
}
