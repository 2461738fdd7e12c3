/*
 * The client's way of replies: a connection with calls in flight, of all types of
 * result, and a peer that sends any bytes at all. Whatever it sends:
 *
 *   - each call ends once, its callback runs once, and one that was in flight until then
 *     can be cancelled;
 *   - none ends well unless a reply with its xid was sent, or more than one;
 *   - a call on another connection of the same runtime, to a peer that behaves, gets its
 *     answer all the same.
 *
 * Connections are real ones over loopback, and the client has its own threads, so what
 * is read when is not the same in each run; what must hold does not depend on it.
 */
#include "client/peer.h"
#include "wire/callmsg.h"

#include "fuzz_proc.h"
#include "idl/node.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "bytes_buffer.h"
#include "steps.h"
#include "stream.h"

#include <arpa/inet.h>
#include <dist/log.h>
#include <dist/waiter.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_RECORD ((size_t)65536)

enum {
	REPLY_TO = STEP_N_COMMON, /* a record whose first word is made a call's xid */
	CANCEL,                   /* a call is given up */
	LOOK,                     /* its waiter is asked, and a thread reads */
	N_STEPS,
};

/* In an input's first byte. */
#define WITH_META 1 /* the peer has announced our verifier */
#define STAYS     2 /* the peer does not close: calls are cancelled at the end */

enum { SUM, ECHO, SHAPE, LATER, WHO, MAKE, N_CALLS };

union result {
	quad_t sum;
	fuzz_bytes bytes;
	fuzz_shape shape;
	int number;
	fuzz_name name;
};

static const xdrproc_t result_types[N_CALLS] = {
	(xdrproc_t)xdr_quad_t, (xdrproc_t)xdr_fuzz_bytes, (xdrproc_t)xdr_fuzz_shape,
	(xdrproc_t)xdr_int,    (xdrproc_t)xdr_fuzz_name,  (xdrproc_t)xdr_fuzz_bytes,
};

/* xids start where an input can know it. */
ssize_t
getrandom(void *buffer, size_t length, unsigned flags)
{
	(void)flags;
	memset(buffer, 0x5a, length);
	return (ssize_t)length;
}

/* --- Callbacks ---------------------------------------------------------------- */

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told_more = PTHREAD_COND_INITIALIZER;
static unsigned n_told;

struct call {
	struct dist_waiter *waiter;
	union result result;
	uint32_t xid;
	bool told; /* under told_lock */
};

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	struct call *call = arg;

	FUZZ_CHECK(waiter == call->waiter);
	pthread_mutex_lock(&told_lock);
	FUZZ_CHECK(!call->told);
	call->told = true;
	n_told++;
	pthread_cond_signal(&told_more);
	pthread_mutex_unlock(&told_lock);
}

/* Until all were told; the count begins again. */
static void
await_all_told(void)
{
	pthread_mutex_lock(&told_lock);
	while (n_told < N_CALLS)
		pthread_cond_wait(&told_more, &told_lock);
	n_told = 0;
	pthread_mutex_unlock(&told_lock);
}

/* --- The other side ----------------------------------------------------------- */

static struct dist_runtime *runtime;
static int listener = -1;
static struct dist_sockaddr address;

static struct dist_peer *
dial(CLIENT **ret_client, unsigned features)
{
	const struct dist_peer_options options = { .features = features,
		                                   .max_record_bytes = MAX_RECORD };
	struct dist_peer *peer;

	FUZZ_CHECK(dist_peer_open(&peer, runtime, &address, &options) == DIST_OK);
	*ret_client = dist_peer_client(peer, FUZZ_PROG, FUZZ_V1, NULL);
	FUZZ_CHECK(*ret_client);
	return peer;
}

static int
take_connection(void)
{
	struct timeval limit = { 100, 0 };
	int fd = fuzz_accept(listener), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* One record of the client's, which are small. Returns its xid. */
static uint32_t
take_call(int fd)
{
	uint8_t bytes[1024];
	uint32_t length;

	fuzz_take(fd, bytes, 4);
	length = dist_load_be32(bytes) & ~DIST_RECORD_LAST;
	FUZZ_CHECK(length >= 40 && length <= sizeof(bytes));
	fuzz_take(fd, bytes, length);
	return dist_load_be32(bytes);
}

/* --- One that behaves --------------------------------------------------------- */

static CLIENT *good_client;
static int good_fd = -1;

static struct dist_waiter *
good_begin(quad_t *sum)
{
	static int numbers[] = { 1, 2 };

	return dist_go(good_client, fuzz_sum_1, (fuzz_ints){ 2, numbers }, sum);
}

static void
good_end(struct dist_waiter *waiter, const quad_t *sum)
{
	uint8_t reply[4 + DIST_REPLY_HEADER_MIN + 8];
	uint32_t xid = take_call(good_fd);

	dist_record_mark(reply, sizeof(reply) - 4);
	FUZZ_CHECK(dist_reply_header_write(reply + 4, xid, SUCCESS, NULL) ==
	           DIST_REPLY_HEADER_MIN);
	dist_store_be64(reply + 4 + DIST_REPLY_HEADER_MIN, 3);
	FUZZ_CHECK(send(good_fd, reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply));
	FUZZ_CHECK(dist_waiter_wait(waiter, DIST_FOREVER) == DIST_OK);
	FUZZ_CHECK(*sum == 3);
	dist_waiter_free(waiter);
}

/* --- Once --------------------------------------------------------------------- */

static void
on_log(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level;
	(void)id;
	(void)arg;
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void
open_all(void)
{
	struct dist_waiter *waiter;
	quad_t sum = 0;

	dist_log_set_sink(on_log, NULL, DIST_LOG_DEBUG);
	FUZZ_CHECK(dist_runtime_start(&runtime, "fuzz") == DIST_OK);
	FUZZ_CHECK(dist_sockaddr_from_numeric("127.0.0.1", 0, &address));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(!bind(listener, &address.sa, address.length));
	FUZZ_CHECK(!listen(listener, 16));
	FUZZ_CHECK(!getsockname(listener, &address.sa, &address.length));
	(void)dial(&good_client, 0);
	waiter = good_begin(&sum);
	FUZZ_CHECK(waiter);
	good_fd = take_connection();
	good_end(waiter, &sum);
}

/* --- The calls ---------------------------------------------------------------- */

static void
begin_calls(CLIENT *client, struct call *calls)
{
	static int numbers[] = { 1, 2, 3 };
	fuzz_shape shape = { .name = "" };

	calls[SUM].waiter = dist_go(client, fuzz_sum_1, (fuzz_ints){ 3, numbers },
	                            &calls[SUM].result.sum);
	calls[ECHO].waiter = dist_go(client, fuzz_echo_1, (fuzz_bytes){ 0, NULL },
	                             &calls[ECHO].result.bytes);
	calls[SHAPE].waiter =
		dist_go(client, fuzz_shape_1, shape, &calls[SHAPE].result.shape);
	calls[LATER].waiter =
		dist_go(client, fuzz_later_1, 7, &calls[LATER].result.number);
	calls[WHO].waiter = dist_go(client, fuzz_who_1, &calls[WHO].result.name);
	calls[MAKE].waiter =
		dist_go(client, fuzz_make_1, 10, &calls[MAKE].result.bytes);
	for (unsigned i = 0; i < N_CALLS; i++) {
		FUZZ_CHECK(calls[i].waiter);
		FUZZ_CHECK(!dist_waiter_then(calls[i].waiter, on_end, &calls[i]));
	}
}

/* Whether a record of @sent is a reply to it. */
static bool
was_answered(const struct call *call, const struct bytes_buffer *sent)
{
	static uint8_t joined[MAX_RECORD + 8];
	struct stream stream = { .at = sent->data,
		                 .max_record = MAX_RECORD,
		                 .joined = joined };
	struct dist_reply_header header;
	bool have = sent->length > 0;
	size_t length;

	if (have)
		stream.end = stream.at + sent->length;
	while (have && !stream_next(&stream, &length, &have) && have) {
		if (!dist_reply_header_read((struct dist_bytes){ joined, length },
		                            &header) &&
		    header.xid == call->xid)
			return true;
	}
	return false;
}

static void
check_call(struct call *call, unsigned number, const struct bytes_buffer *sent)
{
	enum dist_err err = dist_waiter_wait(call->waiter, DIST_FOREVER);
	enum clnt_stat stat = dist_waiter_status(call->waiter);

	FUZZ_CHECK(err != DIST_ETIMEDOUT && dist_waiter_done(call->waiter));
	FUZZ_CHECK(stat != RPC_INPROGRESS);
	FUZZ_CHECK((err == DIST_OK) == (stat == RPC_SUCCESS));
	FUZZ_CHECK((err == DIST_OK) == (*dist_waiter_error(call->waiter) == '\0'));
	if (err == DIST_OK || err == DIST_ERPC || err == DIST_EDECODE)
		FUZZ_CHECK(was_answered(call, sent));
	(void)dist_waiter_node(call->waiter);
	xdr_free(result_types[number], (char *)&call->result);
}

/* --- An input ----------------------------------------------------------------- */

/* A peer that has ended its connection already takes nothing more. */
static void
send_bytes(int fd, const uint8_t *bytes, size_t length, struct bytes_buffer *sent)
{
	ssize_t n = TEMP_FAILURE_RETRY(send(fd, bytes, length, MSG_NOSIGNAL));

	if (n > 0)
		bytes_buffer_add(sent, bytes, (size_t)n);
}

static void
send_step(int fd, struct step *step, const struct call *calls,
          struct bytes_buffer *sent)
{
	static uint8_t bytes[DIST_RECORD_MARK_SIZE + STEP_MAX + 4];
	bool is_reply = step->kind == REPLY_TO;
	size_t length;

	if (is_reply)
		step->kind = STEP_RECORD;
	length = step_write(step, bytes);
	if (is_reply && length >= 8)
		dist_store_be32(bytes + 4, calls[step->which % N_CALLS].xid);
	send_bytes(fd, bytes, length, sent);
}

static void
run_steps(struct steps *steps, int fd, struct call *calls, struct bytes_buffer *sent)
{
	struct step step;

	while (steps_next(steps, &step)) {
		struct dist_waiter *waiter = calls[step.which % N_CALLS].waiter;

		switch (step.kind) {
		case STEP_SHUT:
			shutdown(fd, SHUT_WR);
			return;
		case STEP_CLOSE:
			shutdown(fd, SHUT_RDWR);
			return;
		case CANCEL:
			dist_waiter_cancel(waiter);
			break;
		case LOOK:
			(void)!dist_waiter_wait(waiter, 0);
			break;
		default:
			send_step(fd, &step, calls, sent);
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps steps = { data + 1, data + size, N_STEPS };
	/* Static: a callback that runs once too often finds the next input's. */
	static struct call calls[N_CALLS];
	struct bytes_buffer sent = { 0 };
	struct dist_waiter *good;
	struct dist_peer *peer;
	quad_t sum = 0;
	CLIENT *client;
	int fd;

	if (size == 0)
		return 0;
	if (!runtime)
		open_all();
	memset(calls, 0, sizeof(calls));
	good = good_begin(&sum);
	FUZZ_CHECK(good);
	peer = dial(&client, data[0] & WITH_META ? DIST_FEATURE_META : 0);
	begin_calls(client, calls);
	fd = take_connection();
	for (unsigned i = 0; i < N_CALLS; i++)
		calls[i].xid = take_call(fd);

	run_steps(&steps, fd, calls, &sent);
	if (data[0] & STAYS) {
		for (unsigned i = 0; i < N_CALLS; i++)
			dist_waiter_cancel(calls[i].waiter);
	} else {
		shutdown(fd, SHUT_WR);
	}
	for (unsigned i = 0; i < N_CALLS; i++)
		check_call(&calls[i], i, &sent);
	good_end(good, &sum);
	await_all_told();
	for (unsigned i = 0; i < N_CALLS; i++)
		dist_waiter_free(calls[i].waiter);
	clnt_destroy(client);
	dist_peer_close(peer);
	close(fd);
	bytes_buffer_fini(&sent);
	return 0;
}
