/*
 * Staying with one connection.
 *
 * A loop that waits by epoll_wait() and then receives makes two system calls for what
 * came, and the kernel wakes it through two queues. Where one peer alone calls, and goes
 * on calling, the holder of the loop role *stays* with it: its connection is off epoll,
 * and the holder sleeps in recv(). All else is waited for by another thread, the
 * *lookout*. When that sees an event it takes the role away and is the loop from then on.
 *
 *	the lookout                       the holder that stays
 *	  stay->wanted = true               role: HELD -> STAYING
 *	  role STAYING? take it away        stay->wanted? take the role back, and wait
 *	                                    for readiness as ever
 *
 * Each does its first step before its second, so at least one of them sees the other.
 *
 * A thread whose role was taken is *away*: it may still be inside recv(), which lasts 20
 * milliseconds at most. The connection is its to read until it has given it back
 * (dist_stay_take_back()), and nobody stays anywhere until then. A peer that is quiet for
 * so long, or has company, is not stayed with; each stay that was not worth its beginning
 * makes the next one wait for twice as many calls, a good one for half as many.
 *
 * Peers change, so that is forgotten with time, too: a second after the last
 * disappointment half as many calls do, after two a quarter. Where peers mix on and on
 * one stay a second is in vain, which costs nothing to speak of; where they have gone, a
 * lone peer is stayed with after seconds, however long they were there. How many are
 * needed is worked out where it is asked for, from times that the loop has looked at
 * anyway, and not before a peer has called so often that it may matter.
 */
#ifndef DIST_SERVER_STAY_H
#define DIST_SERVER_STAY_H

#include "base/clock.h"
#include "base/mutex.h"

#include <dist/error.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dist_server;
struct dist_server_conn;
struct dist_worker;
struct dist_workers;

/* Events in a row of one connection alone that begin a stay; at first, and at most. */
#define DIST_STAY_NEEDED_FIRST 64U
#define DIST_STAY_NEEDED_MAX   (1U << 20)
/* Turns after which a stay was worth waking a lookout for. */
#define DIST_STAY_WORTH 64
/* How long it takes until half of what disappointments taught is forgotten. */
#define DIST_STAY_FORGIVE_NS (1000 * DIST_NS_PER_MS)

/* What the loop knows of it: the role holder's, beside @wanted. */
struct dist_stay {
	struct dist_server_conn *conn; /* with which it stays; NULL: with none */
	struct dist_server_conn *last; /* of which the last events were, and no other */
	unsigned n_same;         /* so many of them in a row */
	unsigned n_needed;       /* so many began a stay at @disappointed_ns */
	int64_t disappointed_ns; /* when one was last not worth it; 0: none was */
	unsigned n_turns;        /* in this stay */
	atomic_bool wanted; /* the lookout has seen something */
};

/* What the threads know of it; guarded by the workers' lock. */
struct dist_lookout {
	bool is_on;   /* the loop stays somewhere */
	bool manned;  /* a thread looks out */
	bool is_away; /* a thread that lost the role reads yet */
	struct dist_server_conn *returned; /* given back by that; a reference */
	int64_t received_ns; /* when that received something; 0: it did not */
	int fd;       /* an eventfd to wake it, that a stay is over; read-only */
};

enum dist_err dist_stay_init(struct dist_server *server) DIST_MUST_CHECK;
void dist_stay_fini(struct dist_server *server);

/* --- For the holder of the loop role --------------------------------------------- */

/* What epoll gave: @conn if it was input of that connection and nothing else, or NULL. */
void dist_stay_note(struct dist_stay *stay, struct dist_server_conn *conn);

/* So many events in a row begin a stay at @now_ns. */
unsigned dist_stay_n_needed(const struct dist_stay *stay, int64_t now_ns);
/* It is over, or its thread away: whether that was soon decides when there is another. */
void dist_stay_judge(struct dist_stay *stay, int64_t now_ns);

/* A connection is about to end. */
void dist_stay_forget(struct dist_server *server, struct dist_server_conn *conn);

/* The loop ends: nobody is to look out any more. */
void dist_stay_stop(struct dist_server *server);

/* What waiting came to. */
enum dist_stayed {
	DIST_STAYED,     /* the connection has received something, or has ended */
	DIST_STAY_NONE,  /* there is no stay, or not any more: wait for readiness */
	DIST_STAY_LOST,  /* the role is lost */
};

/*
 * Stay, if it is time to, and wait. DIST_STAYED: what dist_turn_receive() said of the
 * connection is in *ret_alive.
 */
enum dist_stayed dist_stay_wait(struct dist_worker *self, bool *ret_alive);

/* After a wake-up: what a thread that was away has given back is the loop's again. */
void dist_stay_take_back(struct dist_server *server);
/* Whether there is such a thread: a server does not end before it is back. */
bool dist_stay_is_away(struct dist_server *server);

/* --- For a thread that is idle ----------------------------------------------------- */

static inline bool
dist_lookout_needed(const struct dist_lookout *lookout, const struct dist_stay *stay)
{
	return lookout->is_on && !lookout->manned && !atomic_load(&stay->wanted);
}

#endif
