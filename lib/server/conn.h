/*
 * A connection of a server.
 *
 * Its reading belongs to the holder of the loop role, which alone closes it. Replies
 * are appended by any thread, under its lock; one thread at a time holds its writer
 * role and sends without the lock. On EAGAIN the writer role stays with the loop, which
 * goes on when the socket is writable. Nobody ever blocks on a peer.
 *
 *	!writing             nobody sends
 *	writing, !blocked    a thread holds the writer role, in dist_server_conn_flush()
 *	writing, blocked     the loop holds it, EPOLLOUT is armed
 *
 * The descriptor is closed once the connection is gone and no thread writes, or reads away
 * from the loop. The struct lives as long as a call of it does, and a deferred one may
 * outlive the server: where @gone is set, @server is not touched any more.
 */
#ifndef DIST_SERVER_CONN_H
#define DIST_SERVER_CONN_H

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/shared.h"
#include "io/outbuf.h"
#include "server/crowd.h"
#include "wire/record.h"
#include "wire/uaddr.h"

#include <stdatomic.h>

struct dist_deferred;
struct dist_served;
struct dist_served_counts;
struct dist_server;

/* Unsent output beyond which a peer's calls are not read until it takes some. */
#define DIST_SERVER_OUTPUT_MAX ((size_t)1024 * 1024)

/*
 * A call as its connection knows it while it is queued, runs beside the loop, or is to
 * be answered later: CANCEL finds it here.
 */
struct dist_pending {
	struct dist_list link; /* in the connection's list; guarded by its lock */
	uint32_t xid;
	bool deferred;
	bool has_meta;
	struct dist_served_counts *counts; /* where it is deferred */
	atomic_bool cancelled;
};

/* Who waits for its input. */
enum dist_read_by {
	DIST_READ_BY_TURNS, /* epoll */
	DIST_READ_BY_STAY,  /* the holder of the loop role itself: stay.h */
	DIST_READ_BY_AWAY,  /* a thread that lost the role meanwhile; no turn may begin */
};

struct dist_server_conn {
	/* Read-only. */
	struct dist_server *server;
	uint64_t id;
	struct dist_sockaddr peer, local;
	const char *netid;
	unsigned local_port;

	atomic_uint refs;
	atomic_bool gone;
	atomic_int_least64_t active_ns; /* when it last received or sent anything */
	atomic_size_t unsent;           /* dist_outbuf_pending() of the last look */
	/* Its calls in the workers' queue, and their bytes; changed under their lock. */
	atomic_uint n_queued;
	atomic_size_t queued_bytes;
	atomic_int_least64_t blocked_ns; /* when the peer last took some of it; 0: it all
	                                  * leaves at once */

	/* The loop holder's. */
	struct dist_list link;       /* in the loop's list of all */
	struct dist_list ready_link; /* in the loop's list of those with records left */
	struct dist_crowd_place place;
	struct dist_record_reader reader;
	struct dist_served *served; /* of its last call; NULL: it has not called yet */
	bool has_records;           /* whole records may be left in @reader */
	bool has_meta;              /* its calls carry our verifier */
	bool said_goodbye;          /* nothing is answered any more: it closes */
	int64_t received_ns;        /* when what is in @reader was read */
	int64_t record_since_ns; /* when an unfinished record began; 0: there is none */
	size_t counted_held;     /* of it: hoard.h */

	struct dist_mutex lock; /* guards all below */
	int fd;
	enum dist_read_by read_by; /* the loop holder's to change */
	uint32_t armed; /* what epoll waits for */
	struct dist_outbuf out;
	size_t counted_unsent; /* of it: hoard.h */
	bool writing, blocked;
	bool stalled; /* records wait in @reader for the output to drain */
	bool watched; /* on_closed is to be called */
	struct dist_list pending;
	atomic_uint n_pending; /* also looked at without */
	unsigned n_deferred;   /* of these */
	unsigned n_spare_handles;
	struct dist_deferred *spare_handles; /* for calls that are deferred next */
};

/* In and out of its list of pending calls. Without a locked instruction: the lock is
 * held, and who looks without it need not see the latest. */
static inline void
dist_pending_add_locked(struct dist_server_conn *conn, struct dist_pending *pending)
	DIST_REQUIRES(&conn->lock)
{
	unsigned n = atomic_load_explicit(&conn->n_pending, memory_order_relaxed);

	dist_list_append(&conn->pending, &pending->link);
	atomic_store_explicit(&conn->n_pending, n + 1, memory_order_relaxed);
}

static inline void
dist_pending_remove_locked(struct dist_server_conn *conn, struct dist_pending *pending)
	DIST_REQUIRES(&conn->lock)
{
	unsigned n = atomic_load_explicit(&conn->n_pending, memory_order_relaxed);

	dist_list_remove(&pending->link);
	atomic_store_explicit(&conn->n_pending, n - 1, memory_order_relaxed);
}

/* Given, with one reference. @fd is taken. NULL: no memory; @fd is still yours. */
struct dist_server_conn *dist_server_conn_new(struct dist_server *server, uint64_t id,
                                              int fd, const struct dist_sockaddr *peer);
struct dist_server_conn *dist_server_conn_ref(struct dist_server_conn *conn);
void dist_server_conn_unref(struct dist_server_conn *conn);

static inline bool
dist_server_conn_gone(const struct dist_server_conn *conn)
{
	return atomic_load_explicit(&conn->gone, memory_order_relaxed);
}

/*
 * Append a whole record, with its mark; it leaves with the next flush. @data is copied,
 * and @memory NULL; or it lies in malloc()ed @memory, which is taken whatever is
 * returned. What cannot be kept for want of memory breaks the connection: a caller must
 * not wait for a reply that never comes. DIST_ECONNRESET: gone; DIST_ENOMEM.
 */
enum dist_err dist_server_conn_append(struct dist_server_conn *conn, const void *data,
                                      size_t length, void *memory);
/* The same under the lock. */
enum dist_err dist_server_conn_append_locked(struct dist_server_conn *conn,
                                             const void *data, size_t length,
                                             void *memory) DIST_REQUIRES(&conn->lock);

/* A record in two parts: @head is copied; a long @tail stays where it is, referenced. */
enum dist_err dist_server_conn_append_shared_locked(struct dist_server_conn *conn,
                                                    const void *head, size_t length,
                                                    struct dist_shared *tail)
	DIST_REQUIRES(&conn->lock);

/* Send what there is, unless another thread does or the socket is full. */
void dist_server_conn_flush(struct dist_server_conn *conn);
/* The same with @length bytes of whole records more, which are copied only where they
 * cannot be sent at once. */
void dist_server_conn_send(struct dist_server_conn *conn, const void *data,
                           size_t length);

/* --- For the holder of the loop role -------------------------------------------- */

/* The socket is writable: go on where EAGAIN ended it. */
void dist_server_conn_writable(struct dist_server_conn *conn);

/* Whether so much is unsent that no further call should be taken. */
static inline bool
dist_server_conn_full(const struct dist_server_conn *conn)
{
	return atomic_load_explicit(&conn->unsent, memory_order_relaxed) >
	       DIST_SERVER_OUTPUT_MAX;
}

/* Have epoll wait for what is wanted now; @stalled as in the struct. */
void dist_server_conn_arm(struct dist_server_conn *conn, bool stalled);

/* Another waits for its input now. */
void dist_server_conn_read_by(struct dist_server_conn *conn, enum dist_read_by by);

/* Both at the end of a turn. True: records that are left wait for output to drain. */
bool dist_server_conn_send_and_arm(struct dist_server_conn *conn, const void *data,
                                   size_t length, bool has_records);

/* It has been quiet: give back memory that is kept for the next reply. */
void dist_server_conn_trim(struct dist_server_conn *conn);

/*
 * It ends: shut down, off epoll, what is unsent dropped, deferred calls forgotten.
 * Returns how many those were; *ret_watched as on_closed wants to know.
 */
unsigned dist_server_conn_close(struct dist_server_conn *conn, bool *ret_watched);

#endif
