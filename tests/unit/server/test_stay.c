/* Staying with one connection (server/stay.h), and all that may end it. */
#include "fixture.h"

#include "base/clock.h"
#include "server/core.h"
#include "server/wake.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Enough in a row to begin a stay. */
#define ENOUGH 80

static void
ping(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_void(fd, xid);
}

static bool
stays(void *arg)
{
	struct dist_server *server = arg;
	bool is_on;

	dist_lock(&server->workers.lock);
	is_on = server->workers.lookout.is_on;
	dist_unlock(&server->workers.lock);
	return is_on;
}

static bool
stays_nowhere(void *arg)
{
	return !stays(arg) && !dist_stay_is_away(arg);
}

/*
 * Call until the server stays with @fd, and long enough for that to be worth it. On a busy
 * machine a stay may end at any time: then there is another.
 */
static void
make_it_stay(struct dist_server *server, int fd)
{
	unsigned n_stayed = 0;

	for (uint32_t i = 0; i < 1000 * ENOUGH; i++) {
		ping(fd, i);
		n_stayed = stays(server) ? n_stayed + 1 : 0;
		if (n_stayed == ENOUGH)
			return;
	}
	fail_msg("it never stayed; it waits for %u calls in a row",
	         server->loop.stay.n_needed);
}

static void
test_a_peer_that_calls_alone_is_stayed_with_while_it_calls(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	make_it_stay(server, fd);
	fixture_until(stays_nowhere, server);
	ping(fd, 1);
	make_it_stay(server, fd);
	close(fd);
	dist_server_stop(server);
}

static void
test_others_are_answered_while_it_stays(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		make_it_stay(server, fd);
		ping(other, round);  /* known to it */
		ping(fd, round);
		make_it_stay(server, fd);
		close(other);
		other = fixture_connect(server); /* or new */
		ping(other, round);
		ping(fd, round);
	}
	close(other);
	close(fd);
	dist_server_stop(server);
}

/* The peer's next call comes in while the thread that stayed has lost the role. */
static void
test_a_call_that_comes_in_away_from_the_loop_is_answered(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), other = fixture_connect(server);
	struct fixture_call call = { .xid = 7, .prog = PROBE_PROG, .vers = 1 };
	uint8_t bytes[FIXTURE_CALL_MAX];
	size_t length = fixture_call_write(&call, bytes);

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		make_it_stay(server, fd);
		fixture_send_call(other, &call);
		fixture_send(fd, bytes, round % length); /* a part, or nothing */
		if (round % 2)
			fixture_expect_void(other, 7);
		fixture_send(fd, bytes + round % length, length - round % length);
		if (round % 2 == 0)
			fixture_expect_void(other, 7);
		fixture_expect_void(fd, 7);
	}
	close(other);
	close(fd);
	dist_server_stop(server);
}

static void
test_a_peer_that_closes_is_let_go(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_server_load load;
	int fd, other = fixture_connect(server);

	(void)state;
	for (int round = 0; round < 10; round++) {
		fd = fixture_connect(server);
		make_it_stay(server, fd);
		if (round % 2)
			fixture_send_call(other, &(struct fixture_call){
							 .xid = 1,
							 .prog = PROBE_PROG,
							 .vers = 1 });
		close(fd);
		if (round % 2)
			fixture_expect_void(other, 1);
		fixture_until(stays_nowhere, server);
	}
	do
		dist_server_load(server, &load);
	while (load.n_connections > 1);
	ping(other, 2);
	close(other);
	dist_server_stop(server);
}

static void
test_a_server_that_stays_stops(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		struct dist_server *server = fixture_server(NULL);
		int fd = fixture_connect(server);

		make_it_stay(server, fd);
		dist_server_stop(server);
		fixture_expect_closed(fd);
		close(fd);
	}
}

/* Its last turn is one of the peer with which it stays: no event wakes the lookout. */
static void
test_no_lookout_is_left_when_the_loop_ends(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	make_it_stay(server, fd);
	atomic_store(&server->draining, true);
	atomic_store(&server->stopping, true);
	fixture_send_call(fd, &(struct fixture_call){ .xid = 1, .prog = PROBE_PROG, .vers = 1 });
	dist_workers_join(&server->workers);
	server->started = false; /* so that they are not joined again */
	dist_server_stop(server);
	close(fd);
}

static void
test_a_server_that_stays_drains(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	make_it_stay(server, fd);
	assert_ok(dist_server_drain(server, 20000)); /* the peer is quiet */
	assert_false(stays(server));
	close(fd);
	dist_server_stop(server);
}

/* As if it had been short so often that it is run inline. */
static void
believe_moody_is_short(struct dist_server *server)
{
	struct dist_served *served =
		dist_served_table_find(&server->services, PROBE_PROG, 1);

	atomic_store(&dist_served_pace(served, PROBE_MOODY)->is_short, true);
}

/* A procedure of the peer with which the loop stays gets stuck: another thread goes on,
 * and reads that peer's next calls, too. */
static void
test_a_stuck_procedure_does_not_keep_the_loop(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), other = fixture_connect(server);
	struct fixture_call moody = fixture_call_of(5, PROBE_MOODY);

	(void)state;
	fixture_gate_reset();
	believe_moody_is_short(server);
	make_it_stay(server, fd);
	fixture_moody(true);
	fixture_send_call(fd, &moody);
	fixture_gate_wait(1);
	ping(other, 1);
	for (uint32_t i = 0; i < 2 * ENOUGH; i++)
		ping(fd, 100 + i);
	fixture_gate_open();
	fixture_expect_success(fd, 5, 5);
	fixture_moody(false);
	close(other);
	close(fd);
	dist_server_stop(server);
}

/* A peer that takes no replies is not read, whoever waits for it. */
static void
test_a_peer_that_takes_nothing_holds_up_nobody(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect_small(server), other = fixture_connect(server);
	struct fixture_call make = fixture_call_of(9, PROBE_MAKE);
	char bytes[65536];
	size_t left;

	(void)state;
	make.args[0] = 1000000;
	make_it_stay(server, fd);
	for (int i = 0; i < 20; i++)
		fixture_send_call(fd, &make);
	for (uint32_t i = 0; i < 2 * ENOUGH; i++)
		ping(other, i);
	for (left = 20 * (4 + 24 + 4 + 1000000); left > 0;) {
		ssize_t n = read(fd, bytes, DIST_MIN(sizeof(bytes), left));

		assert_true(n > 0);
		left -= (size_t)n;
	}
	ping(fd, 3);
	close(other);
	close(fd);
	dist_server_stop(server);
}

enum { CALLERS = 4, CALLS = 3000 };

static void *
call_now_and_then(void *arg)
{
	struct dist_server *server = arg;
	int fd = fixture_connect(server);

	/* Long runs of one peer alone, with the others between them. */
	for (uint32_t i = 0; i < CALLS; i++) {
		ping(fd, i);
		if (i % 500 == 499)
			usleep(30000);
	}
	close(fd);
	return NULL;
}

static void
test_peers_come_and_go(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = fixture_server(&options);
	pthread_t callers[CALLERS];

	(void)state;
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(
			pthread_create(&callers[i], NULL, call_now_and_then, server), 0);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(callers[i], NULL);
	fixture_until(stays_nowhere, server);
	dist_server_stop(server);
}

static void
test_spinning_comes_before_sleeping(void **state)
{
	struct dist_server_options options = { .spin_us = 50 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		make_it_stay(server, fd);
		ping(other, round);
		ping(fd, round);
	}
	close(other);
	close(fd);
	dist_server_stop(server);
}

/* --- What a stay leaves behind ------------------------------------------------------ */

static struct dist_server_conn *
first_conn(struct dist_server *server)
{
	return DIST_CONTAINER_OF(server->loop.conns.next, struct dist_server_conn, link);
}

static bool
is_full(void *conn)
{
	return dist_server_conn_full(conn);
}

/*
 * What was received for it lies in the scratch of the thread that stayed, and must not be
 * there any more when the next peer's calls are.
 */
static void
test_a_call_that_comes_in_while_replies_wait_is_kept(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect_small(server), other;
	struct fixture_call make = fixture_call_of(9, PROBE_MAKE);
	struct fixture_call null = { .xid = 7, .prog = PROBE_PROG, .vers = 1 };
	char bytes[65536];
	size_t left;

	(void)state;
	make.args[0] = 12000000;
	make_it_stay(server, fd);
	other = fixture_connect(server);
	for (uint32_t round = 0; round < 10; round++) {
		ping(other, round);
		make_it_stay(server, fd);
		fixture_send_call(fd, &make);
		fixture_until(is_full, first_conn(server));
		fixture_send_call(fd, &null);
		ping(other, 1000 + round);
		for (left = 4 + 24 + 4 + 12000000; left > 0;) {
			ssize_t n = read(fd, bytes, DIST_MIN(sizeof(bytes), left));

			assert_true(n > 0);
			left -= (size_t)n;
		}
		fixture_expect_void(fd, 7);
	}
	close(other);
	close(fd);
	dist_server_stop(server);
}

static uint8_t seen_before[24], seen_after[24];

static void
dispatch_and_look(struct svc_req *req, SVCXPRT *xprt)
{
	bool looks = req->rq_proc == PROBE_MOODY && fixture_gate_arrived() == 0;
	const char *record = req->rq_cred.oa_base;

	if (looks)
		memcpy(seen_before, record, sizeof(seen_before));
	probe_prog_1_service.dispatch(req, xprt);
	if (looks)
		memcpy(seen_after, record, sizeof(seen_after));
}

/* The record that a procedure runs from stays as it is, whoever reads what meanwhile. */
static void
test_a_stay_that_is_over_leaves_no_scratch_behind(void **state)
{
	struct dist_service service = probe_prog_1_service;
	struct dist_server *server;
	struct fixture_call moody = fixture_call_of(5, PROBE_MOODY);
	struct fixture_call add = fixture_call_of(6, PROBE_ADD);
	int fd, other;

	(void)state;
	add.args[0] = 70;
	add.args[1] = 7;
	add.n_args = 2;
	service.dispatch = dispatch_and_look;
	server = fixture_server_with(NULL, &service);
	fd = fixture_connect(server);
	other = fixture_connect(server);
	ping(other, 1);
	make_it_stay(server, fd);
	fixture_until(stays_nowhere, server);
	believe_moody_is_short(server);
	fixture_gate_reset();
	fixture_moody(true);
	fixture_send_call(other, &moody);
	fixture_gate_wait(1);
	fixture_send_call(fd, &add);
	fixture_expect_success(fd, 6, 77);
	fixture_gate_open();
	fixture_expect_success(other, 5, 5);
	assert_memory_equal(seen_before, seen_after, sizeof(seen_before));
	fixture_moody(false);
	close(other);
	close(fd);
	dist_server_stop(server);
}

static bool
watchdog_sleeps(void *arg)
{
	struct dist_server *server = arg;

	return atomic_load(&server->workers.watch_asleep);
}

/*
 * A thread is woken to look out, and a call comes in before it runs: the call is not left
 * to it.
 */
static void
test_a_call_is_not_left_to_the_lookout(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_workers *workers = &server->workers;
	struct fixture_call hold = fixture_call_of(2, PROBE_HOLD);
	int fd = fixture_connect(server);
	uint64_t one = 1;

	(void)state;
	fixture_gate_open();
	ping(fd, 1);
	fixture_until(watchdog_sleeps, server);
	dist_lock(&workers->lock);
	fixture_send_call(fd, &hold);
	usleep(20000); /* the loop is about to queue it, once it has the lock */
	workers->lookout.is_on = true;
	assert_true(dist_wake_one_idle_locked(workers));
	usleep(20000);
	dist_unlock(&workers->lock);
	fixture_expect_success(fd, 2, 2);
	/* As at the end of a stay: there was none that could end, and let the lookout go. */
	dist_lock(&workers->lock);
	workers->lookout.is_on = false;
	dist_unlock(&workers->lock);
	assert_int_equal(write(workers->lookout.fd, &one, sizeof(one)), sizeof(one));
	close(fd);
	dist_server_stop(server);
}

/* --- How many calls begin a stay ---------------------------------------------------- */

#define SECOND DIST_STAY_FORGIVE_NS
#define FIRST  DIST_STAY_NEEDED_FIRST

/* As if @n_stays had ended at @now_ns, after so many turns each. */
static void
end_stays(struct dist_stay *stay, unsigned n_stays, unsigned n_turns, int64_t now_ns)
{
	while (n_stays-- > 0) {
		stay->n_turns = n_turns;
		dist_stay_judge(stay, now_ns);
	}
}

static void
test_a_stay_in_vain_makes_the_next_one_wait_longer(void **state)
{
	struct dist_stay stay = { .n_needed = FIRST };

	(void)state;
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), FIRST);
	end_stays(&stay, 1, DIST_STAY_WORTH - 1, 5 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), 2 * FIRST);
	end_stays(&stay, 2, 0, 5 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), 8 * FIRST);
	end_stays(&stay, 1, DIST_STAY_WORTH, 5 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), 4 * FIRST);
	end_stays(&stay, 40, 0, 5 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), DIST_STAY_NEEDED_MAX);
	end_stays(&stay, 40, DIST_STAY_WORTH, 5 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 5 * SECOND), FIRST);
}

static void
test_stays_in_vain_are_forgotten_with_time(void **state)
{
	struct dist_stay stay = { .n_needed = FIRST };

	(void)state;
	end_stays(&stay, 40, 0, 9 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 10 * SECOND - 1), DIST_STAY_NEEDED_MAX);
	assert_int_equal(dist_stay_n_needed(&stay, 10 * SECOND), DIST_STAY_NEEDED_MAX / 2);
	assert_int_equal(dist_stay_n_needed(&stay, 13 * SECOND), DIST_STAY_NEEDED_MAX / 16);
	/* To look changes nothing, and years later there is no less than at first. */
	assert_int_equal(dist_stay_n_needed(&stay, 10 * SECOND), DIST_STAY_NEEDED_MAX / 2);
	assert_int_equal(dist_stay_n_needed(&stay, INT64_MAX), FIRST);

	/* A good one halves what is left; the next in vain doubles it, and begins anew. */
	end_stays(&stay, 1, DIST_STAY_WORTH, 13 * SECOND);
	assert_int_equal(dist_stay_n_needed(&stay, 13 * SECOND), DIST_STAY_NEEDED_MAX / 32);
	end_stays(&stay, 1, 0, 13 * SECOND + SECOND / 2);
	assert_int_equal(dist_stay_n_needed(&stay, 14 * SECOND), DIST_STAY_NEEDED_MAX / 16);
	assert_int_equal(dist_stay_n_needed(&stay, 15 * SECOND), DIST_STAY_NEEDED_MAX / 32);
}

/* Nobody calls a million times to find out. */
static void
test_a_lone_peer_is_stayed_with_seconds_after_others_were_there(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);

	(void)state;
	server->loop.stay.disappointed_ns = dist_clock_ns() - 20 * SECOND;
	server->loop.stay.n_needed = DIST_STAY_NEEDED_MAX;
	make_it_stay(server, fd);
	close(fd);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_peer_that_calls_alone_is_stayed_with_while_it_calls),
	cmocka_unit_test(test_others_are_answered_while_it_stays),
	cmocka_unit_test(test_a_call_that_comes_in_away_from_the_loop_is_answered),
	cmocka_unit_test(test_a_peer_that_closes_is_let_go),
	cmocka_unit_test(test_a_server_that_stays_stops),
	cmocka_unit_test(test_no_lookout_is_left_when_the_loop_ends),
	cmocka_unit_test(test_a_server_that_stays_drains),
	cmocka_unit_test(test_a_stuck_procedure_does_not_keep_the_loop),
	cmocka_unit_test(test_a_peer_that_takes_nothing_holds_up_nobody),
	cmocka_unit_test(test_peers_come_and_go),
	cmocka_unit_test(test_spinning_comes_before_sleeping),
	cmocka_unit_test(test_a_call_that_comes_in_while_replies_wait_is_kept),
	cmocka_unit_test(test_a_stay_that_is_over_leaves_no_scratch_behind),
	cmocka_unit_test(test_a_call_is_not_left_to_the_lookout),
	cmocka_unit_test(test_a_stay_in_vain_makes_the_next_one_wait_longer),
	cmocka_unit_test(test_stays_in_vain_are_forgotten_with_time),
	cmocka_unit_test(test_a_lone_peer_is_stayed_with_seconds_after_others_were_there),
};

CHECK_MAIN(tests)
