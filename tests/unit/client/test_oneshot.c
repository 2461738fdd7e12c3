/* One call on a connection of its own, against peers that answer badly or not at all.
 */
#include "client/oneshot.h"

#include "support/check.h"

#include "base/clock.h"
#include "io/socket.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Takes one connection, reads a call of 44 bytes (mark, header, no arguments), says
 * @bytes, and closes; NULL: says nothing, and closes when the caller does. */
struct rude_peer {
	struct dist_listeners listeners;
	const void *bytes;
	size_t length;
	pthread_t thread;
};

static void *
peer_run(void *arg)
{
	struct rude_peer *peer = arg;
	int fd = accept4(peer->listeners.fds[0], NULL, NULL, SOCK_CLOEXEC);
	char call[44];

	if (fd < 0)
		return NULL;
	(void)!recv(fd, call, sizeof(call), MSG_WAITALL);
	if (peer->bytes)
		(void)!send(fd, peer->bytes, peer->length, MSG_NOSIGNAL);
	else
		(void)!recv(fd, call, sizeof(call), 0);
	close(fd);
	return NULL;
}

static void
peer_start(struct rude_peer *peer, const void *bytes, size_t length)
{
	peer->bytes = bytes;
	peer->length = length;
	assert_ok(dist_listeners_open(&peer->listeners, "127.0.0.1:0", 0));
	/* The listener is waited on by a thread here. */
	assert_int_equal(fcntl(peer->listeners.fds[0], F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static void
peer_stop(struct rude_peer *peer)
{
	pthread_join(peer->thread, NULL);
	dist_listeners_close(&peer->listeners);
}

static enum dist_err
call(const struct dist_sockaddr *address, int64_t timeout_ms, const atomic_bool *stop)
{
	const struct dist_oneshot oneshot = { .address = address,
		                              .prog = 0x20000001,
		                              .vers = 1,
		                              .deadline_ns =
		                                      dist_deadline_in_ms(timeout_ms),
		                              .stop = stop };
	u_int result = 0;
	enum dist_err err = dist_oneshot_call(&oneshot, 1, (xdrproc_t)xdr_void, NULL,
	                                      (xdrproc_t)xdr_u_int, &result);

	if (!err)
		assert_int_equal(result, 7);
	return err;
}

struct row {
	const char *name;
	const char *bytes;
	size_t length;
	enum dist_err expected;
};

#define ROW(name, bytes, expected) \
	{ \
		name, bytes, sizeof(bytes) - 1, expected \
	}
#define MARK(n)  "\x80\0\0" n
#define HEAD     "\0\0\0\1\0\0\0\1"
#define ACCEPTED HEAD "\0\0\0\0\0\0\0\0\0\0\0\0"

static void
test_each_answer_has_its_error(void **state)
{
	static const struct row rows[] = {
		ROW("good", MARK("\x1c") ACCEPTED "\0\0\0\0\0\0\0\7", DIST_OK),
		ROW("no program", MARK("\x18") ACCEPTED "\0\0\0\1", DIST_ENONODE),
		ROW("no procedure", MARK("\x18") ACCEPTED "\0\0\0\3", DIST_ERPC),
		ROW("no result", MARK("\x18") ACCEPTED "\0\0\0\0", DIST_EDECODE),
		ROW("another xid",
		    MARK("\x1c") "\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0"
		                 "\0\0\0\0\0\0\0\7",
		    DIST_EPROTO),
		ROW("no reply", MARK("\x04") "\0\0\0\1", DIST_EPROTO),
		ROW("half a record", MARK("\x1c") HEAD, DIST_ECONNRESET),
		ROW("closed", "", DIST_ECONNRESET),
		ROW("endless", "\xff\xff\xff\xff" ACCEPTED, DIST_ETOOBIG),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rude_peer peer;
		enum dist_err err;

		peer_start(&peer, rows[i].bytes, rows[i].length);
		err = call(&peer.listeners.address, 20000, NULL);
		if (err != rows[i].expected)
			print_error("%s:\n", rows[i].name);
		assert_err(err, rows[i].expected);
		peer_stop(&peer);
	}
}

static void
test_a_silent_peer_costs_the_deadline_and_no_more(void **state)
{
	int64_t start_ns = dist_clock_ns();
	struct rude_peer peer;

	(void)state;
	peer_start(&peer, NULL, 0);
	assert_err(call(&peer.listeners.address, 50, NULL), DIST_EDEADLINE);
	assert_true(dist_clock_ns() - start_ns >= 50 * DIST_NS_PER_MS);
	peer_stop(&peer);
}

static void
test_being_stopped_ends_it(void **state)
{
	atomic_bool stop = true;
	struct rude_peer peer;

	(void)state;
	peer_start(&peer, NULL, 0);
	assert_err(call(&peer.listeners.address, 60000, &stop), DIST_ECLOSED);
	peer_stop(&peer);
}

static void
test_a_closed_port_is_named(void **state)
{
	struct dist_listeners listeners;
	char address[DIST_ADDRESS_TEXT_MAX];

	(void)state;
	assert_ok(dist_listeners_open(&listeners, "127.0.0.1:0", 0));
	dist_listeners_close(&listeners);
	assert_err(call(&listeners.address, 20000, NULL), DIST_ECONNECT);
	assert_non_null(strstr(dist_error_text(),
	                       dist_sockaddr_format(&listeners.address, address)));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_each_answer_has_its_error),
	cmocka_unit_test(test_a_silent_peer_costs_the_deadline_and_no_more),
	cmocka_unit_test(test_being_stopped_ends_it),
	cmocka_unit_test(test_a_closed_port_is_named),
};

CHECK_MAIN(tests)
