#include "server/loop.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/core.h"
#include "server/deferred.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
	loop->now_ns = dist_clock_ns();
	/* One descriptor is kept back; without it peers wait, and are not told. */
	loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll_fd < 0 || server->wake_fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno,
		                            "no descriptors for a server's loop");
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

	n_deferred = dist_server_conn_close(conn, &watched);
	atomic_fetch_sub(&server->n_deferred, n_deferred);
	dist_list_remove(&conn->link);
	dist_list_remove(&conn->ready_link);
	if (watched && server->options.on_closed)
		server->options.on_closed(conn->id, server->options.arg);
	atomic_fetch_sub(&server->n_connections, 1);
	dist_server_conn_unref(conn);
}

/* --- Events --------------------------------------------------------------------- */

static void
loop_on_wake(struct dist_server *server)
{
	uint64_t count;

	(void)!read(server->wake_fd, &count, sizeof(count));
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
	if (events == EPOLLOUT && !conn->has_records)
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
	else
		dist_server_accept(server,
		                   server->listeners.fds[tag - DIST_LOOP_TAG_LISTENER]);
	return true;
}

/* All that epoll gave, then one turn for each connection that had records left. */
static bool
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

/* --- Waiting -------------------------------------------------------------------- */

static int
loop_wait_ms(const struct dist_server *server)
{
	const struct dist_server_loop *loop = &server->loop;
	int64_t until = loop->next_sweep_ns;

	if (!dist_list_empty(&loop->ready))
		return 0;
	if (atomic_load(&server->stopping))
		until = DIST_MIN(until, loop->now_ns + LOOP_STOP_TICK_NS);
	return dist_deadline_poll_ms(until);
}

/* Without sleeping, for as long as the options say. */
static int
loop_spin(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	int64_t until = dist_clock_ns() + server->options.spin_us * DIST_NS_PER_US;
	int n;

	do {
		n = epoll_wait(server->epoll_fd, loop->events, DIST_LOOP_EVENTS, 0);
	} while (n == 0 && dist_clock_ns() < until);
	return n;
}

static void
loop_wait(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	int wait_ms, n = 0;

	if (loop->has_slot) {
		loop->has_slot = false;
		dist_workers_give_slot(&server->workers);
	}
	wait_ms = loop_wait_ms(server);
	if (wait_ms != 0 && server->options.spin_us)
		n = loop_spin(server);
	if (n == 0)
		n = epoll_wait(server->epoll_fd, loop->events, DIST_LOOP_EVENTS,
		               wait_ms);
	loop->n_events = n > 0 ? n : 0;
	loop->next_event = 0;
	loop->now_ns = dist_clock_ns();
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

static bool
loop_all_is_sent(struct dist_server *server)
{
	struct dist_server_conn *conn, *next;

	DIST_LIST_EACH (conn, next, &server->loop.conns, link) {
		if (atomic_load_explicit(&conn->unsent, memory_order_relaxed) > 0)
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

	if (!atomic_load(&server->stopping) || !loop_is_idle(server))
		return false;
	if (loop->stop_by_ns == 0) {
		struct dist_server_conn *conn, *next;

		loop->stop_by_ns = loop->now_ns + LOOP_STOP_UNSENT_NS;
		DIST_LIST_EACH (conn, next, &loop->conns, link)
			dist_deferred_fail_all(server, conn);
	}
	return loop_all_is_sent(server) || loop->now_ns >= loop->stop_by_ns;
}

void
dist_server_loop_run(struct dist_server *server, struct dist_worker *self)
{
	struct dist_server_loop *loop = &server->loop;

	if (loop->current) {
		dist_server_turn_inherit(server);
		if (loop->current && !dist_server_turn_go_on(self))
			return;
	}
	do {
		if (!loop_handle(self))
			return;
		if (loop->now_ns >= loop->next_sweep_ns)
			dist_server_sweep(server);
		if (loop_may_end(server)) {
			dist_workers_end(&server->workers);
			return;
		}
		loop_wait(server);
	} while (true);
}
