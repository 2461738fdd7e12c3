#include "server/stay.h"

#include "base/clock.h"
#include "base/error.h"
#include "server/core.h"
#include "server/rest.h"
#include "server/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that is quiet for so long is waited for like all others. */
#define STAY_IDLE_MS 20

enum dist_err
dist_stay_init(struct dist_server *server)
{
	struct dist_lookout *lookout = &server->workers.lookout;

	server->loop.stay.n_needed = DIST_STAY_NEEDED_FIRST;
	lookout->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookout->fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno,
		                            "no descriptor for a server's lookout");
	return DIST_OK;
}

void
dist_stay_fini(struct dist_server *server)
{
	if (server->workers.lookout.fd >= 0)
		close(server->workers.lookout.fd);
}

/* --- From begin to end ---------------------------------------------------------------- */

void
dist_stay_note(struct dist_stay *stay, struct dist_server_conn *conn)
{
	stay->n_same = conn && conn == stay->last ? stay->n_same + 1 : 0;
	stay->last = conn;
}

unsigned
dist_stay_n_needed(const struct dist_stay *stay, int64_t now_ns)
{
	unsigned n_needed = stay->n_needed;
	int64_t left_ns = now_ns - stay->disappointed_ns;

	for (; n_needed > DIST_STAY_NEEDED_FIRST && left_ns >= DIST_STAY_FORGIVE_NS;
	     left_ns -= DIST_STAY_FORGIVE_NS)
		n_needed /= 2;
	return n_needed;
}

void
dist_stay_judge(struct dist_stay *stay, int64_t now_ns)
{
	unsigned n_needed;

	if (stay->n_turns < DIST_STAY_WORTH) {
		n_needed = 2 * dist_stay_n_needed(stay, now_ns);
		stay->n_needed = DIST_MIN(n_needed, DIST_STAY_NEEDED_MAX);
		stay->disappointed_ns = now_ns;
	} else {
		stay->n_needed = DIST_MAX(stay->n_needed / 2, DIST_STAY_NEEDED_FIRST);
	}
	stay->conn = NULL;
	stay->n_same = 0;
}

/*
 * Whether nothing but its input is to be waited for. Records that were left for want of
 * room wait for output to drain, which it may have done by now.
 */
static bool
stay_is_well(const struct dist_server *server, const struct dist_server_conn *conn)
{
	return !atomic_load_explicit(&server->draining, memory_order_relaxed) &&
	       !conn->has_records && !dist_server_conn_full(conn);
}

/* The same for a stay under way: nor has the lookout, which is gone then, seen anything. */
static bool
stay_goes_on(const struct dist_server *server)
{
	const struct dist_stay *stay = &server->loop.stay;

	return !atomic_load(&stay->wanted) && stay_is_well(server, stay->conn);
}

/* An idle thread is called to look out; false: there is none. */
static bool
stay_call_lookout(struct dist_server *server)
{
	struct dist_workers *workers = &server->workers;
	struct dist_lookout *lookout = &workers->lookout;
	bool can;

	dist_lock(&workers->lock);
	can = !lookout->is_away &&
	      (lookout->manned || dist_wake_one_idle_locked(workers));
	lookout->is_on = can;
	atomic_store(&server->loop.stay.wanted, false);
	dist_unlock(&workers->lock);
	return can;
}

static bool
stay_begin(struct dist_server *server)
{
	struct dist_stay *stay = &server->loop.stay;
	struct dist_server_conn *conn = stay->last;

	if (!conn || stay->n_same < DIST_STAY_NEEDED_FIRST ||
	    stay->n_same < dist_stay_n_needed(stay, server->loop.now_ns) ||
	    server->options.gather_us || !stay_is_well(server, conn))
		return false;
	stay->n_same = 0;
	/* Off epoll first, or the lookout sees this peer's next call there. */
	dist_server_conn_read_by(conn, DIST_READ_BY_STAY);
	if (!stay_call_lookout(server)) {
		dist_server_conn_read_by(conn, DIST_READ_BY_TURNS);
		return false;
	}
	dist_socket_set_blocking(conn->fd, STAY_IDLE_MS);
	stay->conn = dist_server_conn_ref(conn);
	stay->n_turns = 0;
	return true;
}

static void
stay_end(struct dist_server *server)
{
	struct dist_stay *stay = &server->loop.stay;
	struct dist_server_conn *conn = stay->conn;
	struct dist_lookout *lookout = &server->workers.lookout;
	uint64_t one = 1;
	bool manned;

	dist_stay_judge(stay, server->loop.now_ns);
	dist_lock(&server->workers.lock);
	lookout->is_on = false;
	manned = lookout->manned;
	dist_unlock(&server->workers.lock);
	if (manned)
		(void)!write(lookout->fd, &one, sizeof(one));
	dist_server_conn_read_by(conn, DIST_READ_BY_TURNS);
	dist_server_conn_unref(conn);
}

void
dist_stay_forget(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_stay *stay = &server->loop.stay;

	if (stay->last == conn)
		stay->last = NULL;
	if (stay->conn == conn)
		stay_end(server);
}

void
dist_stay_stop(struct dist_server *server)
{
	if (server->loop.stay.conn)
		stay_end(server);
}

/* --- Waiting --------------------------------------------------------------------------- */

/* Without sleeping, for as long as the options say, where that pays (base/spin.h). */
static bool
stay_spin(struct dist_worker *self, size_t *ret_n_bytes)
{
	struct dist_server_loop *loop = &self->server->loop;
	struct dist_stay *stay = &loop->stay;
	bool alive = true, seen;

	if (!self->server->options.spin_us ||
	    !dist_spin_begin(&loop->spin, dist_clock_ns()))
		return true;
	do {
		alive = dist_turn_receive(self, stay->conn, MSG_DONTWAIT, ret_n_bytes);
		seen = !alive || *ret_n_bytes > 0;
	} while (!seen && !atomic_load(&stay->wanted) &&
	         dist_spin_goes_on(&loop->spin, dist_clock_ns()));
	dist_spin_end(&loop->spin, seen, dist_clock_ns());
	return alive;
}

/* The role was taken from this thread, which has the connection and a reference to it. */
static void
stay_give_back(struct dist_server *server, struct dist_server_conn *conn, bool alive,
               size_t n_bytes)
{
	struct dist_lookout *lookout = &server->workers.lookout;

	dist_server_count_n(server, bytes_in, n_bytes);
	/* What was received here cannot be received again, nor an error. */
	alive = !dist_rest_leave(conn) && alive;
	if (!alive)
		shutdown(conn->fd, SHUT_RDWR);
	/* Whoever took the role holds the lock until all is settled. */
	dist_lock(&server->workers.lock);
	lookout->returned = conn;
	lookout->received_ns = alive && n_bytes > 0 ? dist_clock_ns() : 0;
	dist_unlock(&server->workers.lock);
	dist_server_loop_wake(server);
}

enum dist_stayed
dist_stay_wait(struct dist_worker *self, bool *ret_alive)
{
	struct dist_server *server = self->server;
	struct dist_role *role = &server->workers.role;
	struct dist_stay *stay = &server->loop.stay;
	struct dist_server_conn *conn;
	size_t n_bytes = 0;
	uint64_t word;

	if (!stay->conn && !stay_begin(server))
		return DIST_STAY_NONE;
	conn = stay->conn;
	*ret_alive = !stay_goes_on(server) || stay_spin(self, &n_bytes);
	if (*ret_alive && n_bytes == 0 && stay_goes_on(server)) {
		word = dist_role_begin_stay(role);
		if (!atomic_load(&stay->wanted))
			*ret_alive = dist_turn_receive(self, conn, 0, &n_bytes);
		if (!dist_role_resume(role, word)) {
			stay_give_back(server, conn, *ret_alive, n_bytes);
			return DIST_STAY_LOST;
		}
	}
	if (*ret_alive && n_bytes == 0) {
		*ret_alive = dist_rest_leave(conn) == DIST_OK;
		if (*ret_alive) {
			stay_end(server);
			return DIST_STAY_NONE;
		}
	}
	dist_server_count_own(server, bytes_in, n_bytes);
	stay->n_turns++;
	return DIST_STAYED;
}

void
dist_stay_take_back(struct dist_server *server)
{
	struct dist_lookout *lookout = &server->workers.lookout;
	struct dist_server_conn *conn;
	int64_t received_ns;

	dist_lock(&server->workers.lock);
	conn = lookout->returned;
	received_ns = lookout->received_ns;
	lookout->returned = NULL;
	if (conn)
		lookout->is_away = false;
	dist_unlock(&server->workers.lock);
	if (!conn)
		return;
	dist_server_conn_read_by(conn, DIST_READ_BY_TURNS);
	if (received_ns && !dist_server_conn_gone(conn)) {
		conn->received_ns = received_ns;
		conn->has_records = true;
		dist_list_append(&server->loop.ready, &conn->ready_link);
	}
	dist_server_conn_unref(conn);
}

bool
dist_stay_is_away(struct dist_server *server)
{
	bool is_away;

	dist_lock(&server->workers.lock);
	is_away = server->workers.lookout.is_away;
	dist_unlock(&server->workers.lock);
	return is_away;
}

/* --- The lookout ----------------------------------------------------------------------- */

/*
 * Take the role from a thread that sleeps in recv(), unless it is about to go on: then it
 * sees that it is wanted before it sleeps again.
 */
static bool
lookout_take_role_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	struct dist_server_loop *loop = &workers->server->loop;
	struct dist_stay *stay = &loop->stay;
	uint64_t word;

	atomic_store(&stay->wanted, true);
	word = atomic_load(&workers->role.word);
	if (dist_role_state_of(word) != DIST_ROLE_STAYING ||
	    !dist_role_take_away(&workers->role, word))
		return false;
	workers->lookout.is_on = false;
	workers->lookout.is_away = true;
	dist_server_conn_read_by(stay->conn, DIST_READ_BY_AWAY);
	dist_stay_judge(stay, loop->now_ns);
	return true;
}

bool
dist_stay_look_out_locked(struct dist_workers *workers)
{
	struct dist_lookout *lookout = &workers->lookout;
	struct pollfd fds[] = {
		{ .fd = workers->server->epoll_fd, .events = POLLIN },
		{ .fd = lookout->fd, .events = POLLIN },
	};
	uint64_t count;

	lookout->manned = true;
	dist_unlock(&workers->lock);
	(void)!poll(fds, 2, -1); /* level-triggered: what is there stays there */
	dist_lock(&workers->lock);
	lookout->manned = false;
	if (fds[1].revents)
		(void)!read(lookout->fd, &count, sizeof(count));
	return lookout->is_on && fds[0].revents && lookout_take_role_locked(workers);
}
