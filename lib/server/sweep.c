/*
 * Once a second, or ten times while the server drains: what has been quiet for too long
 * ends (CVE-2021-46828). The sweep is coarse and costs a look at every connection.
 */
#include "base/clock.h"
#include "base/large.h"
#include "base/log.h"
#include "server/core.h"

#define SWEEP_NS          (1000 * DIST_NS_PER_MS)
#define SWEEP_DRAINING_NS (100 * DIST_NS_PER_MS)
/* A stock client that has been quiet for so long while we drain has got its replies. */
#define SWEEP_QUIET_NS (1000 * DIST_NS_PER_MS)
/* What each call begins with (RFC 5531 section 9), both its authenticators empty. */
#define CALL_HEADER_MIN 40

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

static bool
is_over(int64_t since_ns, int64_t now_ns, int64_t timeout_ms)
{
	return since_ns != 0 && now_ns - since_ns > timeout_ms * DIST_NS_PER_MS;
}

/* Why it is to be ended; NULL: it is not. */
static const char *
conn_overdue(const struct dist_server *server, struct dist_server_conn *conn)
{
	const struct dist_server_options *options = &server->options;
	int64_t now_ns = server->loop.now_ns;
	int64_t blocked_ns =
		atomic_load_explicit(&conn->blocked_ns, memory_order_relaxed);

	if (is_over(conn->record_since_ns, now_ns, options->record_timeout_ms))
		return "a record was begun and not finished (record_timeout_ms)";
	if (is_over(conn->record_since_ns, now_ns, options->header_timeout_ms) &&
	    dist_record_reader_held(&conn->reader) < CALL_HEADER_MIN)
		return "a call was begun and not even its header came "
		       "(header_timeout_ms)";
	if (is_over(blocked_ns, now_ns, options->reply_timeout_ms))
		return "it does not take its replies (reply_timeout_ms)";
	if (conn_quiet_ns(conn, now_ns) <= options->idle_timeout_ms * DIST_NS_PER_MS ||
	    conn_has_calls(conn))
		return NULL;
	return "idle (idle_timeout_ms)";
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
	struct dist_server_loop *loop = &server->loop;
	const char *why = conn_overdue(server, conn);
	char peer[DIST_ADDRESS_TEXT_MAX];
	unsigned n_dropped;

	if (!why) {
		conn_trim_once(conn, loop->now_ns);
		dist_crowd_note(server, conn);
		return true;
	}
	dist_server_count(server, timed_out);
	if (dist_limit_allows(&loop->ended_limit, loop->now_ns, &n_dropped))
		dist_log_info("connection-ended", "peer=%s why=\"%s\" not_shown=%u",
		              dist_sockaddr_format(&conn->peer, peer), why, n_dropped);
	dist_server_drop(server, conn);
	return false;
}

void
dist_server_sweep(struct dist_server *server)
{
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn, *next;
	bool draining = atomic_load(&server->draining), quiet = true;

	dist_crowd_refresh(server);
	DIST_LIST_EACH (conn, next, &loop->conns, link) {
		if (sweep_conn(server, conn) && draining &&
		    !conn_is_quiet(server, conn))
			quiet = false;
	}
	atomic_store(&server->quiet, draining && quiet);
	dist_server_accept_resume(server);
	dist_large_trim(loop->now_ns);
	dist_call_memory_trim(&server->workers.memory);
	loop->next_sweep_ns = loop->now_ns + (draining ? SWEEP_DRAINING_NS : SWEEP_NS);
}
