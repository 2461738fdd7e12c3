#include "server/conn.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/large.h"
#include "base/log.h"
#include "server/core.h"
#include "server/deferred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of input that nobody wants, at a connection's end. */
#define DISCARD_READS_MAX 256

/* @to is zero, and what follows a short address stays so. */
static void
address_copy(struct dist_sockaddr *to, const struct dist_sockaddr *from)
{
	memcpy(&to->storage, &from->storage, from->length);
	to->length = from->length;
}

struct dist_server_conn *
dist_server_conn_new(struct dist_server *server, uint64_t id, int fd,
                     const struct dist_sockaddr *peer)
{
	struct dist_server_conn *conn = calloc(1, sizeof(*conn));
	struct dist_sockaddr local;

	if (!conn)
		return NULL;
	conn->server = server;
	conn->id = id;
	conn->fd = fd;
	local = dist_socket_local(fd);
	address_copy(&conn->peer, peer);
	address_copy(&conn->local, &local);
	conn->netid = dist_sockaddr_netid(&conn->peer);
	conn->local_port = dist_sockaddr_port(&conn->local);
	atomic_init(&conn->refs, 1);
	atomic_init(&conn->gone, false);
	atomic_init(&conn->active_ns, dist_clock_ns());
	atomic_init(&conn->unsent, 0);
	atomic_init(&conn->blocked_ns, 0);
	atomic_init(&conn->n_pending, 0);
	atomic_init(&conn->n_queued, 0);
	atomic_init(&conn->queued_bytes, 0);
	dist_list_init(&conn->link);
	dist_list_init(&conn->ready_link);
	dist_list_init(&conn->place.of_all);
	dist_list_init(&conn->place.of_host);
	dist_list_init(&conn->pending);
	dist_record_reader_init(&conn->reader, server->options.max_record_bytes);
	dist_outbuf_init(&conn->out);
	dist_mutex_init(&conn->lock, DIST_RANK_SERVER_CONN);
	return conn;
}

struct dist_server_conn *
dist_server_conn_ref(struct dist_server_conn *conn)
{
	atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
	return conn;
}

void
dist_server_conn_unref(struct dist_server_conn *conn)
{
	if (atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) != 1)
		return;
	dist_outbuf_fini(&conn->out);
	dist_record_reader_fini(&conn->reader);
	dist_deferred_free_spares(conn);
	dist_mutex_fini(&conn->lock);
	free(conn);
}

/* --- Appending ------------------------------------------------------------------ */

static void
conn_note_unsent_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	size_t unsent = dist_outbuf_pending(&conn->out);

	atomic_store_explicit(&conn->unsent, unsent, memory_order_relaxed);
	/* One that is gone may outlive the server, and its output ends with it. */
	if (!dist_server_conn_gone(conn))
		dist_hoard_count(&conn->server->buffered_bytes, &conn->counted_unsent,
		                 unsent);
}

/* The loop sees the end of a connection that is shut down, and closes it. */
static void
conn_break_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	if (!dist_server_conn_gone(conn))
		shutdown(conn->fd, SHUT_RDWR);
}

static enum dist_err
conn_gone_error(const struct dist_server_conn *conn)
{
	char peer[DIST_ADDRESS_TEXT_MAX];

	return dist_error_set(DIST_ECONNRESET, "the caller, %s, is gone",
	                      dist_sockaddr_format(&conn->peer, peer));
}

enum dist_err
dist_server_conn_append_locked(struct dist_server_conn *conn, const void *data,
                               size_t length, void *memory)
{
	enum dist_err err;

	if (dist_server_conn_gone(conn))
		err = conn_gone_error(conn);
	else if (memory)
		err = dist_outbuf_refer(&conn->out, data, length, dist_large_free, memory);
	else
		err = dist_outbuf_append(&conn->out, data, length);
	if (err) {
		dist_large_free(memory);
		conn_break_locked(conn);
		return err;
	}
	conn_note_unsent_locked(conn);
	return DIST_OK;
}

static void
release_shared(void *arg)
{
	dist_shared_unref(arg);
}

static enum dist_err
conn_append_tail_locked(struct dist_server_conn *conn, struct dist_shared *tail)
	DIST_REQUIRES(&conn->lock)
{
	enum dist_err err;

	if (tail->length <= DIST_OUTBUF_COPY_MAX)
		return dist_outbuf_append(&conn->out, tail->data, tail->length);
	err = dist_outbuf_refer(&conn->out, tail->data, tail->length, release_shared,
	                        dist_shared_ref(tail));
	if (err)
		dist_shared_unref(tail);
	return err;
}

enum dist_err
dist_server_conn_append_shared_locked(struct dist_server_conn *conn, const void *head,
                                      size_t length, struct dist_shared *tail)
{
	enum dist_err err =
		dist_server_conn_append_locked(conn, head, length, NULL);

	if (err)
		return err;
	err = conn_append_tail_locked(conn, tail);
	if (err)
		conn_break_locked(conn); /* half a record is there */
	else
		conn_note_unsent_locked(conn);
	return err;
}

enum dist_err
dist_server_conn_append(struct dist_server_conn *conn, const void *data, size_t length,
                        void *memory)
{
	enum dist_err err;

	dist_lock(&conn->lock);
	err = dist_server_conn_append_locked(conn, data, length, memory);
	dist_unlock(&conn->lock);
	return err;
}

/* --- Readiness ------------------------------------------------------------------ */

/*
 * Reading stops while too much is unsent. Records that were left in the reader for that
 * reason are no news to epoll: writability, which comes at once when the output has
 * drained, brings the loop back to them.
 *
 * The system call is made under the lock, so that two threads cannot arm in the wrong
 * order. It does not wait for anything.
 */
static void
conn_arm_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	bool full = dist_server_conn_full(conn);
	struct epoll_event event = { .data.ptr = conn };

	if (dist_server_conn_gone(conn))
		return;
	if (!full && conn->read_by == DIST_READ_BY_TURNS)
		event.events |= EPOLLIN;
	if (conn->blocked || (conn->stalled && !full))
		event.events |= EPOLLOUT;
	if (event.events == conn->armed)
		return;
	conn->armed = event.events;
	if (epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event))
		conn_break_locked(conn);
}

/* Gone: its descriptor, when this was the last thread in it; else -1. */
static int
conn_idle_fd_locked(const struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	bool sends = conn->writing && !conn->blocked;

	if (!dist_server_conn_gone(conn) || sends || conn->read_by == DIST_READ_BY_AWAY)
		return -1;
	return conn->fd;
}

void
dist_server_conn_read_by(struct dist_server_conn *conn, enum dist_read_by by)
{
	int fd;

	dist_lock(&conn->lock);
	conn->read_by = by;
	conn_arm_locked(conn);
	fd = conn_idle_fd_locked(conn);
	dist_unlock(&conn->lock);
	if (fd >= 0)
		close(fd);
}

void
dist_server_conn_arm(struct dist_server_conn *conn, bool stalled)
{
	dist_lock(&conn->lock);
	conn->stalled = stalled;
	conn_arm_locked(conn);
	dist_unlock(&conn->lock);
}

/* --- Sending -------------------------------------------------------------------- */

/* Give the writer role back; the descriptor to close, or -1. */
static int
conn_end_writing_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	conn->writing = false;
	return conn_idle_fd_locked(conn);
}

/* One batch. Whether there is more to send, and this thread still holds the role. */
static bool
conn_send_batch_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	enum dist_sent sent;
	int64_t now_ns;
	bool more;

	dist_outbuf_begin(&conn->out);
	dist_unlock(&conn->lock);
	sent = dist_outbuf_send(&conn->out, conn->fd);
	dist_lock(&conn->lock);
	more = dist_outbuf_end(&conn->out);

	conn_note_unsent_locked(conn);
	if (dist_server_conn_gone(conn))
		return false;
	now_ns = dist_clock_ns();
	atomic_store_explicit(&conn->active_ns, now_ns, memory_order_relaxed);
	if (sent == DIST_SENT_BROKEN) {
		conn_break_locked(conn);
		return false;
	}
	conn->blocked = sent == DIST_SENT_BLOCKED;
	atomic_store_explicit(&conn->blocked_ns, conn->blocked ? now_ns : 0,
	                      memory_order_relaxed);
	return more && !conn->blocked;
}

/* This thread holds the writer role. */
static int
conn_write_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	while (conn_send_batch_locked(conn))
		;
	conn_arm_locked(conn);
	return conn->blocked ? -1 : conn_end_writing_locked(conn);
}

static bool
conn_may_write_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	return !conn->writing && !dist_server_conn_gone(conn) &&
	       dist_outbuf_pending(&conn->out) > 0;
}

/* This thread holds the writer role. How many bytes need no further care. */
static size_t
conn_send_directly_locked(struct dist_server_conn *conn, const void *data,
                          size_t length) DIST_REQUIRES(&conn->lock)
{
	ssize_t n;

	dist_unlock(&conn->lock);
	do
		n = send(conn->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	dist_lock(&conn->lock);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	conn_break_locked(conn);
	return length;
}

/* The descriptor to close, or -1. */
static int
conn_send_locked(struct dist_server_conn *conn, const void *data, size_t length)
	DIST_REQUIRES(&conn->lock)
{
	size_t sent = 0;
	int fd = -1;

	if (length > 0 && !conn->writing && !dist_server_conn_gone(conn) &&
	    dist_outbuf_pending(&conn->out) == 0) {
		conn->writing = true;
		sent = conn_send_directly_locked(conn, data, length);
		fd = conn_end_writing_locked(conn);
	}
	if (sent < length)
		(void)!dist_server_conn_append_locked(
			conn, (const char *)data + sent, length - sent, NULL);
	if (conn_may_write_locked(conn)) {
		conn->writing = true;
		fd = conn_write_locked(conn);
	}
	return fd;
}

void
dist_server_conn_send(struct dist_server_conn *conn, const void *data, size_t length)
{
	int fd;

	dist_lock(&conn->lock);
	fd = conn_send_locked(conn, data, length);
	dist_unlock(&conn->lock);
	if (fd >= 0)
		close(fd);
}

void
dist_server_conn_flush(struct dist_server_conn *conn)
{
	dist_server_conn_send(conn, NULL, 0);
}

bool
dist_server_conn_send_and_arm(struct dist_server_conn *conn, const void *data,
                              size_t length, bool has_records)
{
	bool stalled;
	int fd;

	dist_lock(&conn->lock);
	fd = conn_send_locked(conn, data, length);
	stalled = has_records && dist_server_conn_full(conn);
	conn->stalled = stalled;
	conn_arm_locked(conn);
	dist_unlock(&conn->lock);
	if (fd >= 0)
		close(fd);
	return stalled;
}

void
dist_server_conn_writable(struct dist_server_conn *conn)
{
	int fd = -1;

	dist_lock(&conn->lock);
	if (conn->blocked) {
		conn->blocked = false;
		fd = conn_write_locked(conn);
	}
	dist_unlock(&conn->lock);
	if (fd >= 0)
		close(fd);
}

void
dist_server_conn_trim(struct dist_server_conn *conn)
{
	dist_lock(&conn->lock);
	if (!conn->writing)
		dist_outbuf_trim(&conn->out);
	dist_deferred_free_spares(conn);
	dist_unlock(&conn->lock);
}

/* --- The end -------------------------------------------------------------------- */

static unsigned
conn_forget_deferred_locked(struct dist_server_conn *conn) DIST_REQUIRES(&conn->lock)
{
	struct dist_pending *pending, *next;
	unsigned n = 0;

	DIST_LIST_EACH (pending, next, &conn->pending, link) {
		if (!pending->deferred)
			continue;
		dist_pending_remove_locked(conn, pending);
		dist_server_stats_over(pending->counts, DIST_OUTCOME_EXPIRED);
		n++;
	}
	conn->n_deferred = 0;
	return n;
}

/*
 * A socket that is closed over unread input resets its connection (RFC 2525 section
 * 2.17), and replies that the peer has not received yet are lost with it.
 */
static void
conn_discard_input(const struct dist_server_conn *conn)
{
	char bytes[4096];

	for (unsigned i = 0; i < DISCARD_READS_MAX; i++) {
		if (recv(conn->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			return;
	}
}

unsigned
dist_server_conn_close(struct dist_server_conn *conn, bool *ret_watched)
{
	unsigned n_deferred;
	int fd;

	conn_discard_input(conn);
	dist_lock(&conn->lock);
	atomic_store(&conn->gone, true);
	n_deferred = conn_forget_deferred_locked(conn);
	dist_hoard_count(&conn->server->buffered_bytes, &conn->counted_unsent, 0);
	dist_hoard_count(&conn->server->buffered_bytes, &conn->counted_held, 0);
	epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	shutdown(conn->fd, SHUT_RDWR);
	/* A thread that is inside closes the descriptor when it is back. */
	fd = conn_idle_fd_locked(conn);
	*ret_watched = conn->watched;
	conn->watched = false;
	dist_unlock(&conn->lock);

	if (fd >= 0)
		close(fd);
	return n_deferred;
}
