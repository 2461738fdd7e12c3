/* Reading: records cut and pipelined, broken ones, peers that take no replies. */
#include "fixture.h"

#include "server/core.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fixture_call
add_call(uint32_t xid, uint32_t a, uint32_t b)
{
	return (struct fixture_call){ .xid = xid,
		                      .prog = PROBE_PROG,
		                      .vers = 1,
		                      .proc = PROBE_ADD,
		                      .args = { a, b },
		                      .n_args = 2 };
}

/* That all before has been read, since a connection's bytes are read in order. */
static void
expect_alive(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_void(fd, xid);
}

static void
test_a_record_may_be_cut_at_every_byte(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server), other = fixture_connect(server);
	struct fixture_call call = add_call(1, 20, 22);
	uint8_t record[FIXTURE_CALL_MAX];
	size_t length = fixture_call_write(&call, record);

	(void)state;
	for (size_t cut = 1; cut < length; cut++) {
		fixture_send(fd, record, cut);
		/* Another one is served meanwhile, so the first part was read. */
		expect_alive(other, (uint32_t)cut);
		fixture_send(fd, record + cut, length - cut);
		fixture_expect_success(fd, 1, 42);
	}
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_fragments_are_joined(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	struct fixture_call call = add_call(3, 2, 3);
	uint8_t record[FIXTURE_CALL_MAX], cut[FIXTURE_CALL_MAX * 2], *at = cut;
	size_t length = fixture_call_write(&call, record);

	(void)state;
	/* One word a fragment (RFC 5531 section 11). */
	for (size_t i = 4; i < length; i += 4) {
		dist_store_be32(at, i + 4 == length ? 0x80000004u : 4);
		memcpy(at + 4, record + i, 4);
		at += 8;
	}
	for (int i = 0; i < 50; i++) {
		fixture_send(fd, cut, (size_t)(at - cut));
		fixture_expect_success(fd, 3, 5);
	}
	close(fd);
	dist_server_stop(server);
}

static int
compare_words(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

/* Many in one piece: each is answered once, in whatever order. */
static void
test_pipelined_calls_are_all_answered(void **state)
{
	enum { N = 3000 };
	struct dist_server_options options = { .workers = 2, .queue = N };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server);
	uint8_t *records = malloc((size_t)N * FIXTURE_CALL_MAX);
	uint32_t *xids = calloc(N, sizeof(*xids));
	struct fixture_reply reply;
	size_t length = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct fixture_call call = add_call(i, i, 1);

		length += fixture_call_write(&call, records + length);
	}
	for (int round = 0; round < 3; round++) {
		fixture_send(fd, records, length);
		for (uint32_t i = 0; i < N; i++) {
			assert_true(fixture_receive(fd, &reply));
			assert_int_equal(reply.n_words, 7);
			assert_int_equal(reply.words[5], SUCCESS);
			assert_int_equal(reply.words[6], reply.words[0] + 1);
			xids[i] = reply.words[0];
		}
		qsort(xids, N, sizeof(*xids), compare_words);
		for (uint32_t i = 0; i < N; i++)
			assert_int_equal(xids[i], i);
	}
	free(xids);
	free(records);
	close(fd);
	dist_server_stop(server);
}

/* --- Broken records ------------------------------------------------------------- */

static void
expect_only_this_ends(const void *bytes, size_t length)
{
	struct dist_server_options options = { .workers = 1, .max_record_bytes = 4096 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), other = fixture_connect(server);

	fixture_send(fd, bytes, length);
	fixture_expect_closed(fd);
	expect_alive(other, 1);
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_a_broken_record_ends_its_connection_alone(void **state)
{
	static const uint8_t too_long[] = { 0x80, 0, 0x10, 1 };
	static const uint8_t longest[] = { 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t no_call[] = { 0x80, 0, 0, 12, 0, 0, 0, 1,
		                           0,    0, 0, 1,  0, 0, 0, 2 };
	static const uint8_t cut_short[] = { 0x80, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0 };
	static const uint8_t empty[] = { 0x80, 0, 0, 0 };
	static const uint8_t web[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	uint8_t nothing[4 * 64] = { 0 }; /* fragments without end */
	/* A credential of 404 bytes (RFC 5531 section 8.2 allows 400). */
	uint8_t cred[4 + 24 + 8 + 404 + 8] = { 0x80, 0, 1, 0xbc };
	struct fixture_call call = add_call(1, 1, 1);
	uint8_t record[FIXTURE_CALL_MAX];

	(void)state;
	fixture_call_write(&call, record);
	memcpy(cred + 4, record + 4, 24);
	dist_store_be32(cred + 28, AUTH_SYS);
	dist_store_be32(cred + 32, 404);

	expect_only_this_ends(too_long, sizeof(too_long));
	expect_only_this_ends(longest, sizeof(longest));
	expect_only_this_ends(no_call, sizeof(no_call));
	expect_only_this_ends(cut_short, sizeof(cut_short));
	expect_only_this_ends(empty, sizeof(empty));
	expect_only_this_ends(web, sizeof(web) - 1);
	expect_only_this_ends(nothing, sizeof(nothing));
	expect_only_this_ends(cred, sizeof(cred));
}

/* What came before it was a call, and is answered. */
static void
test_calls_before_a_broken_record_are_answered(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	struct fixture_call call = { .xid = 5, .prog = PROBE_PROG, .vers = 1 };
	uint8_t bytes[FIXTURE_CALL_MAX + 8];
	size_t length = fixture_call_write(&call, bytes);

	(void)state;
	memset(bytes + length, 0xff, 8);
	fixture_send(fd, bytes, length + 8);
	fixture_expect_void(fd, 5);
	fixture_expect_closed(fd);
	close(fd);
	dist_server_stop(server);
}

static void
test_half_a_record_keeps_nobody_waiting_and_ends_in_time(void **state)
{
	struct dist_server_options options = { .workers = 1, .record_timeout_ms = 1 };
	struct dist_server *server = fixture_server(&options);
	int halves[20], other = fixture_connect(server);
	struct fixture_call call = add_call(1, 1, 1);
	uint8_t record[FIXTURE_CALL_MAX];

	(void)state;
	fixture_call_write(&call, record);
	for (int i = 0; i < 20; i++) {
		halves[i] = fixture_connect(server);
		fixture_send(halves[i], record, (size_t)i + 1);
	}
	expect_alive(other, 1);
	for (int i = 0; i < 20; i++) {
		fixture_expect_closed(halves[i]); /* by the next sweep */
		close(halves[i]);
	}
	expect_alive(other, 2);
	close(other);
	dist_server_stop(server);
}

static void
test_an_idle_connection_ends_in_time(void **state)
{
	struct dist_server_options options = { .workers = 1, .idle_timeout_ms = 1 };
	struct dist_server *server = fixture_server(&options);
	struct fixture_call call = { .xid = 1, .prog = PROBE_PROG, .vers = 1 };
	struct fixture_reply reply;
	int fd = fixture_connect(server);

	(void)state;
	/* On a busy machine it may end before its call. */
	for (fixture_send_call(fd, &call); !fixture_receive(fd, &reply);
	     fixture_send_call(fd, &call)) {
		close(fd);
		fd = fixture_connect(server);
	}
	fixture_expect_closed(fd);
	close(fd);
	dist_server_stop(server);
}

/* --- Peers that do not read ----------------------------------------------------- */

/*
 * Replies of 64 MiB in all to a peer that takes none: it is not read any more, so the
 * server keeps little of it, others are served, and in the end it gets them all.
 */
static void
test_a_peer_that_takes_no_replies_is_not_read_further(void **state)
{
	enum { N = 1024, SIZE = 64 * 1024 };
	struct dist_server_options options = { .workers = 1, .queue = N };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect_small(server), other = fixture_connect(server);
	struct fixture_call call = { .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_MAKE,
		                     .args = { SIZE },
		                     .n_args = 1 };
	char *bytes = malloc(28 + SIZE);

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		call.xid = i;
		fixture_send_call(fd, &call);
	}
	expect_alive(other, 1);
	for (uint32_t i = 0; i < N; i++) {
		size_t length = 4 + 24 + 4 + SIZE;
		char *record = malloc(length);

		assert_int_equal(recv(fd, record, length, MSG_WAITALL), length);
		free(record);
	}
	expect_alive(fd, 2);
	free(bytes);
	close(fd);
	close(other);
	dist_server_stop(server);
}

static bool
nothing_waits(void *arg)
{
	struct dist_server_load load;

	dist_server_load(arg, &load);
	return load.queued == 0 && load.running == 0;
}

/*
 * What it had queued before is another matter: the replies of a thousand small calls
 * may be of any size, and are not all kept.
 */
static void
test_a_peer_that_takes_no_replies_has_few_of_them_kept(void **state)
{
	enum { N = 1000, SIZE = 64 * 1024 };
	struct dist_server_options options = { .workers = 1,
		                               .queue = N,
		                               .max_record_bytes = 2 * SIZE };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect_small(server), other = fixture_connect(server);
	struct fixture_call call = { .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_HOLD,
		                     .args = { SIZE },
		                     .n_args = 1 };
	char *bytes = malloc(SIZE);
	unsigned n_made = 0;

	(void)state;
	fixture_gate_reset();
	fixture_send_call(other, &call);
	fixture_gate_wait(1);
	call.proc = PROBE_MAKE;
	for (call.xid = 0; call.xid < N; call.xid++)
		fixture_send_call(fd, &call);
	expect_alive(fd, N); /* so all have been read, and wait */
	fixture_gate_open();
	fixture_until(nothing_waits, server); /* none is taken before all are answered */
	for (unsigned i = 0; i < N; i++) {
		size_t length = 4 + 24;

		assert_int_equal(recv(fd, bytes, length, MSG_WAITALL), length);
		if (dist_load_be32((uint8_t *)bytes + 24) != SUCCESS)
			continue; /* SYSTEM_ERR: the sender has not said that it knows more */
		n_made++;
		assert_int_equal(recv(fd, bytes, 4, MSG_WAITALL), 4);
		assert_int_equal(recv(fd, bytes, SIZE, MSG_WAITALL), SIZE);
	}
	assert_in_range(n_made, 3, N - 1);
	free(bytes);
	close(fd);
	close(other);
	dist_server_stop(server);
}

/*
 * The output fills up between the look at it and the first record: what has been read
 * must not be forgotten. This thread plays the holder of the loop role.
 */
static void
test_a_turn_that_ends_at_once_forgets_no_record(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct fixture_call call = { .xid = 1, .prog = PROBE_PROG, .vers = 1 };
	struct dist_server *server = NULL;
	struct dist_server_conn *conn;
	struct pollfd poll_conn = { .events = POLLIN };
	struct dist_worker *self;
	int fd;

	(void)state;
	assert_ok(dist_server_open(&server, &options));
	assert_ok(dist_server_add(server, &probe_prog_1_service));
	self = &server->workers.threads[0];
	fd = fixture_connect(server);
	fixture_accept(server);
	conn = DIST_CONTAINER_OF(server->loop.conns.next, struct dist_server_conn, link);
	fixture_send_call(fd, &call);
	poll_conn.fd = conn->fd;
	assert_int_equal(poll(&poll_conn, 1, 20000), 1);

	atomic_store(&conn->unsent, DIST_SERVER_OUTPUT_MAX + 1);
	assert_true(dist_server_turn_begin(self, conn));
	assert_true(conn->has_records);
	assert_true(conn->stalled);
	atomic_store(&conn->unsent, 0);
	/* One that took too long leaves it to the next to see that there is no more. */
	do
		assert_true(dist_server_turn_begin(self, conn));
	while (conn->has_records);
	fixture_expect_void(fd, 1);
	assert_false(conn->stalled);
	close(fd);
	dist_server_stop(server);
}

/* --- Many connections ----------------------------------------------------------- */

static void
test_no_more_connections_than_allowed(void **state)
{
	struct dist_server_options options = { .workers = 1,
		                               .max_connections = 3,
		                               .idle_spared_ms = 1000000 };
	struct dist_server *server = fixture_server(&options);
	int fds[3], more;

	(void)state;
	for (int i = 0; i < 3; i++) {
		fds[i] = fixture_connect(server);
		expect_alive(fds[i], 1);
	}
	more = fixture_connect(server);
	fixture_expect_closed(more);
	close(more);
	for (int i = 0; i < 3; i++) {
		expect_alive(fds[i], 2);
		close(fds[i]);
	}
	dist_server_stop(server);
}

/*
 * Without a descriptor left newcomers are turned away at once, those who are there are
 * served, and so are newcomers as soon as there are descriptors again.
 */
static void
test_descriptors_may_run_out(void **state)
{
	const struct dist_server_options options = { .workers = 2,
		                                     .idle_spared_ms = 1000000 };
	struct dist_server *server = fixture_server(&options);
	int fd = fixture_connect(server), fds[5];
	struct rlimit before, none;

	(void)state;
	expect_alive(fd, 1);
	for (int i = 0; i < 5; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)fds[4] + 1; /* descriptors are given from below */
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 5; i++) {
		fixture_connect_socket(server, fds[i]);
		fixture_expect_closed(fds[i]);
		expect_alive(fd, 2);
	}
	setrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < 5; i++) {
		close(fds[i]);
		fds[i] = fixture_connect(server);
		expect_alive(fds[i], 3);
	}
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	close(fd);
	dist_server_stop(server);
}

static void
test_many_connections_are_served_side_by_side(void **state)
{
	enum { N = 300 };
	struct dist_server *server = fixture_server(NULL);
	int fds[N];

	(void)state;
	for (int i = 0; i < N; i++)
		fds[i] = fixture_connect(server);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			struct fixture_call call =
				add_call((uint32_t)i, 1, (uint32_t)i);

			fixture_send_call(fds[i], &call);
		}
		for (int i = N - 1; i >= 0; i--)
			fixture_expect_success(fds[i], (uint32_t)i, (uint32_t)i + 1);
	}
	for (int i = 0; i < N; i++)
		close(fds[i]);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_record_may_be_cut_at_every_byte),
	cmocka_unit_test(test_fragments_are_joined),
	cmocka_unit_test(test_pipelined_calls_are_all_answered),
	cmocka_unit_test(test_a_broken_record_ends_its_connection_alone),
	cmocka_unit_test(test_calls_before_a_broken_record_are_answered),
	cmocka_unit_test(test_half_a_record_keeps_nobody_waiting_and_ends_in_time),
	cmocka_unit_test(test_an_idle_connection_ends_in_time),
	cmocka_unit_test(test_a_peer_that_takes_no_replies_is_not_read_further),
	cmocka_unit_test(test_a_peer_that_takes_no_replies_has_few_of_them_kept),
	cmocka_unit_test(test_a_turn_that_ends_at_once_forgets_no_record),
	cmocka_unit_test(test_no_more_connections_than_allowed),
	cmocka_unit_test(test_descriptors_may_run_out),
	cmocka_unit_test(test_many_connections_are_served_side_by_side),
};

CHECK_MAIN(tests)
