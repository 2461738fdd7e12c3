#include "support/check.h"

#include "client/hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "idl/node.h"
#include "probe.h"

#define CONNS_MAX 64
#define HELD_MAX 128
#define INPUT_MAX (256 * 1024)
#define REPLY_MAX (256 * 1024)
/* As far from a call's xid as can be: one that no call of the connection has or had. */
#define STRANGE_XID(xid) ((xid) ^ 0x80000000u)

struct held {
	uint32_t xid, proc, first, second;
};

struct visitor {
	int fd;
	uint8_t *input;
	size_t length;
	struct held held[HELD_MAX];
	unsigned n_held;
};

struct hostile {
	atomic_uint manner; /* enum hostile_manner */

	/* Set before the thread starts. */
	int listener;
	unsigned port;
	pthread_t thread;

	atomic_bool stopping;
	atomic_uint n_taken;

	/* The thread's alone. */
	uint64_t seed;
	unsigned n_calls;
	struct visitor visitors[CONNS_MAX];
	unsigned n_visitors;
	uint8_t reply[REPLY_MAX];
};

static atomic_uchar runs[HOSTILE_IDS];

uint32_t
hostile_random(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)((*seed >> 16) % n);
}

static bool
one_in(struct hostile *hostile, uint32_t n)
{
	return hostile->manner == HOSTILE_RANDOM && hostile_random(&hostile->seed, n) == 0;
}

unsigned
hostile_runs(uint32_t id)
{
	return atomic_load(&runs[id]);
}

void
hostile_forget_runs(void)
{
	for (uint32_t id = 0; id < HOSTILE_IDS; id++)
		atomic_store_explicit(&runs[id], 0, memory_order_relaxed);
}

/* --- Answers ------------------------------------------------------------------------- */

static uint8_t *
put(uint8_t *to, uint32_t word)
{
	dist_store_be32(to, word);
	return to + 4;
}

/* All of it, perhaps in two pieces; false: the connection is to end, perhaps half way. */
static bool
visitor_send(struct hostile *hostile, struct visitor *visitor, const uint8_t *end)
{
	size_t length = (size_t)(end - hostile->reply), cut = length;

	put(hostile->reply, 0x80000000u | (uint32_t)(length - 4));
	if (one_in(hostile, 8))
		cut = hostile_random(&hostile->seed, (uint32_t)length);
	if (send(visitor->fd, hostile->reply, cut, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)cut)
		return false;
	if (cut == length)
		return true;
	if (one_in(hostile, 10))
		return false;
	return send(visitor->fd, hostile->reply + cut, length - cut,
	            MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)(length - cut);
}

static bool
answer_success(struct hostile *hostile, struct visitor *visitor, const struct held *held,
               uint32_t xid)
{
	uint8_t *at = put(hostile->reply + 4, xid);
	uint32_t size;

	at = put(at, REPLY);
	at = put(at, MSG_ACCEPTED);
	at = put(at, AUTH_NONE);
	at = put(at, 0);
	at = put(at, SUCCESS);
	if (held->proc == PROBE_MAKE) {
		size = DIST_MIN(held->first, REPLY_MAX - 64) & ~3u;
		at = put(at, size);
		memset(at, 7, size);
		at += size;
	} else if (held->proc == PROBE_SUM) {
		at = put(at, 0);
		at = put(at, held->first); /* as if each were a one */
	} else {
		at = put(at, held->first + held->second);
	}
	return visitor_send(hostile, visitor, at);
}

/* How it refuses all calls just now, or SYSTEM_ERR. */
static enum accept_stat
refusal(struct hostile *hostile)
{
	switch (atomic_load(&hostile->manner)) {
	case HOSTILE_NO_PROGRAM:
		return PROG_UNAVAIL;
	case HOSTILE_NO_PROCEDURE:
		return PROC_UNAVAIL;
	case HOSTILE_NO_ARGUMENTS:
		return GARBAGE_ARGS;
	default:
		return SYSTEM_ERR;
	}
}

/* A refusal; unless it is DIST_RAN, a verifier says why it did not run. */
static bool
answer_failure(struct hostile *hostile, struct visitor *visitor, uint32_t xid,
               enum dist_not_run not_run)
{
	bool has_meta = not_run != DIST_RAN;

	uint8_t *at = put(hostile->reply + 4, xid);

	at = put(at, REPLY);
	at = put(at, MSG_ACCEPTED);
	at = put(at, has_meta ? DIST_META : AUTH_NONE);
	at = put(at, has_meta ? DIST_META_SIZE : 0);
	if (has_meta) {
		at = put(at, 1);
		at = put(at, not_run);
	}
	at = put(at, refusal(hostile));
	return visitor_send(hostile, visitor, at);
}

static void
note_run(const struct held *held)
{
	if (held->proc == PROBE_ADD && held->first < HOSTILE_IDS)
		atomic_fetch_add(&runs[held->first], 1);
}

static bool
answer_held(struct hostile *hostile, struct visitor *visitor)
{
	enum hostile_manner manner = atomic_load(&hostile->manner);
	bool twice = manner == HOSTILE_TWICE;

	if (manner == HOSTILE_CLOSES)
		return visitor->n_held == 0;
	if (manner == HOSTILE_HOLDS)
		return true;
	if (manner == HOSTILE_LEAVES && visitor->n_held) {
		(void)!answer_failure(hostile, visitor, 0, DIST_NOT_RUN_GOODBYE);
		return false;
	}
	while (visitor->n_held) {
		uint32_t i = hostile_random(&hostile->seed, visitor->n_held);
		struct held held = visitor->held[i];

		if (manner == HOSTILE_BUSY || manner == HOSTILE_FAILS ||
		    refusal(hostile) != SYSTEM_ERR) {
			visitor->held[i] = visitor->held[--visitor->n_held];
			if (manner == HOSTILE_FAILS)
				note_run(&held);
			if (!answer_failure(hostile, visitor, held.xid,
			                    manner == HOSTILE_BUSY ? DIST_NOT_RUN_BUSY
			                                           : DIST_RAN))
				return false;
			continue;
		}

		if (one_in(hostile, 3))
			return true; /* the others later */
		visitor->held[i] = visitor->held[--visitor->n_held];
		if ((twice || one_in(hostile, 20)) &&
		    !answer_success(hostile, visitor, &held, STRANGE_XID(held.xid)))
			return false;
		if (!answer_success(hostile, visitor, &held, held.xid))
			return false;
		if ((twice || one_in(hostile, 20)) &&
		    !answer_success(hostile, visitor, &held, held.xid))
			return false;
	}
	return true;
}

/* --- Calls --------------------------------------------------------------------------- */

static bool
is_busy(struct hostile *hostile)
{
	switch (atomic_load(&hostile->manner)) {
	case HOSTILE_BUSY:
		return true;
	case HOSTILE_BUSY_FIRST:
		return hostile->n_calls++ % 2 == 0;
	default:
		return one_in(hostile, 10);
	}
}

/* One call, of AUTH_NONE both ways; false: the connection is to end. */
static bool
take_call(struct hostile *hostile, struct visitor *visitor, const uint8_t *record,
          size_t length)
{
	struct held held = { 0 };

	if (length < 44)
		return false;
	held.xid = dist_load_be32(record);
	held.proc = dist_load_be32(record + 20);
	held.first = dist_load_be32(record + 40);
	if (length >= 48)
		held.second = dist_load_be32(record + 44);
	atomic_fetch_add(&hostile->n_taken, 1);
	if (hostile->manner == HOSTILE_SILENT)
		return true;
	if (is_busy(hostile))
		return answer_failure(hostile, visitor, held.xid, DIST_NOT_RUN_BUSY);
	if (hostile->manner == HOSTILE_HOLDS || hostile->manner == HOSTILE_LEAVES ||
	    hostile->manner == HOSTILE_FAILS || refusal(hostile) != SYSTEM_ERR) {
		if (visitor->n_held == HELD_MAX)
			return false;
		visitor->held[visitor->n_held++] = held;
		return true;
	}
	note_run(&held);
	if (hostile->manner == HOSTILE_CLOSES || one_in(hostile, 150))
		return false;
	if (one_in(hostile, 30))
		return answer_failure(hostile, visitor, held.xid, DIST_RAN);
	if (visitor->n_held == HELD_MAX)
		return false;
	visitor->held[visitor->n_held++] = held;
	return true;
}

static bool
visitor_read(struct hostile *hostile, struct visitor *visitor)
{
	size_t at = 0, size;
	ssize_t n = recv(visitor->fd, visitor->input + visitor->length,
	                 INPUT_MAX - visitor->length, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	visitor->length += (size_t)n;
	while (visitor->length - at >= 4) {
		size = dist_load_be32(visitor->input + at) & 0x7fffffff;
		if (visitor->length - at - 4 < size)
			break;
		if (!take_call(hostile, visitor, visitor->input + at + 4, size))
			return false;
		at += 4 + size;
	}
	visitor->length -= at;
	memmove(visitor->input, visitor->input + at, visitor->length);
	return true;
}

/* --- The thread ---------------------------------------------------------------------- */

static void
visitor_end(struct hostile *hostile, unsigned i)
{
	struct linger at_once = { 1, 0 };
	struct visitor *visitor = &hostile->visitors[i];

	/* With a reset, or in order. */
	if (one_in(hostile, 2))
		setsockopt(visitor->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(visitor->fd);
	free(visitor->input);
	*visitor = hostile->visitors[--hostile->n_visitors];
}

static void
hostile_accept(struct hostile *hostile)
{
	int fd = accept4(hostile->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct visitor *visitor;

	if (fd < 0)
		return;
	if (hostile->n_visitors == CONNS_MAX || one_in(hostile, 20)) {
		close(fd);
		return;
	}
	/* Else the second of two pieces waits 40 ms for the peer's word on the first. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	visitor = &hostile->visitors[hostile->n_visitors++];
	*visitor = (struct visitor){ .fd = fd, .input = malloc(INPUT_MAX) };
}

static void *
hostile_main(void *arg)
{
	struct hostile *hostile = arg;
	struct pollfd fds[CONNS_MAX + 1];
	unsigned n;

	while (!atomic_load(&hostile->stopping)) {
		n = hostile->n_visitors;
		for (unsigned i = 0; i < n; i++)
			fds[i] = (struct pollfd){ hostile->visitors[i].fd, POLLIN, 0 };
		fds[n] = (struct pollfd){ hostile->listener, POLLIN, 0 };
		poll(fds, n + 1, 1);
		/* From the last, whose place another may take that was seen to already. */
		for (unsigned i = n; i-- > 0;) {
			struct visitor *visitor = &hostile->visitors[i];

			if ((fds[i].revents && !visitor_read(hostile, visitor)) ||
			    !answer_held(hostile, visitor))
				visitor_end(hostile, i);
		}
		if (fds[n].revents)
			hostile_accept(hostile);
	}
	while (hostile->n_visitors)
		visitor_end(hostile, 0);
	return NULL;
}

struct hostile *
hostile_start(enum hostile_manner manner, uint64_t seed)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct hostile *hostile = calloc(1, sizeof(*hostile));

	hostile->manner = manner;
	hostile->seed = seed | 1;
	hostile->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(hostile->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(hostile->listener, 64), 0);
	getsockname(hostile->listener, (struct sockaddr *)&address, &length);
	hostile->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&hostile->thread, NULL, hostile_main, hostile), 0);
	return hostile;
}

void
hostile_change(struct hostile *hostile, enum hostile_manner manner)
{
	atomic_store(&hostile->manner, manner);
}

void
hostile_stop(struct hostile *hostile)
{
	atomic_store(&hostile->stopping, true);
	pthread_join(hostile->thread, NULL);
	close(hostile->listener);
	free(hostile);
}

unsigned
hostile_port(const struct hostile *hostile)
{
	return hostile->port;
}

struct dist_cluster *
hostile_cluster(struct hostile *const *servers, unsigned n)
{
	struct dist_cluster_options options = { 0 };
	struct dist_cluster *cluster;
	char list[1024] = "";

	for (unsigned i = 0; i < n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		         "%s127.0.0.1:%u", i ? "," : "", hostile_port(servers[i]));
	options.servers = list;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	return cluster;
}

unsigned
hostile_n_taken(const struct hostile *hostile)
{
	return atomic_load(&hostile->n_taken);
}
