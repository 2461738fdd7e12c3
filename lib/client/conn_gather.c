/*
 * Many threads with calls on one connection. If each sent its own record and slept
 * until another thread handed it its reply, a call would cost a system call of the
 * network and two switches between threads, one of them by a futex. So a thread that is
 * not alone here lets the others run before it sends: they add their records, one of
 * them sends all at once, and one that finds replies ends the calls of all. Whoever
 * runs again with its call ended never slept, so nobody had to wake it.
 *
 * A yield is good only while the others here have something to do with it. It is not
 * tried again when nothing was added or answered meanwhile. And it must pay: where
 * other work wants the CPU, a thread that yields waits for the whole slice of that,
 * while one that sleeps is woken in time. So yields after which the call was over earn
 * credit, and time that the work done here does not explain uses it up.
 *
 * W and R hold: whoever yields is runnable, and looks after unsent bytes and the free
 * reader role when it runs; the last that leaves passes the role on.
 */
#include "client/conn_gather.h"

#include <sched.h>

#include "base/clock.h"
#include "client/call.h"

/* Yields in one wait. A slow call sleeps like any other after so many. */
#define YIELDS_MAX 6
/* What gathers before it is sent: the node works while others go on adding. */
#define GATHER_BYTES 2048
/* What a yield may take for nothing, and for each call added or answered meanwhile. */
#define YIELD_NS      (50 * DIST_NS_PER_US)
#define YIELD_CALL_NS (10 * DIST_NS_PER_US)
/* What one earns, the most that is saved, and what there is after a pause. */
#define CREDIT_EARNED_NS (100 * DIST_NS_PER_US)
#define CREDIT_MAX_NS    (20 * DIST_NS_PER_MS)
#define CREDIT_FIRST_NS  (5 * DIST_NS_PER_MS)
#define PAUSE_NS         (100 * DIST_NS_PER_MS)

/* What others did here while this thread let them. */
struct yielded {
	unsigned n_added, n_answered;
	int64_t took_ns;
};

bool
dist_conn_may_gather_locked(const struct dist_conn *conn)
{
	return conn->n_waiting > 1 && conn->state == DIST_CONN_READY &&
	       dist_clock_ns() >= conn->no_yield_until_ns;
}

static struct yielded
conn_yield_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	unsigned n_added = conn->n_added, n_answered = conn->n_answered;
	int64_t began_ns = dist_clock_ns();
	struct yielded yielded;

	dist_unlock(&conn->lock);
	sched_yield();
	yielded.took_ns = dist_clock_ns() - began_ns;
	dist_lock(&conn->lock);
	yielded.n_added = conn->n_added - n_added;
	yielded.n_answered = conn->n_answered - n_answered;
	return yielded;
}

/* Time lost by threads that yield at once is lost once. */
static void
conn_account_locked(struct dist_conn *conn, const struct yielded *yielded, bool paid)
	DIST_REQUIRES(&conn->lock)
{
	unsigned n_calls = yielded->n_added + yielded->n_answered;
	int64_t lost_ns = yielded->took_ns - YIELD_NS - n_calls * YIELD_CALL_NS;
	int64_t credit_ns = conn->yield_credit_ns;

	credit_ns += paid ? CREDIT_EARNED_NS : 0;
	credit_ns -= DIST_MAX(lost_ns, 0) / conn->n_gathering;
	conn->yield_credit_ns = DIST_MIN(credit_ns, CREDIT_MAX_NS);
	if (credit_ns >= 0)
		return;
	conn->yield_credit_ns = CREDIT_FIRST_NS;
	conn->no_yield_until_ns = dist_clock_ns() + PAUSE_NS;
}

void
dist_conn_gather_locked(struct dist_conn *conn, struct dist_call *call)
{
	struct yielded yielded = { .n_added = 1 };

	conn->n_gathering++;
	for (unsigned i = 0; i < YIELDS_MAX; i++) {
		/* While others add to it, it can wait for them. */
		if (yielded.n_added == 0 ||
		    dist_outbuf_pending(&conn->out) > GATHER_BYTES)
			dist_conn_flush_locked(conn);
		if (i > 0 && dist_call_pending(call))
			dist_conn_look_locked(conn, call);
		if (!dist_call_pending(call) || !dist_conn_may_gather_locked(conn))
			break;
		yielded = conn_yield_locked(conn);
		conn_account_locked(conn, &yielded, !dist_call_pending(call));
		if (!dist_call_pending(call) ||
		    yielded.n_added + yielded.n_answered == 0)
			break;
	}
	conn->n_gathering--;
}
