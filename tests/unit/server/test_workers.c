/* Who runs what: inline or pool, slots, the loop role, the queue, serial services. */
#include "fixture.h"

#include "idl/node.h"
#include "server/core.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
send_call(int fd, uint32_t xid, uint32_t proc)
{
	struct fixture_call call = fixture_call_of(xid, proc);

	fixture_send_call(fd, &call);
}

static void
expect_ping(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_void(fd, xid);
}

struct wanted {
	struct dist_server *server;
	unsigned running, queued;
};

static bool
load_is(void *arg)
{
	const struct wanted *wanted = arg;
	struct dist_server_load load;

	dist_server_load(wanted->server, &load);
	return load.running == wanted->running && load.queued == wanted->queued;
}

static void
wait_load(struct dist_server *server, unsigned running, unsigned queued)
{
	struct wanted wanted = { .server = server,
		                 .running = running,
		                 .queued = queued };

	fixture_until(load_is, &wanted);
}

static uint64_t
count_takeovers(struct dist_server *server)
{
	struct dist_server_load load;

	dist_server_load(server, &load);
	return load.n_takeovers;
}

/* As if it had been short so often that it is run inline: how that is learned depends on
 * the clock, and is test_pace's. */
static void
believe_moody_is_short(struct dist_server *server)
{
	struct dist_served *served =
		dist_served_table_find(&server->services, PROBE_PROG, 1);

	atomic_store(&dist_served_pace(served, PROBE_MOODY)->is_short, true);
}

/* --- Slots and the queue -------------------------------------------------------- */

static void
test_no_more_procedures_run_than_workers(void **state)
{
	struct dist_server_options options = { .workers = 3 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		send_call(fd, 7, PROBE_HOLD);
	fixture_gate_wait(3);
	wait_load(server, 3, 7);
	expect_ping(fd, 1); /* which needs no worker */
	fixture_gate_open();
	for (uint32_t i = 0; i < 10; i++)
		fixture_expect_success(fd, 7, 7);
	assert_int_equal(fixture_gate_most(), 3);
	close(fd);
	dist_server_stop(server);
}

/* A slow procedure holds the only worker; the loop goes on, and answers what it can. */
static void
test_one_worker_never_runs_two_procedures(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	believe_moody_is_short(server);
	fixture_moody(true);
	send_call(fd, 2, PROBE_MOODY);
	fixture_gate_wait(1);
	send_call(other, 3, PROBE_MOODY);
	send_call(other, 4, PROBE_MOODY);
	wait_load(server, 1, 2);
	expect_ping(other, 5);
	assert_int_equal(fixture_gate_arrived(), 1);
	fixture_gate_open();
	fixture_expect_success(fd, 2, 2);
	fixture_expect_success(other, 3, 3);
	fixture_expect_success(other, 4, 4);
	assert_int_equal(fixture_gate_most(), 1);
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_past_the_queue_callers_are_told_busy(void **state)
{
	struct dist_server_options options = { .workers = 1, .queue = 2 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = fixture_call_of(9, PROBE_HOLD);
	int fd = fixture_connect(server);

	(void)state;
	send_call(fd, 1, PROBE_HOLD);
	fixture_gate_wait(1);
	send_call(fd, 2, PROBE_HOLD);
	send_call(fd, 3, PROBE_HOLD);
	/* One of our peers, then a stock client. */
	call.with_meta = true;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 9, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 2,
	               DIST_NOT_RUN_BUSY, SYSTEM_ERR);
	send_call(fd, 10, PROBE_HOLD);
	fixture_expect(fd, 10, REPLY, MSG_ACCEPTED, 0, 0, SYSTEM_ERR);
	fixture_gate_open();
	fixture_expect_success(fd, 1, 1);
	fixture_expect_success(fd, 2, 2);
	fixture_expect_success(fd, 3, 3);
	close(fd);
	dist_server_stop(server);
}

/* --- The loop role -------------------------------------------------------------- */

/* @n calls of NULLPROC, which always run inline; their length. */
static size_t
write_nulls(uint32_t first_xid, unsigned n, uint8_t *to)
{
	size_t length = 0;

	for (uint32_t xid = first_xid; xid < first_xid + n; xid++) {
		struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };

		length += fixture_call_write(&call, to + length);
	}
	return length;
}

/*
 * A procedure that always was short gets stuck, in the middle of a batch that one read
 * brought: what came before it in the batch is answered, what comes after it is served,
 * and so are other connections.
 */
static void
test_a_stuck_inline_run_is_overtaken(void **state)
{
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);
	uint8_t batch[7 * FIXTURE_CALL_MAX];
	struct fixture_call call;
	size_t length;

	(void)state;
	believe_moody_is_short(server);
	fixture_moody(true);
	length = write_nulls(40, 3, batch);
	call = fixture_call_of(50, PROBE_MOODY);
	length += fixture_call_write(&call, batch + length);
	length += write_nulls(51, 3, batch + length);
	fixture_send(fd, batch, length);
	for (uint32_t xid = 40; xid < 43; xid++)
		fixture_expect_void(fd, xid);
	for (uint32_t xid = 51; xid < 54; xid++)
		fixture_expect_void(fd, xid);
	expect_ping(other, 60);
	assert_int_equal(fixture_gate_arrived(), 1);
	assert_true(count_takeovers(server) >= 1);
	fixture_gate_open();
	fixture_expect_success(fd, 50, 50);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/* Slow ones have every slot, and more of them wait; short ones are answered, and one that
 * gets stuck among them leaves a thread for the loop. */
static void
test_short_procedures_do_not_wait_for_slow_ones(void **state)
{
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		send_call(fd, 7, PROBE_HOLD);
	fixture_gate_wait(2);
	wait_load(server, 2, 2);
	for (uint32_t xid = 20; xid < 30; xid++) {
		believe_moody_is_short(server);
		send_call(fd, xid, PROBE_MOODY);
		fixture_expect_success(fd, xid, xid);
		/* Where it was overtaken, it is over and judged after its answer. */
		wait_load(server, 2, 2);
	}
	believe_moody_is_short(server);
	fixture_moody(true);
	send_call(fd, 30, PROBE_MOODY);
	fixture_gate_wait(3);
	expect_ping(fd, 31);
	/* Nobody takes it for short any more, though it has not ended. */
	send_call(fd, 32, PROBE_MOODY);
	wait_load(server, 3, 3);
	expect_ping(fd, 33);
	fixture_gate_open();
	for (unsigned i = 0; i < 6; i++)
		assert_true(fixture_receive(fd, &(struct fixture_reply){ 0 }));
	assert_int_equal(fixture_gate_most(), 3);
	close(fd);
	dist_server_stop(server);
}

/* Again and again, so that each thread loses the role, and gets it. */
static void
test_the_role_goes_round(void **state)
{
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		fixture_gate_reset();
		believe_moody_is_short(server);
		fixture_moody(true);
		fixture_moody_tells(round % 2);
		send_call(fd, 2, PROBE_MOODY);
		fixture_gate_wait(1);
		expect_ping(fd, 3);
		fixture_gate_open();
		fixture_expect_success(fd, 2, 2);
	}
	close(fd);
	dist_server_stop(server);
}

/* It tells that it will block, as our client does: nobody has to notice. */
static void
test_a_procedure_that_calls_hands_the_loop_on(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	believe_moody_is_short(server);
	fixture_moody(true);
	fixture_moody_tells(true);
	send_call(fd, 70, PROBE_MOODY);
	fixture_gate_wait(1);
	expect_ping(fd, 71);
	fixture_gate_open();
	fixture_expect_success(fd, 70, 70);
	close(fd);
	dist_server_stop(server);
}

/* The connection of a run that was overtaken ends before the run does. */
static void
test_an_overtaken_run_may_lose_its_connection(void **state)
{
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	believe_moody_is_short(server);
	fixture_moody(true);
	send_call(fd, 80, PROBE_MOODY);
	fixture_gate_wait(1);
	close(fd);
	expect_ping(other, 81);
	expect_ping(other, 82);
	fixture_gate_open();
	wait_load(server, 0, 0);
	close(other);
	dist_server_stop(server);
}

/* --- Serial services ------------------------------------------------------------ */

static void
test_calls_of_a_serial_service_never_overlap(void **state)
{
	struct dist_service serial = probe_prog_1_service;
	struct dist_server_options options = { .workers = 4 };
	struct dist_server *server;
	int fd, other;

	(void)state;
	serial.serial = true;
	server = fixture_server_with(&options, &serial);
	fd = fixture_connect(server);
	other = fixture_connect(server);
	for (uint32_t i = 0; i < 20; i++)
		send_call(i % 2 ? fd : other, i, PROBE_HOLD);
	fixture_gate_wait(1);
	wait_load(server, 1, 19);
	/* Another service has workers left. */
	fixture_send_call(fd, &(struct fixture_call){ .xid = 99,
	                                              .prog = PROBE_PROG,
	                                              .vers = 3,
	                                              .proc = PROBE3_ADD,
	                                              .args = { 4, 5 },
	                                              .n_args = 2 });
	fixture_expect_success(fd, 99, 9);
	fixture_gate_open();
	/* In order, those of each connection at least. */
	for (uint32_t i = 0; i < 20; i++)
		fixture_expect_success(i % 2 ? fd : other, i, i);
	assert_int_equal(fixture_gate_most(), 1);
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_a_serial_service_runs_inline_too(void **state)
{
	struct dist_service serial = probe_prog_1_service;
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server;
	int fd, other;

	(void)state;
	serial.serial = true;
	server = fixture_server_with(&options, &serial);
	fd = fixture_connect(server);
	other = fixture_connect(server);
	believe_moody_is_short(server);
	fixture_moody(true);
	send_call(fd, 1, PROBE_MOODY);
	fixture_gate_wait(1);
	for (uint32_t xid = 2; xid < 6; xid++)
		send_call(other, xid, PROBE_MOODY);
	wait_load(server, 1, 4);
	fixture_gate_open();
	fixture_expect_success(fd, 1, 1);
	for (uint32_t xid = 2; xid < 6; xid++)
		fixture_expect_success(other, xid, xid);
	assert_int_equal(fixture_gate_most(), 1);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/* As rpcgen makes it without -M: the procedure gives a pointer to its static result. */
static int *
old_style_double(int *argument, struct svc_req *rqstp)
{
	static int result;

	(void)rqstp;
	result = 2 * *argument;
	return &result;
}

static void
old_style_dispatcher(struct svc_req *rqstp, SVCXPRT *xprt)
{
	int argument = 0, *result;

	if (!svc_getargs(xprt, (xdrproc_t)xdr_int, (caddr_t)&argument)) {
		svcerr_decode(xprt);
		return;
	}
	result = old_style_double(&argument, rqstp);
	if (result && !svc_sendreply(xprt, (xdrproc_t)xdr_int, (char *)result))
		svcerr_systemerr(xprt);
	if (!svc_freeargs(xprt, (xdrproc_t)xdr_int, (caddr_t)&argument))
		abort();
}

static void
test_old_style_dispatchers_are_served_in_turn(void **state)
{
	static const struct dist_service service = { .size = sizeof(service),
		                                     .program = 0x20000F02,
		                                     .version = 1,
		                                     .dispatch = old_style_dispatcher,
		                                     .serial = true };
	struct dist_server_options options = { .workers = 4 };
	struct dist_server *server = fixture_server_with(&options, &service);
	int fds[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		fds[i] = fixture_connect(server);
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 4; i++)
			fixture_send_call(fds[i],
			                  &(struct fixture_call){ .xid = round,
			                                          .prog = 0x20000F02,
			                                          .vers = 1,
			                                          .proc = 1,
			                                          .args = { i + round },
			                                          .n_args = 1 });
		for (uint32_t i = 0; i < 4; i++)
			fixture_expect_success(fds[i], round, 2 * (i + round));
	}
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_no_more_procedures_run_than_workers),
	cmocka_unit_test(test_one_worker_never_runs_two_procedures),
	cmocka_unit_test(test_past_the_queue_callers_are_told_busy),
	cmocka_unit_test(test_a_stuck_inline_run_is_overtaken),
	cmocka_unit_test(test_short_procedures_do_not_wait_for_slow_ones),
	cmocka_unit_test(test_the_role_goes_round),
	cmocka_unit_test(test_a_procedure_that_calls_hands_the_loop_on),
	cmocka_unit_test(test_an_overtaken_run_may_lose_its_connection),
	cmocka_unit_test(test_calls_of_a_serial_service_never_overlap),
	cmocka_unit_test(test_a_serial_service_runs_inline_too),
	cmocka_unit_test(test_old_style_dispatchers_are_served_in_turn),
};

CHECK_MAIN(tests)
