/* Drain and stop: no call is lost, and nothing is left behind. */
#include "fixture.h"

#include "idl/node.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void
send_call(int fd, uint32_t xid, uint32_t proc, bool with_meta)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = proc,
		                     .with_meta = with_meta,
		                     .args = { xid },
		                     .n_args = 1 };

	fixture_send_call(fd, &call);
}

static void
expect_goodbye(int fd)
{
	fixture_expect(fd, 0, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	               DIST_NOT_RUN_GOODBYE, SYSTEM_ERR);
}

struct drain {
	struct dist_server *server;
	enum dist_err err;
};

static void *
drain_on_a_thread(void *arg)
{
	struct drain *drain = arg;

	drain->err = dist_server_drain(drain->server, 20000);
	return NULL;
}

/* Whether PING says that it drains. */
static bool
says_draining(void *arg)
{
	struct fixture_call ping = { .xid = 1000,
		                     .prog = DIST_NODE,
		                     .vers = DIST_NODE_V1,
		                     .proc = DIST_NODE_PING };
	struct fixture_reply reply;
	int fd = *(int *)arg;

	fixture_send_call(fd, &ping);
	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.words[5], SUCCESS);
	return reply.words[reply.n_words - 1] == TRUE;
}

static bool
has_one_queued(void *server)
{
	struct dist_server_load load;

	dist_server_load(server, &load);
	return load.queued == 1;
}

static void
test_a_drain_finishes_what_it_has_and_refuses_what_is_new(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct drain drain = { .server = fixture_server(&options) };
	int fd = fixture_connect(drain.server);
	pthread_t thread;

	(void)state;
	send_call(fd, 1, PROBE_HOLD, false);
	fixture_gate_wait(1);
	send_call(fd, 2, PROBE_HOLD, false);
	fixture_until(has_one_queued, drain.server);
	pthread_create(&thread, NULL, drain_on_a_thread, &drain);
	fixture_until(says_draining, &fd);

	send_call(fd, 3, PROBE_HOLD, true);
	fixture_expect(fd, 3, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 1,
	               DIST_NOT_RUN_DRAINING, SYSTEM_ERR);
	send_call(fd, 4, PROBE_HOLD, false);
	fixture_expect(fd, 4, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	fixture_gate_open();
	fixture_expect_success(fd, 1, 1);
	fixture_expect_success(fd, 2, 2);
	close(fd); /* as our peers do: then the drain need not wait */
	pthread_join(thread, NULL);
	assert_ok(drain.err);
	dist_server_stop(drain.server);
}

static void
test_a_drain_waits_for_deferred_calls_and_gives_up_in_time(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), value = 5;
	struct dist_deferred *deferred;

	(void)state;
	send_call(fd, 1, PROBE_DEFER, false);
	deferred = fixture_deferred();
	assert_err(dist_server_drain(server, 20), DIST_ETIMEDOUT);
	assert_ok(dist_deferred_reply(deferred, (xdrproc_t)xdr_int, &value));
	fixture_expect_success(fd, 1, 5);
	/* A stock client stays connected; a second without a byte is enough. */
	assert_ok(dist_server_drain(server, 20000));
	dist_server_stop(server);
	fixture_expect_closed(fd);
	close(fd);
}

static void *
stop_on_a_thread(void *arg)
{
	dist_server_stop(arg);
	return NULL;
}

/* What runs is finished and answered; what waits is answered that it did not run. */
static void
test_a_stop_waits_for_what_runs(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);
	pthread_t thread;

	(void)state;
	send_call(fd, 1, PROBE_HOLD, true);
	fixture_gate_wait(1);
	send_call(fd, 2, PROBE_HOLD, true);
	send_call(fd, 3, NULLPROC, false);
	fixture_expect_void(fd, 3);
	pthread_create(&thread, NULL, stop_on_a_thread, server);
	fixture_until(says_draining, &fd);
	fixture_gate_open();
	fixture_expect(fd, 1, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 1,
	               DIST_RAN, SUCCESS, 1);
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	               DIST_NOT_RUN_DRAINING, SYSTEM_ERR);
	expect_goodbye(fd);
	close(fd); /* for which it waits a while */
	pthread_join(thread, NULL);
	assert_int_equal(fixture_gate_arrived(), 1);
}

/* Only to those that are known to understand it; whoever does not close is left in time. */
static void
test_a_stop_says_goodbye_to_peers_of_ours(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int ours = fixture_connect(server), stock = fixture_connect(server);

	(void)state;
	send_call(ours, 1, NULLPROC, true);
	fixture_expect(ours, 1, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0, DIST_RAN,
	               SUCCESS);
	send_call(ours, 2, NULLPROC, false);
	fixture_expect_void(ours, 2);
	send_call(stock, 3, NULLPROC, false);
	fixture_expect_void(stock, 3);
	dist_server_stop(server);
	expect_goodbye(ours);
	fixture_expect_closed(ours);
	fixture_expect_closed(stock);
	close(ours);
	close(stock);
}

static void
test_stop_at_once_leaves_nothing(void **state)
{
	(void)state;
	dist_server_stop(NULL);
	for (int i = 0; i < 20; i++) {
		struct dist_server *server = fixture_server(NULL);
		int fd = fixture_connect(server);

		send_call(fd, 1, PROBE_MAKE, false);
		if (i > 0)
			close(fd); /* for which it waits a second */
		dist_server_stop(server);
		if (i == 0)
			close(fd);
	}
}

static void
test_a_server_that_cannot_listen_closes_nothing_of_others(void **state)
{
	struct dist_server *server = fixture_server(NULL), *second = NULL;
	struct dist_server_options options = { .workers = 1 };
	unsigned n_before = check_count_descriptors();
	char listen[32];

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u",
	         dist_server_listeners(server)->port);
	options.listen = listen;
	assert_err(dist_server_open(&second, &options), DIST_EADDRINUSE);
	assert_null(second);
	assert_int_equal(check_count_descriptors(), n_before);
	dist_server_stop(server);
}

static void
test_options_out_of_bounds_are_refused(void **state)
{
	static const struct dist_server_options wrong[] = {
		{ .workers = UINT32_MAX },
		{ .idle_timeout_ms = -1 },
		{ .record_timeout_ms = -1 },
		{ .header_timeout_ms = -1 },
		{ .reply_timeout_ms = -1 },
	};
	/* As good as never, and in nanoseconds more than there is. */
	const struct dist_server_options patient = { .idle_timeout_ms = INT64_MAX,
		                                     .header_timeout_ms = INT64_MAX,
		                                     .record_timeout_ms = INT64_MAX,
		                                     .reply_timeout_ms = INT64_MAX };
	struct dist_server *server = NULL;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_err(dist_server_open(&server, &wrong[i]), DIST_EINVAL);
	assert_null(server);
	server = fixture_server(&patient);
	fd = fixture_connect(server);
	/* While it drains it looks ten times a second who has been quiet too long. */
	assert_false(says_draining(&fd));
	/* One that a busy machine kept quiet for a second is not waited for: then again. */
	while (dist_server_drain(server, 300) != DIST_ETIMEDOUT)
		assert_true(says_draining(&fd));
	assert_true(says_draining(&fd));
	close(fd);
	dist_server_stop(server);
}

/* --- The end of a connection, told ---------------------------------------------- */

struct closed {
	uint64_t watched, told;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static void
remember_closed(uint64_t conn_id, void *arg)
{
	struct closed *closed = arg;

	pthread_mutex_lock(&closed->lock);
	closed->told = conn_id;
	pthread_cond_broadcast(&closed->changed);
	pthread_mutex_unlock(&closed->lock);
}

static void
watching_dispatcher(struct svc_req *rqstp, SVCXPRT *xprt)
{
	struct closed *closed = dist_request_server_arg(rqstp);

	pthread_mutex_lock(&closed->lock);
	closed->watched = dist_request_conn_id(rqstp);
	pthread_mutex_unlock(&closed->lock);
	dist_request_watch_conn(rqstp);
	svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
}

static void
test_a_watched_connection_is_told_of(void **state)
{
	static const struct dist_service service = { .size = sizeof(service),
		                                     .program = 0x20000F01,
		                                     .version = 1,
		                                     .dispatch = watching_dispatcher };
	struct closed closed = { .lock = PTHREAD_MUTEX_INITIALIZER,
		                 .changed = PTHREAD_COND_INITIALIZER };
	struct dist_server_options options = { .on_closed = remember_closed,
		                               .arg = &closed };
	struct dist_server *server = fixture_server_with(&options, &service);
	struct fixture_call call = { .xid = 1, .prog = 0x20000F01, .vers = 1 };
	int fd = fixture_connect(server);

	(void)state;
	fixture_send_call(fd, &call);
	fixture_expect_void(fd, 1);
	close(fd);
	pthread_mutex_lock(&closed.lock);
	while (!closed.told)
		pthread_cond_wait(&closed.changed, &closed.lock);
	assert_int_equal(closed.told, closed.watched);
	pthread_mutex_unlock(&closed.lock);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_drain_finishes_what_it_has_and_refuses_what_is_new),
	cmocka_unit_test(test_a_drain_waits_for_deferred_calls_and_gives_up_in_time),
	cmocka_unit_test(test_a_stop_waits_for_what_runs),
	cmocka_unit_test(test_a_stop_says_goodbye_to_peers_of_ours),
	cmocka_unit_test(test_stop_at_once_leaves_nothing),
	cmocka_unit_test(test_a_server_that_cannot_listen_closes_nothing_of_others),
	cmocka_unit_test(test_options_out_of_bounds_are_refused),
	cmocka_unit_test(test_a_watched_connection_is_told_of),
};

CHECK_MAIN(tests)
