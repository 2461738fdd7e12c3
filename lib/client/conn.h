/*
 * A connection to a peer, with many calls on it.
 *
 *   CONNECTING --> READY --> CLOSED
 *        |                     ^
 *        +---------------------+
 *
 *   CONNECTING -> READY   [conn_on_connected]
 *   either     -> CLOSED  [dist_conn_close]
 *
 * CONNECTING: calls are added; what they send waits.
 * READY:      calls are added and sent.
 * CLOSED:     no call is on it; each was told exactly once, or went to another peer.
 *
 * Two roles, each held by at most one thread, which does its I/O without the lock:
 *
 * The writer sends what has gathered (conn_write.c). Invariant W: while unsent bytes
 * exist, a thread holds the role, or the socket is full and its loop waits for room, or a
 * flush is due within DIST_SOON_NS, or the thread that added them runs and sends them
 * before it sleeps, or a send has failed.
 *
 * The reader receives and ends calls (conn_read.c). Invariant R: with a call in flight, a
 * thread holds the role, or the descriptor is armed in the loop, or arming is due within
 * DIST_SOON_NS, or a thread that gathers (conn_gather.c) runs and looks at it before it
 * sleeps. A thread that waits for its call, or for any of several (harvest.c), takes the
 * role when it is free; one that leaves passes it on to the next that waits. An idle
 * connection is armed again within 10 ms, so that the end of its peer is seen.
 *
 * Where threads wait here again and again, what is due is left to them: the loop looks
 * every DIST_LATER_NS whether they still do, so after the last of them it is due within
 * twice that.
 */
#ifndef DIST_CLIENT_CONN_H
#define DIST_CLIENT_CONN_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/mutex.h"
#include "base/spin.h"
#include "base/trial.h"
#include "client/calltab.h"
#include "io/loop.h"
#include "io/outbuf.h"
#include "wire/record.h"

struct dist_call;
struct dist_harvest;
struct dist_peer;
struct dist_runtime;

enum dist_conn_state {
	DIST_CONN_CONNECTING,
	DIST_CONN_READY,
	DIST_CONN_CLOSED,
};

enum dist_reader {
	DIST_READER_NONE,   /* nobody; the descriptor is not armed for reading */
	DIST_READER_ARMED,  /* nobody; the loop will be told */
	DIST_READER_LOOP,   /* the loop's thread */
	DIST_READER_CALLER, /* a thread that waits for its call, or for several */
};

/* A thread that waits while another one reads; on its stack. */
struct dist_parked {
	struct dist_list link;
	struct dist_call *call;       /* what it waits for; NULL: it is a harvest */
	struct dist_harvest *harvest;
	bool granted; /* it holds the reader role now */
};

struct dist_conn {
	/* Set by dist_conn_open(), then read-only. */
	struct dist_peer *peer; /* holds a reference */
	struct dist_runtime *runtime;
	struct dist_loop *loop;
	struct dist_source source;

	atomic_uint refs;

	struct dist_mutex lock; /* guards the next groups */
	enum dist_conn_state state;
	struct dist_calltab calls;
	int64_t used_at_ns; /* when it last became idle */
	uint32_t draws;     /* of dist_stats_sent() */
	int64_t stray_logged_ns;
	bool disposing;
	char *unreached; /* why it was never up, once it is closed; NULL: it was */
	unsigned n_adding; /* threads that are adding a call: it stays while they do */

	/* The writer. */
	struct dist_outbuf out;
	bool writing; /* somebody holds the role */
	unsigned n_taken;    /* n_added when the writer took what there was */
	unsigned last_batch; /* calls that it took then */
	struct dist_trial parts; /* way 0: a window leaves in parts; 1: at once */
	uint64_t in_hand; /* where in the stream ends what the writer took to send */
	bool blocked; /* the socket is full: the loop has the role */
	/*
	 * Why a send failed; 0: none did. Nothing more is sent or added then. What the peer
	 * said before may be here still: whoever reads comes to its end, and closes it.
	 */
	atomic_int send_errno;

	/* The reader. */
	enum dist_reader reader_role;
	struct dist_call *holder_call; /* what the caller that holds it waits for; NULL:
	                                * several, and it is woken by what tells it of them */
	bool kicked;                   /* the holder must look up */
	struct dist_list parked;       /* struct dist_parked.link */
	unsigned n_reads;              /* counts, to see whether it is in use */
	unsigned n_waits;              /* of threads: each flushed, and read if it could */
	unsigned served_waits;         /* n_waits when the service task ran last */
	unsigned idle_reads;           /* n_reads when the idle timer was set */
	bool idle_timer_set;

	/* Many callers: conn_gather.c. */
	unsigned n_waiting;        /* threads in dist_conn_wait() */
	unsigned n_gathering;      /* of these, those that let others run */
	unsigned n_added;          /* counts calls */
	unsigned n_answered;       /* counts replies */
	int64_t yield_credit_ns;   /* what yields that paid have earned */
	int64_t no_yield_until_ns; /* they did not pay */
	int64_t looked_at_ns;      /* when there was nothing to receive */

	bool service_posted;
	struct dist_task service_task; /* flush, and arm if nobody reads */
	struct dist_task dispose_task;
	struct dist_timer idle_timer;
	struct dist_timer connect_timer;

	/* The reader role's holder alone. */
	struct dist_record_reader reader;
	struct dist_spin spin;
	bool receives_timed; /* a recv() that sleeps looks up now and then */
};

/* Start to connect. Given, with one reference. DIST_ECONNECT, DIST_ESYSTEM, DIST_ENOMEM. */
enum dist_err dist_conn_open(struct dist_conn **ret_conn, struct dist_peer *peer)
	DIST_MUST_CHECK;

struct dist_conn *dist_conn_ref(struct dist_conn *conn);
void dist_conn_unref(struct dist_conn *conn);

/*
 * Add a call: it gets an xid, its record is queued, and leaves now or with others. On
 * DIST_OK one reference of the call's is the connection's, and the one of the
 * connection's that the caller had is the call's. DIST_ECONNECT: it is closed;
 * DIST_EBUSY: too much is unsent; DIST_ENOMEM.
 */
enum dist_err dist_conn_add(struct dist_conn *conn, struct dist_call *call)
	DIST_MUST_CHECK;

/*
 * Take a call off that ended here: its slot stays reserved for the late reply, and the
 * peer is told. A thread that polls for it is woken.
 */
void dist_conn_abandon(struct dist_conn *conn, uint32_t xid, struct dist_call *call);

/*
 * Wait here until @call is over or not on this connection any more, or @deadline_ns:
 * flushes, and reads for all when nobody else does. False: it is closed.
 */
bool dist_conn_wait(struct dist_conn *conn, struct dist_call *call, int64_t deadline_ns);

/* Flush, and have the loop read: for those who will not wait here. */
void dist_conn_serve(struct dist_conn *conn);

/*
 * End it: calls whose record was not sent go elsewhere, the others are lost; with
 * DIST_EBUSY, none of them ran. @err and the text are what they are told. Under no lock.
 * Again: nothing.
 */
void dist_conn_close(struct dist_conn *conn, enum dist_err err, const char *why);

/* The same if no call is on it, in one step with looking, so that none is lost. */
void dist_conn_close_if_idle(struct dist_conn *conn);

/* --- Between the files of a connection ----------------------------------------------- */

/* conn.c: one-shot arming for what the roles need now. */
void dist_conn_arm_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);
/* conn.c: have the loop read, once it is clear that nobody else does. */
void dist_conn_set_idle_timer_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);
/* conn.c: have dist_conn_serve() run soon. */
void dist_conn_post_service_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);

/* conn_end.c: a role was given up on a closed connection. */
void dist_conn_try_dispose_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);
/* conn_end.c: the run function of @dispose_task, which that one posts. */
void dist_conn_dispose(struct dist_task *task);

/*
 * conn_write.c: send what waits, unless somebody does. The lock is dropped meanwhile and
 * held again afterwards.
 */
void dist_conn_flush_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);

/* conn_read.c: the loop was told that there is something to read; it has the role. */
void dist_conn_read_ready(struct dist_conn *conn);
/* conn_read.c: the role is free: pass it on, or see that the loop gets it. */
void dist_conn_pass_reader_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);
/* conn_read.c: receive what is here, if nobody reads; the lock is dropped meanwhile. */
void dist_conn_look_locked(struct dist_conn *conn, struct dist_call *own)
	DIST_REQUIRES(&conn->lock);
/* conn_read.c: wake the thread that polls here. */
void dist_conn_kick_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock);
/* conn_read.c: with the role held, receive what is here; false: nothing was. */
bool dist_conn_read_once(struct dist_conn *conn, bool *ret_open);
/* conn_read.c: have a parked thread look up. */
void dist_conn_wake_parked(struct dist_parked *parked);

#endif
