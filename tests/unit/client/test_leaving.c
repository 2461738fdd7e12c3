/*
 * What a server says of itself ends with its connection, and says nothing of whoever is at
 * that address next. So do last words that are heard when that has ended already: another
 * thread met the end while the one that reads still had them in hand.
 */
#include "support/check.h"

#include <dist/dist.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "client/cluster.h"
#include "client/runtime_internal.h"
#include "idl/node.h"
#include "io/socket.h"
#include "probe.h"
#include "unit/io/held_loop.h"

#define WORDS_MAX 32
/* Longer than anything here takes. */
#define PATIENCE_MS 20000

/* --- The server ---------------------------------------------------------------------- */

/*
 * At @port, or any: 0. Of an address that is this process's alone, so that nobody else has
 * the port while nobody listens there.
 */
static int
listen_at(int port, struct dist_sockaddr *ret_address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	uint32_t host = INADDR_LOOPBACK + ((uint32_t)getpid() & 0x3fffff);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	*ret_address = (struct dist_sockaddr){
		.in = { .sin_family = AF_INET,
		        .sin_port = htons((uint16_t)port),
		        .sin_addr.s_addr = htonl(host) },
		.length = sizeof(struct sockaddr_in),
	};
	assert_int_equal(bind(fd, &ret_address->sa, ret_address->length), 0);
	assert_int_equal(listen(fd, 8), 0);
	*ret_address = dist_socket_local(fd);
	return fd;
}

/* Its xid. */
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

struct words {
	uint8_t bytes[4 * WORDS_MAX];
	unsigned n;
};

static void
put(struct words *words, uint32_t word)
{
	assert_true(words->n < WORDS_MAX);
	dist_store_be32(words->bytes + 4 * words->n++, word);
}

static void
put_success(struct words *words, uint32_t xid, uint32_t result)
{
	const uint32_t reply[] = { 0x8000001c, xid, REPLY,   MSG_ACCEPTED,
		                   AUTH_NONE,  0,   SUCCESS, result };

	for (unsigned i = 0; i < sizeof(reply) / 4; i++)
		put(words, reply[i]);
}

static void
put_not_run(struct words *words, uint32_t xid, enum dist_not_run why)
{
	const uint32_t reply[] = { 0x80000020,     xid, REPLY, MSG_ACCEPTED, DIST_META,
		                   DIST_META_SIZE, 0,   why,   SYSTEM_ERR };

	for (unsigned i = 0; i < sizeof(reply) / 4; i++)
		put(words, reply[i]);
}

static void
put_goodbye(struct words *words, uint32_t xid)
{
	(void)xid;
	put_not_run(words, 0, DIST_NOT_RUN_GOODBYE);
}

static void
put_draining(struct words *words, uint32_t xid)
{
	put_not_run(words, xid, DIST_NOT_RUN_DRAINING);
}

static void
put_no_program(struct words *words, uint32_t xid)
{
	const uint32_t reply[] = { 0x80000018, xid, REPLY,       MSG_ACCEPTED,
		                   AUTH_NONE,  0,   PROG_UNAVAIL };

	for (unsigned i = 0; i < sizeof(reply) / 4; i++)
		put(words, reply[i]);
}

/* With one system call, so that they are received together. */
static void
say(int fd, const struct words *words)
{
	assert_int_equal(send(fd, words->bytes, 4 * words->n, MSG_NOSIGNAL), 4 * words->n);
}

static void
reset(int fd)
{
	struct linger at_once = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* --- The client ---------------------------------------------------------------------- */

static struct dist_cluster *
cluster_of(const struct dist_sockaddr *address)
{
	char text[DIST_ADDRESS_TEXT_MAX];
	const struct dist_cluster_options options = {
		.servers = dist_sockaddr_format(address, text),
	};
	struct dist_cluster *cluster;

	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	return cluster;
}

/* A call that is answered, over a new connection. */
static void
call_and_answer(CLIENT *clnt, int listener, int *fd)
{
	struct pollfd comes = { .fd = listener, .events = POLLIN };
	struct words words = { .n = 0 };
	struct dist_waiter *waiter;
	int sum = 0;

	waiter = dist_go(clnt, probe_add_1, 1, 2, &sum);
	if (!waiter)
		fail_msg("%s", dist_error_text());
	assert_int_equal(poll(&comes, 1, PATIENCE_MS), 1);
	*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	put_success(&words, take_call(*fd), 3);
	say(*fd, &words);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(sum, 3);
	dist_waiter_free(waiter);
}

/* Its own thread is kept from reading, so that a caller does. */
static void
hold_cluster(struct held_loop *held, struct dist_cluster *cluster)
{
	hold_loop(held, dist_runtime_loop(cluster->route.runtime));
}

/* A caller that takes its time over the result, and has what came behind it in hand. */
struct reader {
	pthread_t thread;
	CLIENT *clnt;
	enum clnt_stat stat;
};

static sem_t decoding, decoded;

static bool_t
xdr_slowly(XDR *xdrs, ...)
{
	uint32_t result;

	if (xdrs->x_op != XDR_DECODE)
		return TRUE;
	sem_post(&decoding);
	sem_wait(&decoded);
	return xdr_uint32_t(xdrs, &result);
}

static void *
reader_main(void *arg)
{
	static const struct timeval unused;
	struct reader *reader = arg;

	reader->stat = clnt_call(reader->clnt, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                         (xdrproc_t)xdr_slowly, NULL, unused);
	return NULL;
}

/* The end of its connection is met by this thread: until it is, a call is in vain. */
static void
meet_the_end(struct dist_cluster *cluster)
{
	const struct dist_call_options hasty = { .timeout_ms = 1000 };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &hasty);
	int sum;

	do
		assert_int_not_equal(probe_add_1(1, 2, &sum, clnt), RPC_SUCCESS);
	while (dist_error_last() != DIST_ECONNECT);
	clnt_destroy(clnt);
}

/* --- Tests --------------------------------------------------------------------------- */

/* @put_last: the last words, which may be the answer to a call. */
static void
leave_and_come_back(void (*put_last)(struct words *words, uint32_t xid))
{
	struct dist_sockaddr address;
	int listener = listen_at(0, &address), fd;
	struct dist_cluster *cluster = cluster_of(&address);
	struct reader reader = { .clnt = dist_client_create(cluster, PROBE_PROG, 1) };
	struct words words = { .n = 0 };
	struct dist_waiter *last;
	struct held_loop held;
	uint32_t xids[2];
	int sum;

	sem_init(&decoding, 0, 0);
	sem_init(&decoded, 0, 0);
	call_and_answer(reader.clnt, listener, &fd);

	hold_cluster(&held, cluster);
	assert_int_equal(pthread_create(&reader.thread, NULL, reader_main, &reader), 0);
	xids[0] = take_call(fd);
	last = dist_go(reader.clnt, probe_add_1, 1, 2, &sum);
	assert_non_null(last);
	/* Nobody but this thread would send it: the reader sleeps. */
	assert_err(dist_waiter_wait(last, 1), DIST_ETIMEDOUT);
	xids[1] = take_call(fd);
	put_success(&words, xids[0], 0);
	put_last(&words, xids[1]);
	say(fd, &words);
	sem_wait(&decoding);
	let_loop_go(&held);

	close(listener);
	reset(fd);
	meet_the_end(cluster);
	sem_post(&decoded);
	pthread_join(reader.thread, NULL);
	assert_int_equal(reader.stat, RPC_SUCCESS);
	assert_int_not_equal(dist_waiter_wait(last, DIST_FOREVER), DIST_OK);
	dist_waiter_free(last);

	listener = listen_at(dist_sockaddr_port(&address), &address);
	call_and_answer(reader.clnt, listener, &fd);
	clnt_destroy(reader.clnt);
	dist_cluster_close(cluster);
	close(fd);
	close(listener);
}

static void
test_a_goodbye_heard_too_late_keeps_nobody_away(void **state)
{
	(void)state;
	leave_and_come_back(put_goodbye);
}

static void
test_draining_heard_too_late_keeps_nobody_away(void **state)
{
	(void)state;
	leave_and_come_back(put_draining);
}

static void
test_no_such_program_heard_too_late_keeps_nobody_away(void **state)
{
	(void)state;
	leave_and_come_back(put_no_program);
}

/* The next one at its address may serve it. */
static void
test_no_such_program_is_forgotten_with_the_connection(void **state)
{
	const struct dist_call_options patient = { .wait_for_nodes_ms = PATIENCE_MS };
	struct dist_sockaddr address;
	int listener = listen_at(0, &address), fd, sum;
	struct dist_cluster *cluster = cluster_of(&address);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct words words = { .n = 0 };
	struct dist_waiter *waiter;

	(void)state;
	waiter = dist_go(clnt, probe_add_1, 1, 2, &sum);
	assert_non_null(waiter);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	put_no_program(&words, take_call(fd));
	say(fd, &words);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ERPC);
	assert_int_equal(dist_waiter_status(waiter), RPC_PROGUNAVAIL);
	dist_waiter_free(waiter);
	/* As long as it is the same one it is not asked again. */
	assert_null(dist_go(clnt, probe_add_1, 1, 2, &sum));
	assert_err(dist_error_last(), DIST_ENONODE);
	clnt_destroy(clnt);

	close(fd);
	clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &patient);
	call_and_answer(clnt, listener, &fd);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	close(fd);
	close(listener);
}

/* What came before the end is heard, also where the end is met by sending. */
static void
test_what_was_said_is_heard_though_a_send_fails(void **state)
{
	struct dist_sockaddr address;
	int listener = listen_at(0, &address), fd, sums[3];
	struct dist_cluster *cluster = cluster_of(&address);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct words words = { .n = 0 };
	struct dist_waiter *waiters[3];
	struct held_loop held;

	(void)state;
	call_and_answer(clnt, listener, &fd);
	hold_cluster(&held, cluster);
	for (int i = 0; i < 2; i++) {
		waiters[i] = dist_go(clnt, probe_add_1, 1, 2, &sums[i]);
		assert_non_null(waiters[i]);
	}
	/* Nobody but this thread sends them. */
	assert_err(dist_waiter_wait(waiters[1], 1), DIST_ETIMEDOUT);
	put_success(&words, take_call(fd), 3);
	(void)take_call(fd);
	put_goodbye(&words, 0);
	say(fd, &words);
	close(listener);
	reset(fd);

	waiters[2] = dist_go(clnt, probe_add_1, 1, 2, &sums[2]);
	assert_non_null(waiters[2]);
	(void)!dist_waiter_wait(waiters[2], 1);
	let_loop_go(&held);
	assert_ok(dist_waiter_wait(waiters[0], DIST_FOREVER));
	assert_err(dist_waiter_wait(waiters[1], DIST_FOREVER), DIST_EBUSY);
	assert_int_not_equal(dist_waiter_wait(waiters[2], DIST_FOREVER), DIST_OK);
	for (int i = 0; i < 3; i++)
		dist_waiter_free(waiters[i]);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_goodbye_heard_too_late_keeps_nobody_away),
	cmocka_unit_test(test_draining_heard_too_late_keeps_nobody_away),
	cmocka_unit_test(test_no_such_program_heard_too_late_keeps_nobody_away),
	cmocka_unit_test(test_no_such_program_is_forgotten_with_the_connection),
	cmocka_unit_test(test_what_was_said_is_heard_though_a_send_fails),
};

CHECK_MAIN(tests)
