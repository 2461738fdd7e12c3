/*
 * Once a second, or ten times while the server drains: what has been quiet for too long
 * ends (CVE-2021-46828). The sweep is coarse and costs a look at every connection.
 */
#include "base/clock.h"
#include "base/log.h"
#include "server/core.h"

#define SWEEP_NS          (1000 * DIST_NS_PER_MS)
#define SWEEP_DRAINING_NS (100 * DIST_NS_PER_MS)
/* A stock client that has been quiet for so long while we drain has got its replies. */
#define SWEEP_QUIET_NS (1000 * DIST_NS_PER_MS)

static bool
conn_has_calls(struct dist_server_conn *conn)
{
	bool has;

	dist_lock(&conn->lock);
	has = !dist_list_empty(&conn->pending);
	dist_unlock(&conn->lock);
	return has;
}

static int64_t
conn_quiet_ns(const struct dist_server_conn *conn, int64_t now_ns)
{
	return now_ns - atomic_load_explicit(&conn->active_ns, memory_order_relaxed);
}

/* Why it is to be ended; NULL: it is not. */
static const char *
conn_overdue(const struct dist_server *server, struct dist_server_conn *conn)
{
	int64_t now_ns = server->loop.now_ns;

	if (conn->record_since_ns &&
	    now_ns - conn->record_since_ns >
	            server->options.record_timeout_ms * DIST_NS_PER_MS)
		return "a record was begun and not finished";
	if (conn_quiet_ns(conn, now_ns) <=
	    server->options.idle_timeout_ms * DIST_NS_PER_MS)
		return NULL;
	if (atomic_load_explicit(&conn->unsent, memory_order_relaxed) > 0)
		return "it does not take its replies";
	return conn_has_calls(conn) ? NULL : "idle";
}

static bool
conn_is_quiet(const struct dist_server *server, struct dist_server_conn *conn)
{
	return conn_quiet_ns(conn, server->loop.now_ns) >= SWEEP_QUIET_NS &&
	       atomic_load_explicit(&conn->unsent, memory_order_relaxed) == 0 &&
	       !conn->has_records && !conn_has_calls(conn);
}

/* Thousands of idle connections keep little memory; one in use is left alone. */
static void
conn_trim_once(struct dist_server_conn *conn, int64_t now_ns)
{
	int64_t quiet_ns = conn_quiet_ns(conn, now_ns);

	if (quiet_ns >= 2 * SWEEP_NS && quiet_ns < 4 * SWEEP_NS)
		dist_server_conn_trim(conn);
}

/* Whether the connection goes on. */
static bool
sweep_conn(struct dist_server *server, struct dist_server_conn *conn)
{
	const char *why = conn_overdue(server, conn);
	char peer[DIST_ADDRESS_TEXT_MAX];

	if (!why) {
		conn_trim_once(conn, server->loop.now_ns);
		return true;
	}
	dist_log_info("connection-ended", "peer=%s why=\"%s\"",
	              dist_sockaddr_format(&conn->peer, peer), why);
	dist_server_drop(server, conn);
	return false;
}

void
dist_server_sweep(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn, *next;
	bool draining = atomic_load(&server->draining), quiet = true;

	DIST_LIST_EACH (conn, next, &loop->conns, link) {
		if (sweep_conn(server, conn) && draining &&
		    !conn_is_quiet(server, conn))
			quiet = false;
	}
	atomic_store(&server->quiet, draining && quiet);
	dist_server_accept_resume(server);
	loop->next_sweep_ns = loop->now_ns + (draining ? SWEEP_DRAINING_NS : SWEEP_NS);
}
