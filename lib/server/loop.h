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
 *   settles the reader of the connection at hand, which copies what was not read yet
 * out of that scratch. A record that lies in the reader's own buffer, which the next
 * holder goes on using, is copied or taken before it is run.
 */
#ifndef DIST_SERVER_LOOP_H
#define DIST_SERVER_LOOP_H

#include "server/conn.h"
#include "server/limit.h"

#include <sys/epoll.h>

struct dist_worker;
struct dist_inline_run;

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
	bool has_slot; /* for inline runs, until the events are handled */
	struct dist_inline_run *inline_run;

	int64_t next_sweep_ns;
	int reserve_fd; /* given up to turn a peer away when descriptors run out */
	bool accepting_paused; /* until the next sweep */
	int64_t stop_by_ns; /* when unsent replies are given up; 0: not stopping yet */

	struct dist_limit bad_record_limit, accept_limit;
};

enum dist_err dist_server_loop_init(struct dist_server *server) DIST_MUST_CHECK;
void dist_server_loop_fini(struct dist_server *server);

/* Be the loop until the role is lost, or the server stops. */
void dist_server_loop_run(struct dist_server *server, struct dist_worker *self);

/* Have it look around: from any thread. */
void dist_server_loop_wake(struct dist_server *server);

/* What an event is of, where it is no connection. */
#define DIST_LOOP_TAG_WAKE     1
#define DIST_LOOP_TAG_LISTENER 2 /* and those above */
#define DIST_LOOP_TAG_MAX      16

/* --- Parts of it, for the holder ------------------------------------------------ */

/* accept.c */
void dist_server_accept(struct dist_server *server, int listener);
void dist_server_accept_resume(struct dist_server *server);

/* turn.c: a connection's turn. False: the role is lost. */
bool dist_server_turn_begin(struct dist_worker *self, struct dist_server_conn *conn);
bool dist_server_turn_go_on(struct dist_worker *self);
/* The role has changed hands in the middle of one: the thread that lost it keeps its
 * scratch. */
void dist_server_turn_inherit(struct dist_server *server);

/* sweep.c: once a second, what has been quiet for too long ends. */
void dist_server_sweep(struct dist_server *server);

/* End a connection, and tell who wants to know. */
void dist_server_drop(struct dist_server *server, struct dist_server_conn *conn);

#endif
