/*
 * Calls of which nothing left, as their connection had ended: where they go, and that no
 * server is asked for ever.
 */
#include "support/check.h"

#include <arpa/inet.h>
#include <dist/dist.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "client/peer.h"
#include "probe.h"

#define CONNS_MAX 16
#define INPUT_MAX (256 * 1024)
#define IDS       4096
/* Calls of so many numbers, which no socket takes all of: 32 MB. */
#define N_CALLS   512
#define N_NUMBERS (16 * 1024)

/* What a server is told to do with its connections. */
enum end {
	END_NONE,
	END_IN_ORDER,
	END_WITH_RESET,
};

struct guest {
	int fd;
	bool deaf; /* nothing is read from it */
	uint8_t *input;
	size_t length;
};

/* A thread that answers PROBE_SUM with the first number, which is the call's id. */
struct server {
	int listener;
	unsigned port;
	pthread_t thread;
	atomic_bool stopping;
	atomic_uint n_accepted;
	atomic_uint n_deaf; /* of its connections, the first */
	atomic_uint end;    /* enum end; END_NONE again when it is done */
	atomic_bool ends_deaf; /* with a reset, as soon as anything came */
	atomic_bool pauses; /* nothing is read from anybody */
	atomic_uint runs[IDS];

	/* The thread's. */
	struct guest guests[CONNS_MAX];
	unsigned n_guests;
};

/* --- The server ---------------------------------------------------------------------- */

static void
guest_end(struct server *server, unsigned i, enum end how)
{
	struct linger at_once = { 1, 0 };
	struct guest *guest = &server->guests[i];

	if (how == END_WITH_RESET)
		setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(guest->fd);
	free(guest->input);
	*guest = server->guests[--server->n_guests];
}

static bool
guest_answer(struct server *server, struct guest *guest, const uint8_t *record)
{
	uint32_t id = dist_load_be32(record + 44) % IDS;
	uint32_t words[] = { 0x80000000u | 32, dist_load_be32(record), REPLY, MSG_ACCEPTED,
		             AUTH_NONE, 0, SUCCESS, 0, id };
	uint8_t reply[sizeof(words)];

	atomic_fetch_add(&server->runs[id], 1);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		dist_store_be32(reply + 4 * i, words[i]);
	return send(guest->fd, reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

/* False: it has ended. */
static bool
guest_read(struct server *server, struct guest *guest)
{
	size_t at = 0, size;
	ssize_t n = recv(guest->fd, guest->input + guest->length,
	                 INPUT_MAX - guest->length, 0);

	if (n <= 0)
		return false;
	guest->length += (size_t)n;
	while (guest->length - at >= 4) {
		size = dist_load_be32(guest->input + at) & 0x7fffffff;
		if (guest->length - at - 4 < size)
			break;
		if (!guest_answer(server, guest, guest->input + at + 4))
			return false;
		at += 4 + size;
	}
	guest->length -= at;
	memmove(guest->input, guest->input + at, guest->length);
	return true;
}

static void
server_accept(struct server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(server->n_guests < CONNS_MAX);
	server->guests[server->n_guests++] = (struct guest){
		.fd = fd,
		.deaf = atomic_fetch_add(&server->n_accepted, 1) < server->n_deaf,
		.input = malloc(INPUT_MAX),
	};
}

static bool
guest_sent_something(const struct guest *guest)
{
	char byte;

	return recv(guest->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
server_end_guests(struct server *server)
{
	enum end end = atomic_load(&server->end);
	bool ends_deaf = atomic_load(&server->ends_deaf);

	/* From the last, whose place another may take that was seen to already. */
	for (unsigned i = server->n_guests; i-- > 0;) {
		if (end != END_NONE)
			guest_end(server, i, end);
		else if (ends_deaf && server->guests[i].deaf &&
		         guest_sent_something(&server->guests[i]))
			guest_end(server, i, END_WITH_RESET);
	}
	/* Not one that was asked for meanwhile. */
	if (end != END_NONE)
		atomic_store(&server->end, END_NONE);
}

static void *
server_main(void *arg)
{
	struct server *server = arg;
	struct pollfd fds[CONNS_MAX + 1];
	unsigned n;

	while (!atomic_load(&server->stopping)) {
		server_end_guests(server);
		n = server->n_guests;
		for (unsigned i = 0; i < n; i++) {
			fds[i] = (struct pollfd){ server->guests[i].fd, 0, 0 };
			if (!server->guests[i].deaf && !atomic_load(&server->pauses))
				fds[i].events = POLLIN;
		}
		fds[n] = (struct pollfd){ server->listener, POLLIN, 0 };
		poll(fds, n + 1, 1);
		for (unsigned i = n; i-- > 0;) {
			if (fds[i].revents && fds[i].events &&
			    !guest_read(server, &server->guests[i]))
				guest_end(server, i, END_IN_ORDER);
		}
		if (fds[n].revents)
			server_accept(server);
	}
	while (server->n_guests)
		guest_end(server, 0, END_IN_ORDER);
	close(server->listener);
	return NULL;
}

/* On @port, or any: 0. */
static void
server_begin(struct server *server, unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int one = 1, small = 64 * 1024;

	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(server->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(server->listener, 64), 0);
	getsockname(server->listener, (struct sockaddr *)&address, &length);
	server->port = ntohs(address.sin_port);
	atomic_store(&server->stopping, false);
	assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

static struct server *
server_start(unsigned n_deaf)
{
	struct server *server = calloc(1, sizeof(*server));

	atomic_init(&server->n_deaf, n_deaf);
	server_begin(server, 0);
	return server;
}

static void
server_halt(struct server *server)
{
	atomic_store(&server->stopping, true);
	pthread_join(server->thread, NULL);
}

static void
server_stop(struct server *server)
{
	server_halt(server);
	free(server);
}

/* All connections end, and have ended when this returns. */
static void
server_hang_up(struct server *server, enum end how)
{
	atomic_store(&server->end, how);
	while (atomic_load(&server->end) != END_NONE)
		sched_yield();
}

/* --- The client ---------------------------------------------------------------------- */

static struct dist_cluster *
cluster_of(struct server *const *servers, unsigned n)
{
	struct dist_cluster_options options = { 0 };
	struct dist_cluster *cluster;
	char list[256] = "";

	for (unsigned i = 0; i < n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		         "%s127.0.0.1:%u", i ? "," : "", servers[i]->port);
	options.servers = list;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	return cluster;
}

/* Tries that a connection ended: with the call sent, and with it unsent. */
static uint64_t
count_broken(struct dist_cluster *cluster, const char *name)
{
	struct dist_stats *stats;
	uint64_t n = 0;

	assert_ok(dist_cluster_stats(&stats, cluster));
	for (size_t i = 0; i < stats->n_nodes; i++) {
		const struct dist_node_stats *node = stats->nodes[i];

		for (size_t j = 0; j < node->n_procedures; j++)
			n += dist_counters_value(&node->procedures[j]->counters, name);
	}
	dist_stats_free(stats);
	return n;
}

static void
call_once(CLIENT *clnt, int id)
{
	int numbers[] = { id, 1 };
	quad_t sum = 0;
	enum clnt_stat stat = probe_sum_1((probe_ints){ 2, numbers }, &sum, clnt);

	if (stat != RPC_SUCCESS)
		fail_msg("call %d: %s", id, dist_error_text());
	assert_int_equal(sum, id);
}

struct calls {
	struct dist_waiter *waiters[N_CALLS];
	quad_t sums[N_CALLS];
	unsigned n_ok, n_lost, n_not_run;
};

/* All at once, so that most of them wait in memory to be sent. */
static struct calls *
calls_start(CLIENT *clnt)
{
	static int numbers[N_NUMBERS];
	struct calls *calls = calloc(1, sizeof(*calls));

	for (int i = 0; i < N_CALLS; i++) {
		numbers[0] = i;
		calls->waiters[i] = dist_go(clnt, probe_sum_1,
		                            ((probe_ints){ N_NUMBERS, numbers }),
		                            &calls->sums[i]);
		assert_non_null(calls->waiters[i]);
	}
	return calls;
}

/* Nobody waits on the connection, so that its loop alone sees it end. */
static void
calls_end(struct calls *calls)
{
	for (int i = 0; i < N_CALLS; i++) {
		enum dist_err err;

		while (!dist_waiter_done(calls->waiters[i]))
			sched_yield();
		err = dist_waiter_wait(calls->waiters[i], 0);
		if (err == DIST_OK)
			assert_int_equal(calls->sums[i], i);
		else if (err != DIST_ECONNECT)
			assert_err(err, DIST_ECONNRESET);
		calls->n_ok += err == DIST_OK;
		calls->n_lost += err == DIST_ECONNRESET;
		calls->n_not_run += err == DIST_ECONNECT;
	}
}

static void
calls_free(struct calls *calls)
{
	for (int i = 0; i < N_CALLS; i++)
		dist_waiter_free(calls->waiters[i]);
	free(calls);
}

/* --- Tests --------------------------------------------------------------------------- */

static void
test_what_did_not_leave_goes_to_the_same_server_anew(void **state)
{
	struct server *server = server_start(1);
	struct dist_cluster *cluster = cluster_of(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct calls *calls = calls_start(clnt);

	(void)state;
	atomic_store(&server->ends_deaf, true);
	calls_end(calls);
	/* Of those that it answered none had been sent before, so none ran twice. */
	for (int i = 0; i < N_CALLS; i++)
		assert_int_equal(atomic_load(&server->runs[i]),
		                 dist_waiter_wait(calls->waiters[i], 0) == DIST_OK);
	assert_true(calls->n_ok > N_CALLS / 2);
	/* The one that was cut. */
	assert_in_range(calls->n_not_run, 0, 1);
	assert_int_equal(atomic_load(&server->n_accepted), 2);
	calls_free(calls);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(server);
}

static void
test_another_server_comes_first(void **state)
{
	struct server *servers[] = { server_start(1), server_start(0) };
	struct dist_cluster *cluster = cluster_of(servers, 2);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct calls *calls;

	(void)state;
	atomic_store(&servers[1]->pauses, true); /* else it would be given nearly all */
	calls = calls_start(clnt);
	atomic_store(&servers[0]->ends_deaf, true);
	atomic_store(&servers[1]->pauses, false);
	calls_end(calls);
	assert_true(count_broken(cluster, "not_sent") > N_CALLS / 4);
	assert_int_equal(calls->n_not_run, 0);
	assert_int_equal(atomic_load(&servers[0]->n_accepted), 1);
	calls_free(calls);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(servers[0]);
	server_stop(servers[1]);
}

static void
test_a_server_that_ends_each_connection_is_asked_twice(void **state)
{
	struct server *server = server_start(UINT_MAX);
	struct dist_cluster *cluster = cluster_of(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct calls *calls = calls_start(clnt);

	(void)state;
	atomic_store(&server->ends_deaf, true);
	calls_end(calls);
	assert_int_equal(calls->n_ok, 0);
	assert_int_equal(calls->n_lost + calls->n_not_run, N_CALLS);
	assert_in_range(count_broken(cluster, "lost") + count_broken(cluster, "not_sent"),
	                N_CALLS + 1, 2 * N_CALLS);
	calls_free(calls);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(server);
}

/* Each time just as the next call is about to go. */
static void
test_an_idle_connection_ends_and_the_call_is_answered(void **state)
{
	struct server *server = server_start(0);
	struct dist_cluster *cluster = cluster_of(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);

	(void)state;
	for (int i = 0; i < 500; i++) {
		call_once(clnt, i);
		server_hang_up(server, END_WITH_RESET);
	}
	for (int i = 0; i < 500; i++)
		assert_int_equal(atomic_load(&server->runs[i]), 1);
	assert_int_equal(atomic_load(&server->n_accepted), 500);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(server);
}

/* A connection that was ended in order takes a call: it is looked at after a millisecond. */
static void
test_a_server_that_began_anew_at_its_port_is_called(void **state)
{
	struct server *server = server_start(0);
	struct dist_cluster *cluster = cluster_of(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	int64_t called_ns;

	(void)state;
	for (int i = 0; i < 200; i++) {
		call_once(clnt, i);
		called_ns = dist_clock_ns();
		server_halt(server);
		server_begin(server, server->port);
		while (dist_clock_ns() - called_ns <= DIST_NS_PER_MS)
			sched_yield();
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(atomic_load(&server->runs[i]), 1);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(server);
}

/* What the thread that closes a connection has done so far. */
struct closing {
	atomic_bool begun, may_end;
};

static void
hold_closing(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	struct closing *closing = arg;

	(void)level;
	(void)text;
	if (strcmp(id, "connection-lost") != 0)
		return;
	atomic_store(&closing->begun, true);
	while (!atomic_load(&closing->may_end))
		sched_yield();
}

/* It is closed, but its peer has not been told: a call finds it there. */
static void
test_a_connection_that_is_being_closed_is_replaced(void **state)
{
	struct server *server = server_start(0);
	struct dist_cluster *cluster = cluster_of(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct closing closing = { false, false };
	int numbers[] = { 7, 1 };
	struct dist_waiter *waiter;
	quad_t sum = 0;

	(void)state;
	call_once(clnt, 6);
	dist_log_set_sink(hold_closing, &closing, DIST_LOG_INFO);
	server_hang_up(server, END_WITH_RESET);
	while (!atomic_load(&closing.begun))
		sched_yield();
	waiter = dist_go(clnt, probe_sum_1, ((probe_ints){ 2, numbers }), &sum);
	atomic_store(&closing.may_end, true);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(sum, 7);
	assert_int_equal(atomic_load(&server->runs[7]), 1);
	assert_int_equal(atomic_load(&server->n_accepted), 2);
	dist_waiter_free(waiter);
	dist_log_set_sink(NULL, NULL, DIST_LOG_INFO);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_did_not_leave_goes_to_the_same_server_anew),
	cmocka_unit_test(test_another_server_comes_first),
	cmocka_unit_test(test_a_server_that_ends_each_connection_is_asked_twice),
	cmocka_unit_test(test_an_idle_connection_ends_and_the_call_is_answered),
	cmocka_unit_test(test_a_server_that_began_anew_at_its_port_is_called),
	cmocka_unit_test(test_a_connection_that_is_being_closed_is_replaced),
};

CHECK_MAIN(tests)
