/* Answers that come later, cancellation, deadlines. */
#include "fixture.h"

#include "base/clock.h"
#include "idl/node.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void
send_call(int fd, uint32_t xid, uint32_t proc, uint32_t arg)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = proc,
		                     .args = { arg },
		                     .n_args = 1 };

	fixture_send_call(fd, &call);
}

/* Send CANCEL of @cancelled and expect this answer to it. */
static void
cancel(int fd, uint32_t xid, uint32_t cancelled, bool found)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = DIST_NODE,
		                     .vers = DIST_NODE_V1,
		                     .proc = DIST_NODE_CANCEL,
		                     .args = { cancelled },
		                     .n_args = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_success(fd, xid, found);
}

static bool
has_one_connection(void *arg)
{
	struct dist_server_load load;

	dist_server_load(arg, &load);
	return load.n_connections == 1;
}

static bool
nothing_is_left(void *arg)
{
	struct dist_server_load load;

	dist_server_load(arg, &load);
	return load.running == 0 && load.queued == 0 && load.deferred == 0;
}

/* --- Deferred replies ----------------------------------------------------------- */

struct answer {
	struct dist_deferred *deferred;
	int value;
};

static void *
answer_later(void *arg)
{
	struct answer *answer = arg;

	assert_ok(dist_deferred_reply(answer->deferred, (xdrproc_t)xdr_int,
	                              &answer->value));
	return NULL;
}

static void
test_another_thread_answers_later(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	/* Whatever the procedure returns: first FALSE, then TRUE. */
	for (uint32_t i = 0; i < 2; i++) {
		struct answer answer = { .value = 4711 };
		pthread_t thread;

		send_call(fd, i, PROBE_DEFER, i);
		answer.deferred = fixture_deferred();
		assert_non_null(answer.deferred);
		assert_int_equal(dist_deferred_time_left_ms(answer.deferred),
		                 INT64_MAX);
		assert_false(dist_deferred_cancelled(answer.deferred));
		/* The worker is free again meanwhile. */
		send_call(fd, 9, PROBE_TIME_LEFT, 0);
		fixture_expect_success(fd, 9, INT32_MAX, 0xffffffff);
		pthread_create(&thread, NULL, answer_later, &answer);
		fixture_expect_success(fd, i, 4711);
		pthread_join(thread, NULL);
	}
	close(fd);
	dist_server_stop(server);
}

static void
test_a_deferred_call_may_fail(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	send_call(fd, 1, PROBE_DEFER, 0);
	dist_deferred_fail(fixture_deferred());
	fixture_expect(fd, 1, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	dist_deferred_fail(NULL);
	close(fd);
	dist_server_stop(server);
}

static bool_t
xdr_never(XDR *xdrs, void *value)
{
	(void)xdrs;
	(void)value;
	return FALSE;
}

static void
test_a_result_that_does_not_encode_is_answered_system_err(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	send_call(fd, 1, PROBE_DEFER, 0);
	assert_err(dist_deferred_reply(fixture_deferred(), (xdrproc_t)xdr_never, NULL),
	           DIST_EENCODE);
	fixture_expect(fd, 1, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	close(fd);
	dist_server_stop(server);
}

static bool
is_cancelled(void *arg)
{
	return dist_deferred_cancelled(arg);
}

static void
test_a_deferred_call_sees_its_caller_leave(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), value = 1;
	struct dist_deferred *deferred;

	(void)state;
	send_call(fd, 1, PROBE_DEFER, 0);
	deferred = fixture_deferred();
	assert_non_null(deferred);
	close(fd);
	fixture_until(is_cancelled, deferred);
	fixture_until(nothing_is_left, server);
	assert_err(dist_deferred_reply(deferred, (xdrproc_t)xdr_int, &value),
	           DIST_ECONNRESET);
	dist_server_stop(server);
}

/* The server answers in its place; the handle outlives it. */
static void
test_a_handle_may_outlive_its_server(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), value = 1;
	struct dist_deferred *replied, *failed;

	(void)state;
	send_call(fd, 1, PROBE_DEFER, 0);
	replied = fixture_deferred();
	send_call(fd, 2, PROBE_DEFER, 0);
	failed = fixture_deferred();
	dist_server_stop(server);
	fixture_expect(fd, 1, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	fixture_expect_closed(fd);
	assert_err(dist_deferred_reply(replied, (xdrproc_t)xdr_int, &value),
	           DIST_ECONNRESET);
	dist_deferred_fail(failed);
	close(fd);
}

/* --- Cancellation --------------------------------------------------------------- */

static void
test_a_running_call_sees_that_it_was_cancelled(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	send_call(fd, 1, PROBE_WAIT_CANCEL, 0);
	fixture_gate_wait(1);
	cancel(other, 2, 1, false); /* another's call is nobody's business */
	cancel(fd, 3, 99, false);
	/* Its own answer and the one to CANCEL come in any order. */
	fixture_send_call(fd, &(struct fixture_call){ .xid = 4,
	                                              .prog = DIST_NODE,
	                                              .vers = DIST_NODE_V1,
	                                              .proc = DIST_NODE_CANCEL,
	                                              .args = { 1 },
	                                              .n_args = 1 });
	for (int i = 0; i < 2; i++) {
		struct fixture_reply reply;

		assert_true(fixture_receive(fd, &reply));
		assert_int_equal(reply.words[6], 1);
	}
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_a_queued_call_that_was_cancelled_is_not_run(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = { .xid = 2,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_HOLD,
		                     .with_meta = true,
		                     .n_args = 1 };
	int fd = fixture_connect(server);

	(void)state;
	send_call(fd, 1, PROBE_HOLD, 1);
	fixture_gate_wait(1);
	fixture_send_call(fd, &call);
	cancel(fd, 3, 2, true);
	fixture_gate_open();
	fixture_expect_success(fd, 1, 1);
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	               DIST_NOT_RUN_CANCELLED, SYSTEM_ERR);
	assert_int_equal(fixture_gate_arrived(), 1);
	close(fd);
	dist_server_stop(server);
}

static void
test_queued_calls_of_a_caller_that_left_are_not_run(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	send_call(other, 1, PROBE_WAIT_CANCEL, 0);
	fixture_gate_wait(1);
	for (uint32_t i = 2; i < 10; i++)
		send_call(fd, i, PROBE_HOLD, 0);
	send_call(fd, 10, NULLPROC, 0);
	fixture_expect_void(fd, 10);
	close(fd);
	fixture_until(has_one_connection, server);
	/* The running one sees its own caller leave after that, and ends. */
	close(other);
	fixture_until(nothing_is_left, server);
	assert_int_equal(fixture_gate_arrived(), 1);
	dist_server_stop(server);
}

/* One peer cannot have a server of ours remember without bound. */
static void
test_a_connection_has_no_more_deferred_calls_than_it_may(void **state)
{
	struct dist_server_options options = { .workers = 1, .max_deferred = 2 };
	struct dist_server *server = fixture_server(&options);
	struct dist_deferred *deferred[3];
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		send_call(fd, i, PROBE_DEFER, 0);
		deferred[i] = fixture_deferred();
	}
	send_call(fd, 2, PROBE_DEFER, 0);
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	assert_null(fixture_deferred());
	/* Others have theirs, and it has again when one is answered. */
	send_call(other, 3, PROBE_DEFER, 0);
	deferred[2] = fixture_deferred();
	dist_deferred_fail(deferred[0]);
	fixture_expect(fd, 0, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	send_call(fd, 4, PROBE_DEFER, 0);
	deferred[0] = fixture_deferred();
	assert_non_null(deferred[0]);
	for (int i = 0; i < 3; i++)
		dist_deferred_fail(deferred[i]);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/* --- Deadlines ------------------------------------------------------------------ */

static void
test_a_procedure_sees_its_deadline(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct fixture_call call = { .xid = 1,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_TIME_LEFT,
		                     .with_meta = true,
		                     .left_ms = 100000 };
	int fd = fixture_connect(server);
	struct fixture_reply reply;

	(void)state;
	fixture_send_call(fd, &call);
	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.n_words, 10);
	assert_int_equal(reply.words[8], 0);
	assert_in_range(reply.words[9], 50000, 100000);

	/* It has passed while that runs or, where it begins late, before. */
	call.xid = 2, call.proc = PROBE_WAIT_CANCEL, call.left_ms = 5;
	do {
		fixture_send_call(fd, &call);
		assert_true(fixture_receive(fd, &reply));
	} while (reply.words[6] == DIST_NOT_RUN_CANCELLED);
	assert_int_equal(reply.words[6], DIST_RAN);
	assert_int_equal(reply.words[8], 1);
	close(fd);
	dist_server_stop(server);
}

static void
test_a_procedure_sees_which_attempt_it_is(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct fixture_call call = { .xid = 1,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_ATTEMPT,
		                     .with_meta = true,
		                     .attempt = 3 };
	int fd = fixture_connect(server);
	struct fixture_reply reply;

	(void)state;
	fixture_send_call(fd, &call);
	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.n_words, 9);
	assert_int_equal(reply.words[8], 3);

	/* A stock caller does not say. */
	call.with_meta = false;
	fixture_send_call(fd, &call);
	fixture_expect_success(fd, 1, 1);
	close(fd);
	dist_server_stop(server);
}

static bool
has_passed(void *at_ns)
{
	return dist_clock_ns() > *(int64_t *)at_ns;
}

static void
test_a_queued_call_whose_deadline_has_passed_is_not_run(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = { .xid = 2,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_HOLD,
		                     .with_meta = true,
		                     .left_ms = 1,
		                     .n_args = 1 };
	int fd = fixture_connect(server);
	int64_t over_ns;

	(void)state;
	send_call(fd, 1, PROBE_HOLD, 1);
	fixture_gate_wait(1);
	fixture_send_call(fd, &call);
	send_call(fd, 3, NULLPROC, 0);
	fixture_expect_void(fd, 3);
	/* It has been read, so its time, which was rounded up, is over before it runs. */
	over_ns = dist_deadline_in_ms(2);
	fixture_until(has_passed, &over_ns);
	fixture_gate_open();
	fixture_expect_success(fd, 1, 1);
	/* It is told all the same: our clients free a call's xid when its reply comes. */
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	               DIST_NOT_RUN_CANCELLED, SYSTEM_ERR);
	fixture_until(nothing_is_left, server);
	assert_int_equal(fixture_gate_arrived(), 1);
	close(fd);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_another_thread_answers_later),
	cmocka_unit_test(test_a_deferred_call_may_fail),
	cmocka_unit_test(test_a_result_that_does_not_encode_is_answered_system_err),
	cmocka_unit_test(test_a_deferred_call_sees_its_caller_leave),
	cmocka_unit_test(test_a_handle_may_outlive_its_server),
	cmocka_unit_test(test_a_running_call_sees_that_it_was_cancelled),
	cmocka_unit_test(test_a_queued_call_that_was_cancelled_is_not_run),
	cmocka_unit_test(test_queued_calls_of_a_caller_that_left_are_not_run),
	cmocka_unit_test(test_a_connection_has_no_more_deferred_calls_than_it_may),
	cmocka_unit_test(test_a_procedure_sees_its_deadline),
	cmocka_unit_test(test_a_procedure_sees_which_attempt_it_is),
	cmocka_unit_test(test_a_queued_call_whose_deadline_has_passed_is_not_run),
};

CHECK_MAIN(tests)
