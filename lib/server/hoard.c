#include "server/hoard.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/core.h"

/* Of those that hold something, the age of what they hold. */
struct ages {
	unsigned n;
	int64_t sum_ns;
};

static size_t
conn_hoard(struct dist_server_conn *conn)
{
	size_t unsent;

	dist_lock(&conn->lock);
	unsent = conn->counted_unsent;
	dist_unlock(&conn->lock);
	return unsent + conn->counted_held;
}

/* Since when it has not got on: with its call, or with taking its replies. */
static int64_t
conn_age_ns(const struct dist_server_conn *conn, int64_t now_ns)
{
	int64_t since_ns =
		atomic_load_explicit(&conn->blocked_ns, memory_order_relaxed);

	if (since_ns == 0 ||
	    (conn->record_since_ns != 0 && conn->record_since_ns < since_ns))
		since_ns = conn->record_since_ns;
	return since_ns != 0 && since_ns < now_ns ? now_ns - since_ns : 0;
}

static struct ages
hoard_ages(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn, *next;
	struct ages ages = { 0 };

	DIST_LIST_EACH (conn, next, &loop->conns, link) {
		if (conn_hoard(conn) == 0)
			continue;
		ages.n++;
		ages.sum_ns += conn_age_ns(conn, loop->now_ns);
	}
	return ages;
}

static void
hoard_end(struct dist_server *server, struct dist_server_conn *conn)
{
	struct dist_server_loop *loop = &server->loop;
	char peer[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	if (dist_limit_allows(&loop->ended_limit, loop->now_ns, &n_dropped))
		dist_log_warning("connection-ended",
		                 "peer=%s why=\"half a call and replies not taken, of all "
		                 "connections, are over max_buffered_bytes\" bytes=%zu "
		                 "not_shown=%u",
		                 dist_sockaddr_format(&conn->peer, peer), conn_hoard(conn),
		                 n_dropped);
	dist_server_count(server, crowded_out);
	dist_server_drop(server, conn);
}

/* Those that are no younger than the mean, of which there is one at least. */
void
dist_hoard_end_oldest(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	size_t most = server->options.max_buffered_bytes / 8 * 7;
	struct ages ages = hoard_ages(server);
	struct dist_server_conn *conn, *next;

	if (ages.n == 0)
		return; /* it was sent meanwhile */
	DIST_LIST_EACH (conn, next, &loop->conns, link) {
		if (atomic_load_explicit(&server->buffered_bytes,
		                         memory_order_relaxed) <= most)
			return;
		if (conn_hoard(conn) > 0 &&
		    conn_age_ns(conn, loop->now_ns) >= ages.sum_ns / ages.n)
			hoard_end(server, conn);
	}
}
