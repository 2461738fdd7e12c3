/*
 * The loop: readiness, reading, answering what can be answered at once, running short
 * procedures, handing the others to the workers.
 *
 * All of its state belongs to the holder of the loop role, whoever that is: a thread
 * that takes the role over goes on exactly where the last one was, as struct
 * dist_server_loop says where that is and nothing of it lies on a stack. What a thread
 * that lost the role still uses:
 *
 * - its own struct dist_server_call, which was adopted for it, with its connection;
 * - the record that it runs, which lies in its own read scratch. The next holder first
 *   copies what was not read yet to a scratch of its own (rest.h). A record that lies in
 *   the reader's own buffer, which the next holder goes on using, is copied or taken
 *   before it is run.
 */
#ifndef DIST_SERVER_LOOP_H
#define DIST_SERVER_LOOP_H

#include "base/spin.h"
#include "server/conn.h"
#include "server/limit.h"
#include "server/slots.h"
#include "server/stats.h"
#include "server/stay.h"
#include "server/workers.h"

#include <sys/epoll.h>

#define DIST_LOOP_EVENTS 64

struct dist_server_loop {
	struct dist_list conns; /* all that are open */
	struct dist_list ready; /* those whose turn ended with records left */
	uint64_t last_conn_id;

	struct epoll_event events[DIST_LOOP_EVENTS];
	int n_events, next_event;

	/* The turn: the connection whose records are being handled; NULL: between
	 * turns. */
	struct dist_server_conn *current;
	int64_t turn_began_ns;
	unsigned n_turn_calls; /* handled since */
	int64_t now_ns;        /* as of the last look at the clock */

	struct dist_list calls; /* for the workers, not published yet */
	unsigned n_calls;
	size_t n_call_bytes;
	int64_t starved_ns; /* when one with less than its share found the queue full */
	enum dist_slot slot; /* for inline runs, until the events are handled */
	struct dist_inline_run *inline_run;
	struct dist_server_tally tally; /* until the turn's end */

	struct dist_stay stay;
	struct dist_spin spin;
	int64_t waited_ns; /* when events last came */
	int64_t gap_ns;    /* between two events, smoothed */
	int64_t next_sweep_ns;
	int reserve_fd; /* given up to turn a peer away when descriptors run out */
	bool accepting_paused; /* until the next sweep */
	int64_t stop_by_ns; /* when unsent replies are given up; 0: not stopping yet */

	struct dist_crowd crowd;
	struct dist_limit bad_record_limit, accept_limit, ended_limit, busy_limit;
};

enum dist_err dist_server_loop_init(struct dist_server *server) DIST_MUST_CHECK;
void dist_server_loop_fini(struct dist_server *server);

/* Be the loop until the role is lost, or the server stops. */
void dist_server_loop_run(struct dist_server *server, struct dist_worker *self);

/* Have it look around: from any thread. */
void dist_server_loop_wake(struct dist_server *server);

/* What an event is of, where it is no connection. */
#define DIST_LOOP_TAG_NONE     0 /* what it was of has ended */
#define DIST_LOOP_TAG_WAKE     1
#define DIST_LOOP_TAG_LISTENER 2 /* and those above */
#define DIST_LOOP_TAG_MAX      16

/* --- Parts of it, for the holder ------------------------------------------------ */

/* All that epoll gave, then one turn for each connection that had records left. False:
 * the role is lost. */
bool dist_server_loop_handle(struct dist_worker *self);

/* accept.c */
void dist_server_accept(struct dist_server *server, int listener);
void dist_server_accept_resume(struct dist_server *server);
/* A connection of ours from now on, the last in the loop's list. @fd is taken; without
 * memory for it, it is closed. */
void dist_server_adopt(struct dist_server *server, int fd, struct dist_sockaddr *peer);

/* turn.c: a connection's turn. False: the role is lost. */
bool dist_server_turn_begin(struct dist_worker *self, struct dist_server_conn *conn);
/* Receive into its reader, sleeping unless @flags say MSG_DONTWAIT; *ret_n_bytes may be
 * none. False: the peer has closed, or the connection is broken. */
bool dist_turn_receive(struct dist_worker *self, struct dist_server_conn *conn, int flags,
                       size_t *ret_n_bytes);
bool dist_server_turn_go_on(struct dist_worker *self);
/* The role has changed hands in the middle of one: the thread that lost it keeps its
 * scratch. */
void dist_server_turn_inherit(struct dist_worker *self);

/* sweep.c: once a second, what has been quiet for too long ends. */
void dist_server_sweep(struct dist_server *server);

/*
 * End a connection, and tell who wants to know. One that is not the event's own, while
 * events are handled, may have an event to come: dist_server_forget_events() first.
 */
void dist_server_drop(struct dist_server *server, struct dist_server_conn *conn);
void dist_server_forget_events(struct dist_server_loop *loop,
                               const struct dist_server_conn *conn);

#endif
