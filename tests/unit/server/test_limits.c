/* What one peer may have: connections, calls, bytes, and time. */
#include "fixture.h"

#include "base/clock.h"
#include "idl/node.h"
#include "server/core.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Whoever has called is spared for longer than a test lasts, where it is not the point. */
#define SPARED .idle_spared_ms = 1000000

static void
expect_alive(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_void(fd, xid);
}

static void
send_half(int fd)
{
	struct fixture_call call = { .xid = 1, .prog = PROBE_PROG, .vers = 1 };
	uint8_t record[FIXTURE_CALL_MAX];

	fixture_call_write(&call, record);
	fixture_send(fd, record, 10);
}

static void
send_hold(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_HOLD,
		                     .args = { xid },
		                     .n_args = 1,
		                     .with_meta = true };

	fixture_send_call(fd, &call);
}

static void
expect_held(int fd, uint32_t xid)
{
	struct fixture_reply reply;

	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.words[0], xid);
	assert_int_equal(reply.words[5 + DIST_META_SIZE / 4], SUCCESS);
}

static void
expect_busy(int fd, uint32_t xid)
{
	struct fixture_reply reply;

	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.words[0], xid);
	assert_int_equal(reply.words[3], DIST_META);
	assert_int_equal(reply.words[6], DIST_NOT_RUN_BUSY);
	assert_int_equal(reply.words[7], SYSTEM_ERR);
}

/* From 127.0.0.@host. */
static int
connect_from(struct dist_server *server, unsigned host)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fixture_connect_socket(server, fd);
	return fd;
}

static unsigned
n_connections(struct dist_server *server)
{
	struct dist_server_load load;

	dist_server_load(server, &load);
	return load.n_connections;
}

static bool
has_one_connection(void *server)
{
	return n_connections(server) == 1;
}

static bool
has_four_connections(void *server)
{
	return n_connections(server) == 4;
}

/* --- Connections ---------------------------------------------------------------- */

static void
test_half_sent_connections_make_room_the_oldest_first(void **state)
{
	struct dist_server_options options = { .max_connections = 4, SPARED };
	struct dist_server *server = fixture_server(&options);
	int good = fixture_connect(server), halves[3], more[3], last;

	(void)state;
	expect_alive(good, 1);
	for (int i = 0; i < 3; i++) {
		halves[i] = fixture_connect(server);
		if (i != 1) /* which has not said a word */
			send_half(halves[i]);
	}
	for (uint32_t i = 0; i < 3; i++) {
		more[i] = fixture_connect(server);
		expect_alive(more[i], i);
		fixture_expect_closed(halves[i]);
		close(halves[i]);
		expect_alive(good, i);
	}
	/* Now all are in use. */
	last = fixture_connect(server);
	fixture_expect_closed(last);
	close(last);
	for (uint32_t i = 0; i < 3; i++) {
		expect_alive(more[i], i);
		close(more[i]);
	}
	expect_alive(good, 9);
	close(good);
	dist_server_stop(server);
}

static void
test_idle_connections_make_room_and_those_with_calls_do_not(void **state)
{
	struct dist_server_options options = { .workers = 2,
		                               .max_connections = 3,
		                               .idle_spared_ms = 1 };
	struct dist_server *server = fixture_server(&options);
	int held = fixture_connect(server), idle = fixture_connect(server), half, more;
	struct timespec pause = { 0, 5000000 };

	(void)state;
	send_hold(held, 1);
	fixture_gate_wait(1);
	expect_alive(idle, 1);
	half = fixture_connect(server);
	send_half(half);

	more = fixture_connect(server);
	expect_alive(more, 1);
	fixture_expect_closed(half);
	close(half);
	/* Nobody is half-sent any more. They have been idle for long enough then. */
	nanosleep(&pause, NULL);
	half = fixture_connect(server);
	send_half(half);
	fixture_expect_closed(idle);
	close(idle);
	fixture_gate_open();
	expect_held(held, 1);
	close(held);
	close(more);
	close(half);
	dist_server_stop(server);
}

static void
test_no_more_connections_of_one_peer_than_allowed(void **state)
{
	struct dist_server_options options = { .max_connections = 10,
		                               .max_connections_per_peer = 2,
		                               SPARED };
	struct dist_server *server = fixture_server(&options);
	int other_half = connect_from(server, 3), fds[4], more;

	(void)state;
	send_half(other_half);
	for (uint32_t i = 0; i < 2; i++) {
		fds[i] = connect_from(server, 2);
		expect_alive(fds[i], i);
	}
	more = connect_from(server, 2);
	fixture_expect_closed(more);
	close(more);
	/* Others have their own; and there it is their own that goes. */
	fds[2] = connect_from(server, 4);
	fds[3] = connect_from(server, 4);
	expect_alive(fds[3], 1);
	more = connect_from(server, 4);
	expect_alive(more, 2);
	fixture_expect_closed(fds[2]);
	close(fds[2]);
	fds[2] = more;
	for (uint32_t i = 0; i < 4; i++)
		expect_alive(fds[i], i);
	/* Whoever ends makes room for another. */
	close(fds[0]);
	fixture_until(has_four_connections, server);
	fds[0] = connect_from(server, 2);
	expect_alive(fds[0], 7);
	close(other_half);
	for (uint32_t i = 0; i < 4; i++)
		close(fds[i]);
	dist_server_stop(server);
}

/* This thread plays the holder of the loop role. */
static struct dist_server *
server_with_conns(const struct dist_server_options *options, int *fds, unsigned n)
{
	struct dist_server *server = NULL;

	assert_ok(dist_server_open(&server, options));
	for (unsigned i = 0; i < n; i++) {
		fds[i] = fixture_connect(server);
		fixture_accept(server);
	}
	assert_int_equal(server->n_connections, n);
	return server;
}

static struct dist_server_conn *
conn_of(struct dist_list *link)
{
	return DIST_CONTAINER_OF(link, struct dist_server_conn, link);
}

/* A node's registration, say: it is quiet for a while and in use all the same. */
static void
test_a_watched_connection_is_spared_for_longer(void **state)
{
	struct dist_server_options options = { .idle_spared_ms = 1,
		                               .watched_spared_ms = 1000 };
	int fds[2];
	struct dist_server *server = server_with_conns(&options, fds, 2);
	struct dist_server_conn *first = conn_of(server->loop.conns.next);
	struct dist_server_conn *second = conn_of(server->loop.conns.prev);

	(void)state;
	first->served = second->served = server->services.list[0];
	first->watched = true;
	atomic_store(&first->active_ns, server->loop.now_ns - 900 * DIST_NS_PER_MS);
	atomic_store(&second->active_ns, server->loop.now_ns - 2 * DIST_NS_PER_MS);
	assert_ptr_equal(dist_crowd_find(server, NULL), second);
	atomic_store(&first->active_ns, server->loop.now_ns - 1000 * DIST_NS_PER_MS);
	atomic_store(&second->active_ns, server->loop.now_ns);
	assert_ptr_equal(dist_crowd_find(server, NULL), first);
	close(fds[0]);
	close(fds[1]);
	dist_server_stop(server);
}

/* A newcomer must not cost a look at everybody. */
static void
test_a_search_for_room_is_bounded(void **state)
{
	enum { N = 200 };
	struct dist_server_options options = { .idle_timeout_ms = INT64_MAX, SPARED };
	int fds[N];
	struct dist_server *server = server_with_conns(&options, fds, N);
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn, *next;

	(void)state;
	DIST_LIST_EACH (conn, next, &loop->conns, link)
		conn->served = server->services.list[0];
	loop->crowd.n_looks = 1000;
	assert_null(dist_crowd_find(server, NULL));
	/* Each was half-sent as far as was known, and is seen a second time. */
	assert_int_equal(loop->crowd.n_looks, 1000 - 2 * N);

	/* Without any left, it takes a few newcomers to find the one that may go. */
	conn = conn_of(loop->conns.prev);
	atomic_store(&conn->active_ns, loop->now_ns - INT64_C(2000000) * 1000000);
	loop->crowd.n_looks = 0;
	for (int i = 0; i < 3; i++)
		assert_null(dist_crowd_find(server, NULL));
	assert_ptr_equal(dist_crowd_find(server, NULL), conn);
	assert_int_equal(loop->crowd.n_looks, 0);
	/* The sweep sees to it that the next one finds it at once. */
	dist_server_sweep(server);
	assert_int_equal(loop->crowd.n_looks, 2 * N);
	assert_ptr_equal(dist_crowd_find(server, NULL), conn);
	assert_int_equal(loop->crowd.n_looks, 2 * N - 1);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	dist_server_stop(server);
}

static void
test_whoever_makes_room_has_no_event_to_come(void **state)
{
	struct dist_server_options options = { .max_connections = 2, SPARED };
	int fds[2], more;
	struct dist_server *server = server_with_conns(&options, fds, 2);
	struct dist_server_loop *loop = &server->loop;
	struct dist_server_conn *conn = conn_of(loop->conns.next);

	(void)state;
	loop->n_events = 2;
	loop->events[0].data.ptr = conn_of(loop->conns.prev);
	loop->events[1].data.ptr = conn;
	more = fixture_connect(server);
	fixture_accept(server);
	fixture_expect_closed(fds[0]);
	assert_ptr_not_equal(loop->events[0].data.ptr, NULL);
	assert_int_equal(loop->events[1].data.u64, DIST_LOOP_TAG_NONE);
	loop->n_events = 0;
	close(fds[0]);
	close(fds[1]);
	close(more);
	dist_server_stop(server);
}

/* --- Time ----------------------------------------------------------------------- */

static void
test_a_header_must_come_sooner_than_its_record(void **state)
{
	struct dist_server_options options = { .header_timeout_ms = 1 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = { .xid = 1,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_ADD,
		                     .args = { 2, 3 },
		                     .n_args = 2 };
	int half = fixture_connect(server), most = fixture_connect(server);
	uint8_t record[FIXTURE_CALL_MAX];
	size_t length = fixture_call_write(&call, record);

	(void)state;
	fixture_send(most, record, length - 1);
	fixture_send(half, record, 40);
	fixture_expect_closed(half);
	fixture_send(most, record + length - 1, 1);
	fixture_expect_success(most, 1, 5);
	close(half);
	close(most);
	dist_server_stop(server);
}

/* Thirty-two, in one piece: it may be ended before all of them were sent one by one. */
static void
ask_for_megabytes(int fd)
{
	struct fixture_call call = { .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_MAKE,
		                     .args = { 1 << 20 },
		                     .n_args = 1 };
	uint8_t records[32 * FIXTURE_CALL_MAX];
	size_t length = 0;

	for (call.xid = 0; call.xid < 32; call.xid++)
		length += fixture_call_write(&call, records + length);
	fixture_send(fd, records, length);
}

static void
test_a_peer_that_takes_no_replies_ends_in_time(void **state)
{
	struct dist_server_options options = { .reply_timeout_ms = 1 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect_small(server), other = fixture_connect(server);
	char *bytes = malloc(1 << 20);
	ssize_t n, total = 0;

	(void)state;
	ask_for_megabytes(fd);
	expect_alive(other, 1);
	fixture_until(has_one_connection, server);
	while ((n = recv(fd, bytes, 1 << 20, 0)) > 0)
		total += n;
	assert_true(total < 32 << 20);
	expect_alive(other, 2);
	free(bytes);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/* --- Bytes that connections hold ------------------------------------------------- */

struct hoard {
	struct dist_server *server;
	size_t n_bytes;
};

static bool
holds_so_much(void *arg)
{
	struct hoard *hoard = arg;

	return atomic_load(&hoard->server->buffered_bytes) >= hoard->n_bytes;
}

/* Each may send a record of that length, but not all of them at once. */
static void
test_half_calls_hold_no_more_than_allowed_in_all(void **state)
{
	enum { N = 4, SIZE = 400 * 1024, HALF = 300 * 1024 };
	struct dist_server_options options = { .max_buffered_bytes = 1 << 20 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = { .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_SUM,
		                     .args = { SIZE / 4 },
		                     .n_args = 1 };
	struct hoard hoard = { server, 0 };
	uint8_t *bytes = calloc(1, FIXTURE_CALL_MAX + SIZE);
	size_t head = fixture_call_write(&call, bytes);
	int fds[N], other = fixture_connect(server);

	(void)state;
	dist_store_be32(bytes, 0x80000000u | (uint32_t)(head - 4 + SIZE));
	for (int i = 0; i < N; i++) {
		fds[i] = fixture_connect(server);
		fixture_send(fds[i], bytes, head + HALF);
		hoard.n_bytes += HALF;
		if (i < N - 1)
			fixture_until(holds_so_much, &hoard);
	}
	/* Perhaps the second one too, as it goes by how much has come of the last. */
	fixture_expect_closed(fds[0]);
	close(fds[1]);
	for (int i = 2; i < N; i++) {
		fixture_send(fds[i], bytes + head + HALF, SIZE - HALF);
		fixture_expect_success(fds[i], 0, 0, 0);
	}
	expect_alive(other, 1);
	fds[1] = other;
	for (int i = 0; i < N; i++)
		close(fds[i]);
	free(bytes);
	dist_server_stop(server);
}

static void
test_untaken_replies_hold_no_more_than_allowed_in_all(void **state)
{
	struct dist_server_options options = { .max_buffered_bytes = 1 << 20 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect_small(server), other = fixture_connect(server);

	(void)state;
	expect_alive(other, 1); /* so both are there */
	ask_for_megabytes(fd);
	fixture_until(has_one_connection, server);
	expect_alive(other, 2);
	assert_int_equal(atomic_load(&server->buffered_bytes), 0);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/* --- Calls ---------------------------------------------------------------------- */

static void
test_past_the_calls_of_a_connection_it_is_told_busy(void **state)
{
	struct dist_server_options options = { .workers = 1,
		                               .max_calls_per_connection = 2 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call ping = { .xid = 4, .prog = DIST_NODE, .vers = DIST_NODE_V1 };
	int fd = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	send_hold(fd, 1);
	fixture_gate_wait(1);
	send_hold(fd, 2);
	send_hold(fd, 3);
	expect_busy(fd, 3);
	/* Whether the node lives can still be asked. */
	fixture_send_call(fd, &ping);
	fixture_expect_void(fd, 4);
	send_hold(other, 5);
	fixture_gate_open();
	expect_held(fd, 1);
	expect_held(fd, 2);
	expect_held(other, 5);
	send_hold(fd, 6);
	expect_held(fd, 6);
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
send_echo(int fd, uint32_t xid, unsigned n_bytes)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_ECHO,
		                     .with_meta = true,
		                     .args = { n_bytes },
		                     .n_args = 1 };
	uint8_t record[FIXTURE_CALL_MAX], zeros[4096] = { 0 };
	size_t length = fixture_call_write(&call, record);

	dist_store_be32(record, 0x80000000u | (uint32_t)(length - 4 + n_bytes));
	fixture_send(fd, record, length);
	fixture_send(fd, zeros, n_bytes);
}

static void
test_past_the_bytes_of_the_queue_callers_are_told_busy(void **state)
{
	struct dist_server_options options = { .workers = 1, .queue_bytes = 1024 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);

	(void)state;
	send_hold(fd, 1);
	fixture_gate_wait(1);
	/* One of any length fits into an empty queue. */
	send_echo(fd, 2, 4096);
	send_echo(fd, 3, 4);
	expect_busy(fd, 3);
	fixture_gate_open();
	expect_held(fd, 1);
	expect_held(fd, 2);
	send_echo(fd, 4, 4);
	expect_held(fd, 4);
	close(fd);
	dist_server_stop(server);
}

/* --- Shares of the queue -------------------------------------------------------- */

static void
test_one_with_its_share_of_the_queue_is_told_busy_first(void **state)
{
	struct dist_server_options options = { .workers = 1, .queue = 8 };
	struct dist_server *server = fixture_server(&options);
	int hog = fixture_connect(server), other = fixture_connect(server);
	int third = fixture_connect(server);
	uint32_t xid = 0;

	(void)state;
	send_hold(hog, ++xid);
	fixture_gate_wait(1);
	send_hold(other, 100);
	expect_alive(other, 1); /* so it has been queued */
	/* It may use half of the queue in any case, then a third, as one is for others. */
	for (int i = 0; i < 3; i++)
		send_hold(hog, ++xid);
	for (int i = 0; i < 10; i++) {
		send_hold(hog, ++xid);
		expect_busy(hog, xid);
	}
	send_hold(other, 101);
	send_hold(other, 102);
	expect_busy(other, 102);
	/* Who comes next finds room. */
	send_hold(third, 200);
	send_hold(third, 201);
	fixture_gate_open();
	for (uint32_t i = 1; i <= 4; i++)
		expect_held(hog, i);
	for (uint32_t i = 0; i < 2; i++)
		expect_held(other, 100 + i);
	for (uint32_t i = 0; i < 2; i++)
		expect_held(third, 200 + i);
	close(hog);
	close(other);
	close(third);
	dist_server_stop(server);
}

/* Nobody else wants it. */
static void
test_one_alone_may_fill_the_queue(void **state)
{
	struct dist_server_options options = { .workers = 1, .queue = 8 };
	struct dist_server *server = fixture_server(&options);
	int hog = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	send_hold(hog, 1);
	fixture_gate_wait(1);
	expect_alive(other, 1);
	for (uint32_t i = 0; i < 8; i++)
		send_hold(hog, 2 + i);
	send_hold(hog, 10);
	expect_busy(hog, 10);
	/* It is full, so others are told busy; but from now on its own share is smaller. */
	send_hold(other, 11);
	expect_busy(other, 11);
	assert_int_not_equal(server->loop.starved_ns, 0);
	fixture_gate_open();
	for (uint32_t i = 1; i <= 9; i++)
		expect_held(hog, i);
	close(hog);
	close(other);
	dist_server_stop(server);
}

static void
test_shares_are_of_bytes_as_well(void **state)
{
	struct dist_server_options options = { .workers = 1, .queue_bytes = 8192 };
	struct dist_server *server = fixture_server(&options);
	int hog = fixture_connect(server), other = fixture_connect(server);

	(void)state;
	send_hold(hog, 1);
	fixture_gate_wait(1);
	send_hold(other, 2);
	expect_alive(other, 3);
	send_echo(hog, 4, 4096);
	send_echo(hog, 5, 4);
	expect_busy(hog, 5);
	send_echo(other, 6, 2048);
	fixture_gate_open();
	expect_held(hog, 1);
	expect_held(other, 2);
	expect_held(hog, 4);
	expect_held(other, 6);
	close(hog);
	close(other);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_half_sent_connections_make_room_the_oldest_first),
	cmocka_unit_test(test_idle_connections_make_room_and_those_with_calls_do_not),
	cmocka_unit_test(test_no_more_connections_of_one_peer_than_allowed),
	cmocka_unit_test(test_a_watched_connection_is_spared_for_longer),
	cmocka_unit_test(test_a_search_for_room_is_bounded),
	cmocka_unit_test(test_whoever_makes_room_has_no_event_to_come),
	cmocka_unit_test(test_a_header_must_come_sooner_than_its_record),
	cmocka_unit_test(test_a_peer_that_takes_no_replies_ends_in_time),
	cmocka_unit_test(test_half_calls_hold_no_more_than_allowed_in_all),
	cmocka_unit_test(test_untaken_replies_hold_no_more_than_allowed_in_all),
	cmocka_unit_test(test_past_the_calls_of_a_connection_it_is_told_busy),
	cmocka_unit_test(test_past_the_bytes_of_the_queue_callers_are_told_busy),
	cmocka_unit_test(test_one_with_its_share_of_the_queue_is_told_busy_first),
	cmocka_unit_test(test_one_alone_may_fill_the_queue),
	cmocka_unit_test(test_shares_are_of_bytes_as_well),
};

CHECK_MAIN(tests)
