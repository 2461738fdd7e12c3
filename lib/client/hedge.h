/*
 * Hedging: an idempotent call without an answer after a while goes to another node too,
 * and the first answer is the call's.
 *
 * The second sending is a call of its own, with its own record, xid and peer: the *second*
 * of a call, which is its *first*. Nobody waits for a second. So each is placed, refused,
 * lost and given up as any other call, by one thread at a time, and the two meet in a few
 * places only, of which each is decided by one compare-exchange or under the first's lock:
 *
 *   the second is answered   it claims the first, as a reply to that would; whoever has the
 *                            claim alone writes the result. Then the first's try is taken
 *                            off its connection, whose node is told (CANCEL)
 *   the first ends           in whatever way, it ends its second, whose node is told
 *   the first's try fails    with a second on its way it waits for that, instead of going
 *                            elsewhere: that is its second try already
 *   the second fails         a first that waits goes on, with the node that the second was
 *                            lost on among its own; one that does not wait hears of it
 *                            when its own try fails
 *
 * An answer that is an error of the procedure's ends a first. Of a second's it ends the
 * call once the first's try has come to nothing, and not sooner, since that may do better;
 * but then it must, since the procedure has run. At most one second a call; it draws
 * from the retries that the cluster allows, and is not sent when there are none.
 *
 * A map (bulk/bulk.h) has no time after which to hedge: it asks for a second when nodes are idle.
 *
 * Calls without hedging have none of this: one byte of theirs says so.
 */
#ifndef DIST_CLIENT_HEDGE_H
#define DIST_CLIENT_HEDGE_H

#include "client/call.h"

/*
 * Before @call is started: it is hedged after @after_ms. DIST_ENOMEM.
 */
enum dist_err dist_hedge_prepare(struct dist_call *call, int64_t after_ms) DIST_MUST_CHECK;

/* After it was placed, by the thread that did: from now on time counts. */
void dist_hedge_arm(struct dist_call *call);

/*
 * Send it to another node now, if it is with one, and has no second. By a thread that has
 * a reference, at any time. False: nothing was sent.
 */
bool dist_hedge_now(struct dist_call *call);

/* Its outcome is written: the other one is to know. */
void dist_hedge_outcome(struct dist_call *call);

/* A second got a success; takes a reference of its. */
void dist_hedge_answered(struct dist_call *second, const uint8_t *results, size_t length);

/*
 * A try of @call's came to nothing. True: a second is on its way, and whoever ends that
 * goes on with @call by dist_dispatch_resume(); the reference is taken. By the thread that
 * places it.
 */
bool dist_hedge_wait(struct dist_call *call);

/*
 * After dist_hedge_wait() said false: a second that ended before, with an answer that was
 * an error, of which dist_dispatch_resume() is to know. NULL: there was none. Given.
 */
struct dist_call *dist_hedge_take_failed(struct dist_call *call);

/* The peer whose answer a first has from its second; NULL: it is its own. */
struct dist_peer *dist_hedge_winner(const struct dist_call *call);

/* Of a call that is DONE: the peer that answered it, or was tried last; NULL: none was. */
static inline struct dist_peer *
dist_call_last_peer(const struct dist_call *call)
{
	struct dist_peer *winner = call->hedging ? dist_hedge_winner(call) : NULL;

	return winner ? winner : call->peer;
}

/* What a first or a second has of this, as it is freed. */
void dist_hedge_free(struct dist_call *call);

#endif
