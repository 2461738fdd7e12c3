#include "server/loop.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/core.h"
#include "server/deferred.h"
#include "server/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* So many events must be expected while they gather. */
#define GATHER_EVENTS_MIN 8
/* How often the loop looks whether what it waits for at its end has come. */
#define LOOP_STOP_TICK_NS (5 * DIST_NS_PER_MS)
/* For so long a server that stops offers peers the replies that they have not taken. */
#define LOOP_STOP_UNSENT_NS (1000 * DIST_NS_PER_MS)

/* --- From birth to death -------------------------------------------------------- */

static enum dist_err
loop_watch(struct dist_server *server, int fd, uint64_t tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag };

	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return dist_error_set_errno(DIST_ESYSTEM, errno, "epoll_ctl");
	return DIST_OK;
}

enum dist_err
dist_server_loop_init(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	enum dist_err err;

	dist_list_init(&loop->conns);
	dist_list_init(&loop->ready);
	dist_list_init(&loop->calls);
	loop->now_ns = loop->waited_ns = dist_clock_ns();
	loop->gap_ns = INT64_MAX / GATHER_EVENTS_MIN; /* nothing is known yet */
	dist_spin_init(&loop->spin, server->options.spin_us);
	/* One descriptor is kept back; without it peers wait, and are not told. */
	loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll_fd < 0 || server->wake_fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno,
		                            "no descriptors for a server's loop");
	err = dist_crowd_init(&loop->crowd);
	if (!err)
		err = dist_stay_init(server);
	if (!err)
		err = loop_watch(server, server->wake_fd, DIST_LOOP_TAG_WAKE);
	for (unsigned i = 0; i < server->listeners.n && !err; i++)
		err = loop_watch(server, server->listeners.fds[i],
		                 DIST_LOOP_TAG_LISTENER + i);
	return err;
}

static void
close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Its threads have ended, or never began: this one holds the role. */
void
dist_server_loop_fini(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn, *next;

	server->options.on_closed = NULL;
	DIST_LIST_EACH (conn, next, &loop->conns, link)
		dist_server_drop(server, conn);
	dist_crowd_fini(&loop->crowd);
	dist_stay_fini(server);
	close_if_open(loop->reserve_fd);
	close_if_open(server->wake_fd);
	close_if_open(server->epoll_fd);
}

void
dist_server_loop_wake(struct dist_server *server)
{
	uint64_t one = 1;

	/* It fails only when the counter is full, and then the loop is awake. */
	(void)!write(server->wake_fd, &one, sizeof(one));
}

void
dist_server_drop(struct dist_server *server, struct dist_server_conn *conn)
{
	unsigned n_deferred;
	bool watched;

	dist_stay_forget(server, conn);
	n_deferred = dist_server_conn_close(conn, &watched);
	atomic_fetch_sub(&server->n_deferred, n_deferred);
	dist_list_remove(&conn->link);
	dist_list_remove(&conn->ready_link);
	dist_crowd_leave(server, conn);
	if (watched && server->options.on_closed)
		server->options.on_closed(conn->id, server->options.arg);
	atomic_fetch_sub(&server->n_connections, 1);
	dist_server_conn_unref(conn);
}

void
dist_server_forget_events(struct dist_server_loop *loop,
                          const struct dist_server_conn *conn)
{
	for (int i = loop->next_event; i < loop->n_events; i++) {
		if (loop->events[i].data.ptr == conn)
			loop->events[i].data.u64 = DIST_LOOP_TAG_NONE;
	}
}

/* --- Events --------------------------------------------------------------------- */

static void
loop_on_wake(struct dist_server *server)
{
	uint64_t count;

	(void)!read(server->wake_fd, &count, sizeof(count));
	dist_stay_take_back(server);
}

/* False: the role is lost. */
static bool
loop_on_conn(struct dist_worker *self, struct dist_server_conn *conn, uint32_t events)
{
	/* Broken, or shut down by one of our threads for that reason. */
	if (events & (EPOLLHUP | EPOLLERR)) {
		dist_server_drop(self->server, conn);
		return true;
	}
	if (events & EPOLLOUT)
		dist_server_conn_writable(conn);
	if (dist_server_conn_full(conn)) {
		dist_server_conn_arm(conn, conn->has_records);
		return true;
	}
	if ((events == EPOLLOUT && !conn->has_records) ||
	    conn->read_by == DIST_READ_BY_AWAY)
		return true;
	return dist_server_turn_begin(self, conn);
}

static bool
loop_on_event(struct dist_worker *self, const struct epoll_event *event)
{
	struct dist_server *server = self->server;
	uint64_t tag = event->data.u64;

	if (tag >= DIST_LOOP_TAG_MAX)
		return loop_on_conn(self, event->data.ptr, event->events);
	if (tag == DIST_LOOP_TAG_WAKE)
		loop_on_wake(server);
	else if (tag >= DIST_LOOP_TAG_LISTENER &&
	         tag < DIST_LOOP_TAG_LISTENER + server->listeners.n)
		dist_server_accept(server,
		                   server->listeners.fds[tag - DIST_LOOP_TAG_LISTENER]);
	return true;
}

static inline __attribute__((always_inline)) bool
loop_handle(struct dist_worker *self)
{
	struct dist_server_loop *loop = &self->server->loop;
	struct dist_list *last, *link = NULL;

	while (loop->next_event < loop->n_events) {
		if (!loop_on_event(self, &loop->events[loop->next_event++]))
			return false;
	}
	last = loop->ready.prev;
	while (link != last && (link = dist_list_pop(&loop->ready))) {
		if (!dist_server_turn_begin(
			    self, DIST_CONTAINER_OF(link, struct dist_server_conn,
		                                    ready_link)))
			return false;
	}
	return true;
}

/* For who is the loop a step at a time. */
bool
dist_server_loop_handle(struct dist_worker *self)
{
	return loop_handle(self);
}

/* --- Waiting -------------------------------------------------------------------- */

/* It need not be exact, so the clock is not read for it. */
static int
loop_wait_ms(const struct dist_server *server)
{
	const struct dist_server_loop *loop = &server->loop;
	int64_t left_ns = loop->next_sweep_ns - loop->now_ns;

	if (!dist_list_empty(&loop->ready))
		return 0;
	if (atomic_load(&server->stopping))
		left_ns = DIST_MIN(left_ns, LOOP_STOP_TICK_NS);
	return left_ns > 0 ? (int)(left_ns / DIST_NS_PER_MS) + 1 : 0;
}

static int
loop_poll(struct dist_server *server, int wait_ms)
{
	return epoll_wait(server->epoll_fd, server->loop.events, DIST_LOOP_EVENTS,
	                  wait_ms);
}

/* Without sleeping, for as long as the options say, where that pays (base/spin.h). */
static int
loop_spin(struct dist_server *server)
{
	struct dist_spin *spin = &server->loop.spin;
	int n;

	if (!dist_spin_begin(spin, dist_clock_ns()))
		return 0;
	do
		n = loop_poll(server, 0);
	while (n == 0 && dist_spin_goes_on(spin, dist_clock_ns()));
	dist_spin_end(spin, n != 0, dist_clock_ns());
	return n;
}

/*
 * Many peers that each call now and then, thousands of times a second together: to sleep
 * and wake for each costs more than the call. Where the options allow it, they are let
 * gather for a moment.
 */
static void
loop_gather(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	int64_t gather_ns = server->options.gather_us * DIST_NS_PER_US;
	int64_t until_ns = loop->waited_ns + gather_ns;
	struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };

	if (loop->gap_ns * GATHER_EVENTS_MIN < gather_ns && dist_list_empty(&loop->ready))
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* The connection, if the events are its input and nothing else. */
static struct dist_server_conn *
loop_only_conn(const struct dist_server_loop *loop)
{
	const struct epoll_event *event = &loop->events[0];

	return loop->n_events == 1 && event->events == EPOLLIN &&
	                       event->data.u64 >= DIST_LOOP_TAG_MAX
	               ? event->data.ptr
	               : NULL;
}

static void
loop_note_events(struct dist_server_loop *loop)
{
	int64_t gap_ns;

	if (loop->n_events == 0)
		return;
	dist_stay_note(&loop->stay, loop_only_conn(loop));
	gap_ns = (loop->now_ns - loop->waited_ns) / loop->n_events;
	loop->gap_ns += (gap_ns - loop->gap_ns) / 8;
	loop->waited_ns = loop->now_ns;
}

static void
loop_wait_for_events(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	int wait_ms, n = 0;

	if (server->options.gather_us)
		loop_gather(server);
	wait_ms = loop_wait_ms(server);
	if (wait_ms != 0 && server->options.spin_us)
		n = loop_spin(server);
	if (n == 0)
		n = loop_poll(server, wait_ms);
	loop->n_events = n > 0 ? n : 0;
	loop->next_event = 0;
	loop->now_ns = dist_clock_ns();
	loop_note_events(loop);
}

/*
 * The one with which the loop stays has received something, or has ended. What it has
 * received lies in this thread's scratch, so it has its turn in any case, also where its
 * output is full meanwhile: the turn's end moves it out of there.
 */
static void
loop_on_stayed(struct dist_server *server, bool alive)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = loop->stay.conn;

	loop->now_ns = conn->received_ns = dist_clock_ns();
	loop->n_events = loop->next_event = 0;
	if (alive) {
		conn->has_records = true;
		dist_list_append(&loop->ready, &conn->ready_link);
	} else {
		dist_server_drop(server, conn);
	}
}

/* False: the role is lost. */
static bool
loop_wait(struct dist_worker *self)
{
	struct dist_server *server = self->server;
	struct dist_server_loop *loop = &server->loop;
	enum dist_stayed stayed = DIST_STAY_NONE;
	bool alive;

	if (loop->slot) {
		dist_slots_give(&server->workers, loop->slot);
		loop->slot = DIST_SLOT_NONE;
	}
	if (dist_list_empty(&loop->ready))
		stayed = dist_stay_wait(self, &alive);
	if (stayed == DIST_STAYED)
		loop_on_stayed(server, alive);
	else if (stayed == DIST_STAY_NONE)
		loop_wait_for_events(server);
	return stayed != DIST_STAY_LOST;
}

/* --- Stopping ------------------------------------------------------------------- */

/* Nothing runs, nothing waits to be run or answered. */
static bool
loop_is_idle(struct dist_server *server)
{
	struct dist_server_load load;

	dist_server_load(server, &load);
	return load.running == 0 && load.queued == 0;
}

/* Whoever has connected is spoken to, and nobody else can. */
static void
loop_close_listeners(struct dist_server *server)
{
	for (unsigned i = 0; i < server->listeners.n; i++)
		dist_server_accept(server, server->listeners.fds[i]);
	dist_listeners_close(&server->listeners);
}

/*
 * A call may cross the end of its connection on the way, and its caller could not know that
 * it did not run: so our own peers are told, and those who have not called yet.
 */
static void
loop_say_goodbye(struct dist_server *server)
{
	struct dist_server_conn *conn, *next;

	DIST_LIST_EACH (conn, next, &server->loop.conns, link) {
		struct dist_reply_to to = { .conn = conn, .has_meta = true };

		dist_deferred_fail_all(server, conn);
		if (conn->served && !conn->has_meta)
			continue;
		conn->said_goodbye = true;
		dist_reply_not_run(&to, DIST_NOT_RUN_GOODBYE);
		dist_server_conn_flush(conn);
	}
}

/* All replies have left, and who was told goodbye has closed. */
static bool
loop_is_deserted(struct dist_server *server)
{
	struct dist_server_conn *conn, *next;

	DIST_LIST_EACH (conn, next, &server->loop.conns, link) {
		if (conn->said_goodbye ||
		    atomic_load_explicit(&conn->unsent, memory_order_relaxed) > 0)
			return false;
	}
	return true;
}

/*
 * Whether the loop is over: what ran has ended, what was deferred is answered, and
 * peers have taken their replies or have had a second to.
 */
static bool
loop_may_end(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;

	if (!atomic_load(&server->stopping) || !loop_is_idle(server) ||
	    dist_stay_is_away(server))
		return false;
	if (loop->stop_by_ns == 0) {
		loop->stop_by_ns = loop->now_ns + LOOP_STOP_UNSENT_NS;
		loop_close_listeners(server);
		loop_say_goodbye(server);
	}
	return loop_is_deserted(server) || loop->now_ns >= loop->stop_by_ns;
}

void
dist_server_loop_run(struct dist_server *server, struct dist_worker *self)
{
	struct dist_server_loop *loop = &server->loop;

	if (loop->current) {
		dist_server_turn_inherit(self);
		if (loop->current && !dist_server_turn_go_on(self))
			return;
	}
	do {
		if (!loop_handle(self))
			return;
		if (atomic_load_explicit(&server->buffered_bytes, memory_order_relaxed) >
		    server->options.max_buffered_bytes)
			dist_hoard_end_oldest(server);
		if (loop->now_ns >= loop->next_sweep_ns)
			dist_server_sweep(server);
		if (loop_may_end(server)) {
			dist_stay_stop(server);
			dist_workers_end(&server->workers);
			return;
		}
	} while (loop_wait(self));
}
