/*
 * A runtime that is late to see a deadline. The node's procedure saw it in time and gave no
 * result, and that answer is there before the runtime looks at its watch.
 */
#include "support/check.h"

#include <dist/waiter.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "client/peer.h"
#include "client/runtime_internal.h"
#include "io/socket.h"
#include "probe.h"
#include "unit/io/held_loop.h"

#define TIMEOUT_MS 50

static int
listen_somewhere(struct dist_sockaddr *ret_address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct dist_sockaddr){
		.in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
		.length = sizeof(struct sockaddr_in),
	};
	assert_int_equal(bind(fd, &ret_address->sa, ret_address->length), 0);
	assert_int_equal(listen(fd, 1), 0);
	*ret_address = dist_socket_local(fd);
	return fd;
}

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	(void)waiter;
	sem_post(arg);
}

static uint32_t
take_call(int fd)
{
	uint8_t mark[4], record[1024];
	size_t length;

	assert_int_equal(recv(fd, mark, 4, MSG_WAITALL), 4);
	length = dist_load_be32(mark) & 0x7fffffff;
	assert_true(length >= 40 && length <= sizeof(record));
	assert_int_equal(recv(fd, record, length, MSG_WAITALL), length);
	return dist_load_be32(record);
}

static void
answer(int fd, uint32_t xid, enum accept_stat stat)
{
	const uint32_t words[] = { 0x80000018, xid, REPLY, MSG_ACCEPTED,
		                   AUTH_NONE,  0,   stat };
	uint8_t bytes[sizeof(words)];

	for (unsigned i = 0; i < sizeof(words) / 4; i++)
		dist_store_be32(bytes + 4 * i, words[i]);
	assert_int_equal(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

/* Its deadline passes, then it is answered, and then the runtime's thread goes on. */
static void
answer_late(CLIENT *clnt, int fd, struct dist_runtime *runtime)
{
	struct timespec longer = { 0, (TIMEOUT_MS + 10) * 1000000 };
	struct dist_waiter *waiter;
	struct held_loop held;
	int sum = 0;
	sem_t ended;

	sem_init(&ended, 0, 0);
	hold_loop(&held, dist_runtime_loop(runtime));
	waiter = dist_go(clnt, probe_add_1, 1, 2, &sum);
	assert_non_null(waiter);
	assert_ok(dist_waiter_then(waiter, on_end, &ended));
	nanosleep(&longer, NULL);
	answer(fd, take_call(fd), SYSTEM_ERR);
	let_loop_go(&held);

	sem_wait(&ended);
	assert_err(dist_waiter_wait(waiter, 0), DIST_EDEADLINE);
	dist_waiter_free(waiter);
}

static void
test_an_error_that_comes_after_the_deadline_is_the_deadline(void **state)
{
	const struct dist_call_options hasty = { .timeout_ms = TIMEOUT_MS };
	const struct dist_peer_options none = { 0 };
	struct dist_waiter *first;
	struct dist_sockaddr address;
	struct dist_runtime *runtime;
	struct dist_peer *peer;
	CLIENT *clnt, *patient;
	int listener = listen_somewhere(&address), fd, sum;
	sem_t ended;

	(void)state;
	assert_ok(dist_runtime_start(&runtime, "late"));
	assert_ok(dist_peer_open(&peer, runtime, &address, &none));
	clnt = dist_peer_client(peer, PROBE_PROG, 1, &hasty);
	patient = dist_peer_client(peer, PROBE_PROG, 1, NULL);

	/* Nobody waits for the first, so the runtime's thread listens from here on. */
	sem_init(&ended, 0, 0);
	first = dist_go(patient, probe_add_1, 3, 4, &sum);
	assert_non_null(first);
	assert_ok(dist_waiter_then(first, on_end, &ended));
	fd = accept(listener, NULL, NULL);
	answer(fd, take_call(fd), SYSTEM_ERR);
	sem_wait(&ended);
	assert_err(dist_waiter_wait(first, 0), DIST_ERPC);
	dist_waiter_free(first);

	answer_late(clnt, fd, runtime);

	clnt_destroy(clnt);
	clnt_destroy(patient);
	dist_peer_close(peer);
	dist_runtime_stop(runtime);
	close(fd);
	close(listener);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_an_error_that_comes_after_the_deadline_is_the_deadline),
};

CHECK_MAIN(tests)
