#include "served.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "idl/node.h"
#include "server/slots.h"
#include "stream.h"
#include "wire/callmsg.h"

#include <dist/log.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYSTANDER SERVED_PEERS
/* No input needs so many rounds: a server that goes on spins. */
#define ROUNDS_MAX 100000
/* Little, so that replies do not all fit. */
#define SOCKET_BUFFER 8192
#define LONG_UNIT     ((size_t)2048)

/* --- Log lines ------------------------------------------------------------------- */

/* They are made, so that what they are made of is looked at; and are one line each. */
static void
on_log(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level;
	(void)arg;
	FUZZ_CHECK(*id);
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

/* --- The server ------------------------------------------------------------------ */

void
served_open(struct served *served, const struct dist_server_options *options,
            const struct dist_service *const *services)
{
	struct dist_server *server;

	dist_log_set_sink(on_log, NULL, DIST_LOG_DEBUG);
	FUZZ_CHECK(dist_server_open(&server, options) == DIST_OK);
	for (; *services; services++)
		FUZZ_CHECK(dist_server_add(server, *services) == DIST_OK);
	served->server = server;
	served->worker = &server->workers.threads[0];
	served->joined = malloc(server->options.max_record_bytes + 8);
	FUZZ_CHECK(served->joined);
	FUZZ_CHECK(dist_role_take_free(&server->workers.role));
}

/* Whether anything happened. */
static bool
served_round(struct served *served)
{
	struct dist_server *server = served->server;
	struct dist_server_loop *loop = &server->loop;
	bool had_ready = !dist_list_empty(&loop->ready);

	loop->n_events =
		epoll_wait(server->epoll_fd, loop->events, DIST_LOOP_EVENTS, 0);
	FUZZ_CHECK(loop->n_events >= 0);
	loop->next_event = 0;
	loop->now_ns = dist_clock_ns();
	FUZZ_CHECK(dist_server_loop_handle(served->worker));
	if (loop->slot)
		dist_slots_give(&server->workers, loop->slot);
	loop->slot = DIST_SLOT_NONE;
	return loop->n_events > 0 || had_ready;
}

static bool
served_run_queued(struct served *served)
{
	struct dist_workers *workers = &served->server->workers;
	struct dist_server_call *call;
	bool any = false;

	for (;;) {
		dist_lock(&workers->lock);
		call = dist_slots_take_call_locked(workers);
		dist_unlock(&workers->lock);
		if (!call)
			return any;
		dist_worker_run(served->worker, call);
		any = true;
	}
}

static bool
peer_receive(struct served_peer *peer)
{
	uint8_t bytes[16384];
	bool any = false;
	ssize_t n;

	if (peer->fd < 0 || peer->deaf)
		return false;
	while ((n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		bytes_buffer_add(&peer->received, bytes, (size_t)n);
		any = true;
	}
	return any;
}

static bool
served_receive(struct served *served)
{
	bool any = false;

	for (unsigned i = 0; i <= BYSTANDER; i++)
		any |= peer_receive(&served->peers[i]);
	return any;
}

/* Memory follows what arrived, not what a mark claims. */
static void
served_check_memory(const struct served *served)
{
	size_t max_record = served->server->options.max_record_bytes;

	for (unsigned i = 0; i <= BYSTANDER; i++)
		FUZZ_CHECK(served->peers[i].conn->reader.capacity <=
		           4 * max_record + 2 * DIST_READ_SCRATCH_SIZE);
}

void
served_rest(struct served *served, bool run)
{
	unsigned n_rounds = 0;
	bool moved;

	do {
		FUZZ_CHECK(n_rounds++ < ROUNDS_MAX);
		moved = served_round(served);
		if (run)
			moved |= served_run_queued(served);
		moved |= served_receive(served);
	} while (moved);
	served_check_memory(served);
}

/* --- Peers ----------------------------------------------------------------------- */

static struct dist_sockaddr
loopback(unsigned port)
{
	struct dist_sockaddr address;

	FUZZ_CHECK(dist_sockaddr_from_numeric("127.0.0.1", (int)port, &address));
	return address;
}

static void
peer_open(struct served *served, struct served_peer *peer)
{
	struct dist_server *server = served->server;
	struct dist_sockaddr from = loopback(1234);
	int size = SOCKET_BUFFER, fds[2];

	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	dist_server_adopt(server, fds[0], &from);
	*peer = (struct served_peer){ .fd = fds[1] };
	peer->conn = dist_server_conn_ref(DIST_CONTAINER_OF(
		server->loop.conns.prev, struct dist_server_conn, link));
	/* A socketpair has no address. */
	peer->conn->local = loopback(5678);
}

static void
peer_close(struct served_peer *peer)
{
	peer->left = true;
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

/* What the server does not take although it had its turn, is lost. */
static void
peer_send(struct served *served, struct served_peer *peer, const uint8_t *data,
          size_t length)
{
	ssize_t n = 0;

	while (peer->fd >= 0 && length > 0 && n >= 0) {
		n = send(peer->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			bytes_buffer_add(&peer->sent, data, (size_t)n);
			data += n;
			length -= (size_t)n;
		}
		served_rest(served, false);
	}
}

/* --- An input -------------------------------------------------------------------- */

static void
pace_reset(struct dist_pace *pace, bool is_short)
{
	dist_pace_init(pace, pace->proc);
	atomic_store(&pace->is_short, is_short);
}

void
served_begin(struct served *served, bool short_runs)
{
	struct dist_served_table *services = &served->server->services;

	for (unsigned i = 0; i < services->n; i++) {
		for (unsigned j = 0; j < services->list[i]->n_paces; j++)
			pace_reset(&services->list[i]->paces[j], short_runs);
		pace_reset(&services->list[i]->other, short_runs);
	}
	for (unsigned i = 0; i <= BYSTANDER; i++)
		peer_open(served, &served->peers[i]);
}

static void
served_pass_time(struct served *served, unsigned seconds)
{
	struct dist_server *server = served->server;

	server->loop.now_ns = dist_clock_ns() + seconds * 1000 * DIST_NS_PER_MS;
	dist_server_sweep(server);
	for (unsigned i = 0; i <= BYSTANDER; i++) {
		struct served_peer *peer = &served->peers[i];

		peer->left |= dist_server_conn_gone(peer->conn);
	}
}

bool
served_step(struct served *served, const struct step *step)
{
	struct served_peer *peer = &served->peers[step->which % SERVED_PEERS];
	static uint8_t bytes[DIST_RECORD_MARK_SIZE + STEP_MAX];
	size_t length;

	switch (step->kind) {
	case STEP_RAW:
	case STEP_RECORD:
	case STEP_FRAGMENT:
		length = step_write(step, bytes);
		peer_send(served, peer, bytes, length);
		return true;
	case STEP_SHUT:
		peer->left = true;
		if (peer->fd >= 0)
			shutdown(peer->fd, SHUT_WR);
		served_rest(served, false);
		return true;
	case STEP_CLOSE:
		peer_close(peer);
		served_rest(served, false);
		return true;
	case SERVED_RUN:
		served_rest(served, true);
		return true;
	case SERVED_TIME:
		served_pass_time(served,
		                 step->bytes.length ? 5 * step->bytes.data[0] : 0);
		return true;
	case SERVED_DEAF:
		peer->deaf = !peer->deaf;
		return true;
	default:
		return false;
	}
}

void
served_send_long(struct served *served, const struct step *step)
{
	struct served_peer *peer = &served->peers[step->which % SERVED_PEERS];
	size_t length = step->bytes.length ? step->bytes.data[0] * LONG_UNIT : 0;
	uint8_t *record = calloc(1, DIST_RECORD_MARK_SIZE + length + 1);

	FUZZ_CHECK(record);
	dist_record_mark(record, length);
	if (length > 0)
		memcpy(record + DIST_RECORD_MARK_SIZE, step->bytes.data + 1,
		       DIST_MIN(step->bytes.length - 1, length));
	peer_send(served, peer, record, DIST_RECORD_MARK_SIZE + length);
	free(record);
}

/* --- The end, and what must hold then --------------------------------------------- */

/* The xids of a stream's messages, up to what is broken in it, if anything is. */
struct messages {
	uint32_t *xids;
	size_t n;
	bool broken;
};

static bool
is_call(struct dist_bytes record)
{
	struct dist_call_header header;

	return dist_call_header_read(record, &header) == DIST_OK;
}

static bool
is_reply(struct dist_bytes record)
{
	struct dist_reply_header header;

	return dist_reply_header_read(record, &header) == DIST_OK;
}

static struct messages
messages_read(struct served *served, const struct bytes_buffer *bytes,
              bool (*is_one)(struct dist_bytes record))
{
	struct messages messages = { .xids = malloc(bytes->length + 4) };
	struct stream stream = { .at = bytes->data,
		                 .max_record = served->server->options.max_record_bytes,
		                 .joined = served->joined };
	size_t length = 0;
	bool have = bytes->length > 0;

	FUZZ_CHECK(messages.xids);
	if (have)
		stream.end = stream.at + bytes->length;
	while (have && !messages.broken) {
		messages.broken = stream_next(&stream, &length, &have) != DIST_OK;
		if (messages.broken || !have)
			break;
		messages.broken = !is_one((struct dist_bytes){ stream.joined, length });
		if (!messages.broken)
			messages.xids[messages.n++] = dist_load_be32(stream.joined);
	}
	return messages;
}

/* Each reply answers a call that no other one does. */
static void
check_replies(struct messages *calls, const struct messages *replies)
{
	for (size_t i = 0; i < replies->n; i++) {
		size_t j = 0;

		while (j < calls->n && calls->xids[j] != replies->xids[i])
			j++;
		FUZZ_CHECK(j < calls->n);
		calls->xids[j] = calls->xids[--calls->n];
	}
}

static void
peer_check(struct served *served, struct served_peer *peer)
{
	struct messages calls = messages_read(served, &peer->sent, is_call);
	struct messages replies = messages_read(served, &peer->received, is_reply);
	bool gone = dist_server_conn_gone(peer->conn);

	FUZZ_CHECK(!replies.broken);
	check_replies(&calls, &replies);
	if (!peer->left)
		FUZZ_CHECK(gone == calls.broken);
	if (!peer->left && !gone)
		FUZZ_CHECK(calls.n == 0);
	free(calls.xids);
	free(replies.xids);
}

/* One more call of a peer that has behaved. */
static void
bystander_check(struct served *served)
{
	static const uint32_t null_call[] = {
		0x5afe, CALL, RPC_MSG_VERSION, DIST_NODE, DIST_NODE_V1, NULLPROC, 0, 0,
		0,      0
	};
	static const uint32_t answer[] = { 0x80000018, 0x5afe, REPLY, 0, 0, 0, 0 };
	struct served_peer *peer = &served->peers[BYSTANDER];
	uint8_t record[DIST_RECORD_MARK_SIZE + sizeof(null_call)];
	uint8_t expected[sizeof(answer)];

	if (peer->left)
		return; /* it was quiet for as long as anybody may be */
	dist_record_mark(record, sizeof(null_call));
	for (unsigned i = 0; i < DIST_ARRAY_SIZE(null_call); i++)
		dist_store_be32(record + 4 + 4 * i, null_call[i]);
	for (unsigned i = 0; i < DIST_ARRAY_SIZE(answer); i++)
		dist_store_be32(expected + 4 * i, answer[i]);
	peer_send(served, peer, record, sizeof(record));
	FUZZ_CHECK(peer->received.length == sizeof(expected));
	FUZZ_CHECK(!memcmp(peer->received.data, expected, sizeof(expected)));
}

static void
peer_fini(struct served_peer *peer)
{
	FUZZ_CHECK(atomic_load(&peer->conn->refs) == 1);
	FUZZ_CHECK(dist_list_empty(&peer->conn->pending));
	dist_server_conn_unref(peer->conn);
	bytes_buffer_fini(&peer->sent);
	bytes_buffer_fini(&peer->received);
}

static void
served_check_empty(const struct served *served)
{
	const struct dist_server *server = served->server;

	FUZZ_CHECK(dist_list_empty(&server->loop.conns));
	FUZZ_CHECK(dist_list_empty(&server->loop.ready));
	FUZZ_CHECK(atomic_load(&server->n_connections) == 0);
	FUZZ_CHECK(atomic_load(&server->n_deferred) == 0);
	FUZZ_CHECK(dist_workers_n_queued(&server->workers) == 0);
	FUZZ_CHECK(atomic_load(&server->workers.queued_bytes) == 0);
	FUZZ_CHECK(server->workers.n_running == 0);
}

void
served_end(struct served *served)
{
	for (unsigned i = 0; i < SERVED_PEERS; i++)
		served->peers[i].deaf = false;
	do
		served_rest(served, true);
	while (served->on_rest && served->on_rest(served));
	bystander_check(served);
	for (unsigned i = 0; i < SERVED_PEERS; i++)
		peer_check(served, &served->peers[i]);
	for (unsigned i = 0; i <= BYSTANDER; i++)
		peer_close(&served->peers[i]);
	do
		served_rest(served, true);
	while (served->on_rest && served->on_rest(served));
	for (unsigned i = 0; i <= BYSTANDER; i++)
		peer_fini(&served->peers[i]);
	served_check_empty(served);
}
