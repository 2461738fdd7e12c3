/*
 * System calls fail one after the other, as they do where descriptors or the kernel's
 * memory run out, or a peer is gone: while masters, nodes and clusters start and stop, and
 * while calls are made. Nothing crashes, hangs, runs twice or is lost.
 */
#include "unit/agent/session.h"

#include "base/cleanup.h"
#include "support/system_fails.h"

#include <dist/waiter.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* What is being refused; a session's trouble takes no argument of its own. */
static enum system_call call;
static int why;
static unsigned long in_a_row;

static void
begin(unsigned long first)
{
	system_fails_begin(call, why, first, in_a_row);
}

struct kind {
	const char *name;
	enum system_call call;
	int why;
	unsigned long in_a_row;
};

/* What opens something. */
static const struct kind opening[] = {
	{ "socket: EMFILE", SYSTEM_SOCKET, EMFILE, 1 },
	{ "socket: ENOBUFS", SYSTEM_SOCKET, ENOBUFS, 3 },
	{ "connect: EADDRNOTAVAIL", SYSTEM_CONNECT, EADDRNOTAVAIL, 1 },
	{ "connect: ENETUNREACH", SYSTEM_CONNECT, ENETUNREACH, 3 },
	{ "accept: EMFILE", SYSTEM_ACCEPT, EMFILE, 1 },
	{ "accept: ECONNABORTED", SYSTEM_ACCEPT, ECONNABORTED, 1 },
	{ "eventfd: EMFILE", SYSTEM_EVENTFD, EMFILE, 1 },
	{ "epoll_create: EMFILE", SYSTEM_EPOLL_CREATE, EMFILE, 1 },
	{ "epoll_ctl: ENOSPC", SYSTEM_EPOLL_ADD, ENOSPC, 1 },
	{ "getrandom: ENOSYS", SYSTEM_GETRANDOM, ENOSYS, 1 },
};

/* What goes on all the time. */
static const struct kind going_on[] = {
	{ "send: EPIPE", SYSTEM_SEND, EPIPE, 1 },
	{ "send: ECONNRESET", SYSTEM_SEND, ECONNRESET, 3 },
	{ "send: ENOBUFS", SYSTEM_SEND, ENOBUFS, 1 },
	{ "send: EAGAIN", SYSTEM_SEND, EAGAIN, 1 },
	{ "send: EINTR", SYSTEM_SEND, EINTR, 1 },
	{ "recv: ECONNRESET", SYSTEM_RECV, ECONNRESET, 1 },
	{ "recv: ETIMEDOUT", SYSTEM_RECV, ETIMEDOUT, 3 },
	{ "recv: EINTR", SYSTEM_RECV, EINTR, 1 },
};

static void
fail_everywhere(const char *what, void (*session)(void *arg), void *arg,
                const struct kind *kinds, size_t n_kinds)
{
	session(arg); /* what a process does once */
	for (unsigned i = 0; i < n_kinds; i++) {
		const struct session_trouble trouble = { kinds[i].name, 1, begin,
			                                 system_fails_failed,
			                                 system_fails_end,
			                                 system_fails_show };

		call = kinds[i].call;
		why = kinds[i].why;
		in_a_row = kinds[i].in_a_row;
		session_run_out(what, session, arg, &trouble);
	}
}

static void
test_whole_sessions(void **state)
{
	(void)state;
	fail_everywhere("whole sessions", session_whole, NULL, opening,
	                DIST_ARRAY_SIZE(opening));
	fail_everywhere("whole sessions", session_whole, NULL, going_on,
	                DIST_ARRAY_SIZE(going_on));
}

static void
test_calls_of_each_kind(void **state)
{
	fail_everywhere("calls", session_calls, *state, going_on,
	                DIST_ARRAY_SIZE(going_on));
}

/* A program at its limit of descriptors, which other parts of it have used up. */
static void
test_a_client_without_descriptors(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_cluster_options options = { 0 };
	struct rlimit before, none;
	struct dist_cluster *cluster, *other;
	struct dist_queue *queue;
	char address[32];
	CLIENT *probe;
	int sum = 0;

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(server)->port);
	options.servers = address;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	assert_non_null(probe);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);

	assert_int_not_equal(probe_add_1(1, 2, &sum, probe), RPC_SUCCESS);
	assert_int_equal(dist_error_last(), DIST_ESYSTEM);
	assert_non_null(strstr(dist_error_text(), strerror(EMFILE)));
	assert_err(dist_queue_new(&queue), DIST_ESYSTEM);
	assert_err(dist_cluster_open(&other, NULL, &options), DIST_ESYSTEM);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(probe_add_1(1, 2, &sum, probe), RPC_SUCCESS);
	assert_int_equal(sum, 3);
	clnt_destroy(probe);
	dist_cluster_close(cluster);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_whole_sessions),
	cmocka_unit_test_setup_teardown(test_calls_of_each_kind, session_setup,
                                        session_teardown),
	cmocka_unit_test(test_a_client_without_descriptors),
};

CHECK_MAIN_WHERE(system_fails_works(), tests)
