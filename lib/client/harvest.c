/*
 * A thread that waits for any of several calls does for all of their connections what one
 * that waits for a single call does for its own (conn_read.c): it sends what has gathered,
 * takes each reader role that is free, polls all of these at once, and ends whatever calls
 * the replies answer, its own and others'. Handed over by the loop instead, a batch of
 * replies costs two switches between threads, and the taker sleeps while another reads.
 *
 * Where another thread reads, the harvest is parked like a caller, and is granted the role
 * when that thread leaves. Holding no role at all it sleeps on its word; with one it polls,
 * and who wants it writes to its kick descriptor, lent by the runtime for the time.
 *
 * The loop reads, as if nobody waited here, where no descriptor is to be had, and where the
 * calls are on more connections than DIST_HARVEST_CONNS: over so many they are scattered
 * one by one, and a thread that does everything itself wakes for each reply, while one
 * that is a step behind the loop finds several.
 *
 * It leaves as soon as it was told, and passes on every role, so that R holds for the
 * calls that others, or nobody yet, wait for. The next wait takes them again: while
 * nobody else wants them that costs a lock for each connection and no system call.
 *
 * The word says whether it sleeps and what it was told, in one, so that nothing is lost
 * between a last look and the sleep:
 *
 *   ASLEEP, POLLS   set by its thread before it sleeps, unless it was told already
 *   OVER, LOOKS     set by others, once, who wake it when it sleeps
 *   KICKED          set with these while it polls: one write to the kick descriptor is
 *                   due or done, and has to be read before that is given back
 */
#include "client/harvest.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/thread.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"

enum {
	ASLEEP = 1u,
	POLLS = 2u,
	KICKED = 4u,
	LOOKS = 8u,
	OVER = 16u,
};

/* Of looks that found nothing, one asks the kernel again after this time. */
#define LOOK_AGAIN_NS (5 * DIST_NS_PER_US)

static DIST_THREAD_LOCAL struct dist_harvest *here;

struct dist_harvest *
dist_harvest_here(void)
{
	return here;
}

void
dist_harvest_init(struct dist_harvest *harvest)
{
	dist_list_init(&harvest->link);
	harvest->teller = NULL;
	atomic_init(&harvest->word, 0);
	harvest->kick_fd = -1;
	harvest->crowded = harvest->changed = false;
	harvest->n_conns = harvest->n_held = 0;
}

static void
harvest_take_kick(struct dist_harvest *harvest)
{
	uint64_t one;

	if (read(harvest->kick_fd, &one, sizeof(one)) < 0)
		dist_log_debug("kick-lost", "errno=%d", errno);
}

void
dist_harvest_fini(struct dist_harvest *harvest)
{
	/* Nobody can reach it any more: a write that was due is done. */
	if (atomic_load(&harvest->word) & KICKED)
		harvest_take_kick(harvest);
	if (harvest->kick_fd >= 0)
		dist_runtime_return_kick(harvest->conns[0]->runtime, harvest->kick_fd);
	for (unsigned i = 0; i < harvest->n_conns; i++)
		dist_conn_unref(harvest->conns[i]);
}

bool
dist_harvest_add(struct dist_harvest *harvest, struct dist_conn *conn)
{
	unsigned i = harvest->n_conns;

	if (i == DIST_HARVEST_CONNS) {
		harvest->crowded = true;
		return false;
	}
	harvest->conns[i] = conn;
	harvest->held[i] = false;
	harvest->parked[i] = (struct dist_parked){ .harvest = harvest };
	dist_list_init(&harvest->parked[i].link);
	harvest->n_conns++;
	return true;
}

/* --- Being told ---------------------------------------------------------------------- */

static void
harvest_wake(struct dist_harvest *harvest, unsigned what)
{
	unsigned word = atomic_load(&harvest->word), next;
	uint64_t one = 1;

	do {
		if (word & (what | OVER))
			return;
		next = word | what;
		if (word & POLLS)
			next |= KICKED;
	} while (!atomic_compare_exchange_weak(&harvest->word, &word, next));
	if (word & ASLEEP)
		dist_futex_wake(&harvest->word, 1);
	if ((next & KICKED) && !(word & KICKED) &&
	    write(harvest->kick_fd, &one, sizeof(one)) < 0)
		dist_log_debug("kick-lost", "errno=%d", errno);
}

void
dist_harvest_tell(struct dist_harvest *harvest)
{
	harvest_wake(harvest, OVER);
}

void
dist_harvest_nudge(struct dist_harvest *harvest)
{
	harvest_wake(harvest, LOOKS);
}

bool
dist_harvest_told(struct dist_harvest *harvest)
{
	return atomic_load(&harvest->word) & OVER;
}

/* About to sleep, @how; false: it was told something. */
static bool
harvest_lies_down(struct dist_harvest *harvest, unsigned how, unsigned *ret_word)
{
	unsigned word = atomic_load(&harvest->word);

	do {
		if (word & (OVER | LOOKS))
			return false;
	} while (!atomic_compare_exchange_weak(&harvest->word, &word, word | how));
	*ret_word = word | how;
	return true;
}

/* --- Roles --------------------------------------------------------------------------- */

static void
harvest_hold(struct dist_harvest *harvest, unsigned i)
{
	harvest->held[i] = true;
	harvest->n_held++;
}

/* Take the reader role of a connection that is ready, if it is free. */
static bool
conn_take_reader_locked(struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	bool armed = conn->reader_role == DIST_READER_ARMED;

	if (conn->state != DIST_CONN_READY ||
	    (conn->reader_role != DIST_READER_NONE && !armed))
		return false;
	conn->reader_role = DIST_READER_CALLER;
	conn->holder_call = NULL;
	if (armed)
		dist_conn_arm_locked(conn);
	return true;
}

/* Take it now, or be granted it later. */
static void
harvest_want_reader_locked(struct dist_harvest *harvest, unsigned i,
                           struct dist_conn *conn) DIST_REQUIRES(&conn->lock)
{
	struct dist_parked *parked = &harvest->parked[i];

	if (parked->granted || conn_take_reader_locked(conn)) {
		dist_list_remove(&parked->link);
		parked->granted = false;
		harvest_hold(harvest, i);
	} else if (conn->state != DIST_CONN_CLOSED && dist_list_empty(&parked->link)) {
		dist_list_append(&conn->parked, &parked->link);
	}
}

static void
harvest_join(struct dist_harvest *harvest, unsigned i)
{
	struct dist_conn *conn = harvest->conns[i];

	dist_lock(&conn->lock);
	dist_conn_flush_locked(conn);
	conn->n_waits++;
	harvest_want_reader_locked(harvest, i, conn);
	dist_unlock(&conn->lock);
}

/* It was nudged: what it does not hold it may have been granted, or it has closed. */
static void
harvest_join_again(struct dist_harvest *harvest)
{
	atomic_fetch_and(&harvest->word, ~LOOKS);
	for (unsigned i = 0; i < harvest->n_conns; i++) {
		struct dist_conn *conn = harvest->conns[i];

		if (harvest->held[i])
			continue;
		dist_lock(&conn->lock);
		harvest_want_reader_locked(harvest, i, conn);
		if (conn->state == DIST_CONN_CLOSED && !harvest->held[i])
			harvest->changed = true;
		dist_unlock(&conn->lock);
	}
}

static void
harvest_leave(struct dist_harvest *harvest, unsigned i)
{
	struct dist_conn *conn = harvest->conns[i];
	struct dist_parked *parked = &harvest->parked[i];

	dist_lock(&conn->lock);
	dist_list_remove(&parked->link);
	if (harvest->held[i] || parked->granted) {
		conn->n_reads++;
		dist_conn_pass_reader_locked(conn);
	}
	dist_unlock(&conn->lock);
}

/* --- Reading ------------------------------------------------------------------------- */

/* True: something was received, or the connection has ended. */
static bool
harvest_read(struct dist_harvest *harvest, unsigned i)
{
	bool open, some = dist_conn_read_once(harvest->conns[i], &open);

	if (!open)
		harvest->changed = true;
	return some || !open;
}

static bool
harvest_read_all(struct dist_harvest *harvest)
{
	bool some = false;

	for (unsigned i = 0; i < harvest->n_conns; i++) {
		if (harvest->held[i] && harvest_read(harvest, i))
			some = true;
	}
	return some;
}

/* Look without sleeping, as long as that pays; true: something was received. */
static bool
harvest_spin(struct dist_harvest *harvest)
{
	struct dist_spin *spin = NULL;
	bool seen;

	for (unsigned i = 0; i < harvest->n_conns && !spin; i++) {
		if (harvest->held[i] && harvest->conns[i]->peer->spin_us)
			spin = &harvest->conns[i]->spin;
	}
	if (!spin || !dist_spin_begin(spin, dist_clock_ns()))
		return false;
	do
		seen = harvest_read_all(harvest) ||
		       atomic_load(&harvest->word) & (OVER | LOOKS);
	while (!seen && dist_spin_goes_on(spin, dist_clock_ns()));
	dist_spin_end(spin, seen, dist_clock_ns());
	return seen;
}

/* Sleep until there is something to read, then read it, wherever it is. */
static void
harvest_poll(struct dist_harvest *harvest, int64_t deadline_ns)
{
	struct pollfd fds[DIST_HARVEST_CONNS + 1];
	unsigned places[DIST_HARVEST_CONNS], n_fds = 0, word, awake = POLLS;
	struct timespec time;
	int64_t left_ns;
	int n;

	for (unsigned i = 0; i < harvest->n_conns; i++) {
		if (!harvest->held[i])
			continue;
		places[n_fds] = i;
		fds[n_fds++] = (struct pollfd){ .fd = harvest->conns[i]->source.fd,
			                        .events = POLLIN };
	}
	fds[n_fds] = (struct pollfd){ .fd = harvest->kick_fd, .events = POLLIN };
	if (deadline_ns != DIST_NEVER) {
		left_ns = DIST_MAX(deadline_ns - dist_clock_ns(), 0);
		time.tv_sec = left_ns / 1000000000;
		time.tv_nsec = left_ns % 1000000000;
	}
	if (!harvest_lies_down(harvest, POLLS, &word))
		return;
	n = ppoll(fds, n_fds + 1, deadline_ns == DIST_NEVER ? NULL : &time, NULL);
	if (n > 0 && fds[n_fds].revents) {
		harvest_take_kick(harvest);
		awake |= KICKED;
	}
	atomic_fetch_and(&harvest->word, ~awake);
	for (unsigned i = 0; n > 0 && i < n_fds; i++) {
		if (fds[i].revents)
			harvest_read(harvest, places[i]);
	}
}

static void
harvest_sleep(struct dist_harvest *harvest, int64_t deadline_ns)
{
	unsigned word;

	if (!harvest_lies_down(harvest, ASLEEP, &word))
		return;
	dist_futex_wait(&harvest->word, word, deadline_ns);
	atomic_fetch_and(&harvest->word, ~ASLEEP);
}

/* Whether it reads; then it has what can wake it from a poll. */
static bool
harvest_reads(struct dist_harvest *harvest)
{
	if (harvest->n_conns == 0 || harvest->crowded)
		return false;
	if (harvest->kick_fd < 0)
		harvest->kick_fd = dist_runtime_lend_kick(harvest->conns[0]->runtime);
	return harvest->kick_fd >= 0;
}

void
dist_harvest_wait(struct dist_harvest *harvest, int64_t deadline_ns)
{
	struct dist_harvest *outer = here;
	bool reads = harvest_reads(harvest);

	dist_thread_will_block();
	here = harvest;
	for (unsigned i = 0; i < harvest->n_conns; i++) {
		if (reads)
			harvest_join(harvest, i);
		else
			dist_conn_serve(harvest->conns[i]);
	}
	/* Once at least: others leave the reading to a thread that waits here so often. */
	do {
		if (atomic_load(&harvest->word) & LOOKS)
			harvest_join_again(harvest);
		else if (harvest->n_held == 0)
			harvest_sleep(harvest, deadline_ns);
		else if (!harvest_spin(harvest))
			harvest_poll(harvest, deadline_ns);
	} while (!dist_harvest_told(harvest) && !harvest->changed &&
	         !dist_deadline_passed(deadline_ns));
	for (unsigned i = 0; reads && i < harvest->n_conns; i++)
		harvest_leave(harvest, i);
	here = outer;
}

/* --- Only looking -------------------------------------------------------------------- */

/* Whether to receive: not again at once in vain, nor what the loop is about to. */
static bool
conn_may_look_locked(const struct dist_conn *conn, bool left_to_loop, int64_t now_ns)
	DIST_REQUIRES(&conn->lock)
{
	if (left_to_loop && conn->reader_role == DIST_READER_ARMED)
		return false;
	return now_ns - conn->looked_at_ns >= LOOK_AGAIN_NS;
}

static void
conn_look_once(struct dist_conn *conn, bool left_to_loop)
{
	int64_t now_ns = dist_clock_ns();
	bool open;

	dist_lock(&conn->lock);
	dist_conn_flush_locked(conn);
	if (!left_to_loop)
		conn->n_waits++;
	if (conn_may_look_locked(conn, left_to_loop, now_ns) &&
	    conn_take_reader_locked(conn)) {
		dist_unlock(&conn->lock);
		if (dist_conn_read_once(conn, &open) || !open)
			now_ns = 0;
		dist_lock(&conn->lock);
		conn->n_reads++;
		if (now_ns)
			conn->looked_at_ns = now_ns;
		dist_conn_pass_reader_locked(conn);
	}
	dist_unlock(&conn->lock);
}

void
dist_harvest_look(struct dist_harvest *harvest, bool left_to_loop)
{
	for (unsigned i = 0; i < harvest->n_conns; i++) {
		conn_look_once(harvest->conns[i], left_to_loop);
		if (left_to_loop)
			dist_conn_serve(harvest->conns[i]);
	}
}
