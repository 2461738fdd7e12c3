/*
 * A connection's turn: one read (more only for a record that fills the buffer), then
 * its records, until they, the turn's bounds or the room for output are used up. What
 * the turn answered leaves in one write at its end, and what it leaves to the workers
 * is queued in one go.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/core.h"
#include "server/reply.h"
#include "server/xprt.h"

#include <errno.h>
#include <stdlib.h>

/* The bounds of a turn, after which others have theirs. */
#define TURN_CALLS_MAX 256
#define TURN_TIME_NS   (1000 * DIST_NS_PER_US)
#define TURN_BYTES_MAX ((size_t)1024 * 1024)

/* Beyond this in queued records, callers are told "busy". */
#define TURN_QUEUED_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* What became of a record. */
enum handled {
	HANDLED,
	HANDLED_BADLY, /* the connection ends */
	ROLE_LOST,
};

/* --- Reading -------------------------------------------------------------------- */

/* False: the peer has closed, or the connection is broken. */
static bool
turn_receive(struct dist_worker *self, struct dist_server_conn *conn)
{
	struct dist_record_reader *reader = &conn->reader;
	size_t room, total = 0;
	uint8_t *space;
	ssize_t n;

	dist_record_reader_lend(reader, self->read_scratch, DIST_READ_SCRATCH_SIZE);
	do {
		if (dist_record_reader_space(reader, &space, &room))
			return false;
		n = recv(conn->fd, space, room, 0);
		if (n <= 0)
			break;
		dist_record_reader_filled(reader, (size_t)n);
		total += (size_t)n;
		/* A large record is read straight into place, as much as there is. */
	} while ((size_t)n == room && !reader->lent && total < TURN_BYTES_MAX);

	dist_server_count_n(self->server, bytes_in, total);
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

	if (dist_served_table_versions(&server->services, header->prog, &low, &high))
		dist_reply_prog_mismatch(&to, low, high);
	else
		dist_reply_accepted(&to, PROG_UNAVAIL);
}

static void
turn_refuse(struct dist_server *server, const struct dist_call_header *header,
            enum dist_not_run why)
{
	struct dist_reply_to to = turn_reply_to(server, header);

	if (why == DIST_NOT_RUN_BUSY)
		dist_server_count(server, refused_busy);
	else
		dist_server_count(server, refused_draining);
	dist_reply_not_run(&to, why);
}

/* Bounded in calls and in bytes; one record of any allowed size fits into an empty one. */
static bool
turn_queue_has_room(const struct dist_server *server, size_t n_bytes)
{
	size_t queued_bytes = atomic_load_explicit(&server->workers.queued_bytes,
	                                           memory_order_relaxed);

	return turn_n_queued(server) < server->options.queue &&
	       (queued_bytes == 0 || queued_bytes + n_bytes <= TURN_QUEUED_BYTES_MAX);
}

/* Have the workers run it. What memory it owns is taken. */
static void
turn_queue(struct dist_server *server, struct dist_server_call *call,
           struct dist_bytes record)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_call *queued;

	if (!turn_queue_has_room(server, record.length) ||
	    dist_server_call_new(&queued, call, record)) {
		turn_refuse(server, &call->header, DIST_NOT_RUN_BUSY);
		free(call->memory);
		return;
	}
	atomic_fetch_add_explicit(&server->workers.queued_bytes, record.length,
	                          memory_order_relaxed);
	dist_list_append(&loop->calls, &queued->link);
	loop->n_calls++;
}

static void
turn_publish(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;

	if (loop->n_calls == 0)
		return;
	dist_workers_publish(&server->workers, &loop->calls, loop->n_calls);
	loop->n_calls = 0;
}

/*
 * Whether the thread that reads may run it. The node program always, as the loop's own
 * work; and what a dispatcher of several threads answers itself, NULLPROC and unknown
 * procedures, because that is no work. All else only when it is known to be short, and
 * in a slot.
 */
static bool
turn_may_run(struct dist_server *server, const struct dist_server_call *call)
{
	struct dist_served *served = call->served;
	struct dist_server_loop *loop = &server->loop;

	if (served->is_node)
		return true;
	if (!served->serial && served->n_paces > 0 && call->pace == &served->other)
		return true;
	if (!dist_pace_is_short(call->pace))
		return false;
	if (!loop->has_slot)
		loop->has_slot = dist_workers_take_slot(&server->workers);
	return loop->has_slot &&
	       (!served->serial || dist_workers_take_serial(&server->workers, served));
}

/* Run it here. */
static enum handled
turn_run(struct dist_worker *self, struct dist_server_call *call)
{
	struct dist_server *server = self->server;
	struct dist_inline_run run = { .call = call };
	int64_t began = server->loop.now_ns, ended;
	bool still_ours;

	dist_server_count(server, calls_inline);
	dist_workers_begin_inline(self, &run, began);
	dist_xprt_run(call, self->reply_scratch);
	ended = dist_clock_ns();
	/* One that blocked is not short, however quick it was. */
	dist_pace_note(call->pace, self->handed_on ? INT64_MAX : ended - began);
	still_ours = dist_workers_end_inline(self, &run);
	free(call->memory);
	if (!still_ours)
		return ROLE_LOST;
	server->loop.now_ns = ended;
	return HANDLED;
}

static enum handled
turn_call(struct dist_worker *self, const struct dist_call_header *header,
          struct dist_bytes record)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_call call;
	struct dist_served *served;

	served = dist_served_table_find(&server->services, header->prog, header->vers);
	if (!served) {
		turn_refuse_program(server, header);
		return HANDLED;
	}
	dist_server_count(server, calls);
	if (atomic_load_explicit(&server->draining, memory_order_relaxed) &&
	    !served->is_node) {
		turn_refuse(server, header, DIST_NOT_RUN_DRAINING);
		return HANDLED;
	}
	dist_server_call_init(&call, loop->current, served, header,
	                      loop->current->received_ns);
	/*
	 * Only a record that lies in this thread's own scratch may stay where it is:
	 * loop.h says why.
	 */
	if (!loop->current->reader.lent && dist_server_call_own_record(&call, record))
		return HANDLED_BADLY;
	if (turn_may_run(server, &call))
		return turn_run(self, &call);
	turn_queue(server, &call, record);
	return HANDLED;
}

static enum handled
turn_record(struct dist_worker *self, struct dist_bytes record)
{
	struct dist_call_header header;
	struct dist_reply_to to;

	if (dist_call_header_read(record, &header))
		return HANDLED_BADLY;
	if (header.rpc_version != RPC_MSG_VERSION) {
		to = (struct dist_reply_to){ .conn = self->server->loop.current,
			                     .xid = header.xid };
		dist_reply_rpc_mismatch(&to);
		return HANDLED;
	}
	if (header.cred.flavor != AUTH_NONE && header.cred.flavor != AUTH_SYS) {
		to = turn_reply_to(self->server, &header);
		dist_reply_auth_error(&to, AUTH_REJECTEDCRED);
		return HANDLED;
	}
	return turn_call(self, &header, record);
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
	if (dist_record_reader_settle(&conn->reader))
		return false;
	if (conn->has_records || !dist_record_reader_partial(&conn->reader))
		conn->record_since_ns = 0;
	else if (conn->record_since_ns == 0 || server->loop.n_turn_calls > 0)
		conn->record_since_ns = server->loop.now_ns;
	return true;
}

/* The turn is over; @alive: the connection goes on. */
static void
turn_end(struct dist_server *server, bool alive)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = loop->current;
	bool stalled;

	loop->current = NULL;
	alive = turn_settle(server, conn) && alive;
	turn_publish(server);
	dist_server_conn_flush(conn);
	if (!alive) {
		dist_server_drop(server, conn);
		return;
	}
	stalled = conn->has_records && dist_server_conn_full(conn);
	dist_server_conn_arm(conn, stalled);
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
	turn_end(server, handled == HANDLED);
	return true;
}

bool
dist_server_turn_begin(struct dist_worker *self, struct dist_server_conn *conn)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	bool alive = true;

	dist_list_remove(&conn->ready_link);
	loop->current = conn;
	loop->n_turn_calls = 0;
	loop->now_ns = loop->turn_began_ns = dist_clock_ns();
	if (!conn->has_records) {
		alive = turn_receive(self, conn);
		/*
		 * Not when the turn began: this thread may have waited for a CPU since,
		 * and deadlines count from no earlier than their calls were made.
		 */
		conn->received_ns = dist_clock_ns();
		/* For all we know: a turn may end before it looks at the first one. */
		conn->has_records = true;
	}
	if (!alive) {
		turn_end(server, false);
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
dist_server_turn_inherit(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;

	loop->now_ns = dist_clock_ns();
	turn_publish(server);
	if (dist_record_reader_settle(&loop->current->reader)) {
		turn_log_bad(server, loop->current);
		turn_end(server, false);
	}
}
