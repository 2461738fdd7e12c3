/*
 * Threads that wait for any of several calls send and read by themselves. In most tests
 * here the loop's thread is held up, so that nothing else does it for them: what is lost
 * or left to nobody shows as a test that does not end.
 */
#include "server/fixture.h"

#include <dist/waiter.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "client/conn.h"
#include "client/harvest.h"
#include "client/peer.h"
#include "client/peer_internal.h"
#include "client/runtime_internal.h"

#define N_PEERS 3

struct stage {
	struct dist_server *server;
	struct dist_runtime *runtime;
	struct dist_peer *peers[N_PEERS];
	CLIENT *clients[N_PEERS];
	struct dist_queue *queue;

	/* The loop's thread, held up. */
	struct dist_task hold_task;
	sem_t held, released;
	bool holds;
};

/* --- The loop, held up --------------------------------------------------------------- */

static void
hold_loop_here(struct dist_task *task)
{
	struct stage *s = DIST_CONTAINER_OF(task, struct stage, hold_task);

	sem_post(&s->held);
	sem_wait(&s->released);
}

static void
hold_loop(struct stage *s)
{
	s->holds = true;
	s->hold_task.run = hold_loop_here;
	dist_loop_post(dist_runtime_loop(s->runtime), &s->hold_task);
	sem_wait(&s->held);
}

static void
release_loop(struct stage *s)
{
	if (s->holds)
		sem_post(&s->released);
	s->holds = false;
}

/* --- The stage ----------------------------------------------------------------------- */

static int
setup(void **state)
{
	struct dist_server_options options = { .workers = 2, .queue = 100000 };
	struct stage *s = calloc(1, sizeof(*s));
	int sum = 0;

	s->server = fixture_server(&options);
	sem_init(&s->held, 0, 0);
	sem_init(&s->released, 0, 0);
	assert_ok(dist_runtime_start(&s->runtime, "harv"));
	for (unsigned i = 0; i < N_PEERS; i++) {
		assert_ok(dist_peer_open(&s->peers[i], s->runtime,
		                         &dist_server_listeners(s->server)->address, NULL));
		s->clients[i] = dist_peer_client(s->peers[i], PROBE_PROG, 1, NULL);
		/* Connected, which takes the loop. */
		assert_int_equal(probe_add_1(1, 2, &sum, s->clients[i]), RPC_SUCCESS);
	}
	assert_ok(dist_queue_new(&s->queue));
	*state = s;
	return 0;
}

static void
stage_close_peers(struct stage *s)
{
	for (unsigned i = 0; i < N_PEERS; i++) {
		dist_peer_close(s->peers[i]);
		s->peers[i] = NULL;
	}
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	release_loop(s);
	/* First what is held: the results were on the stack of the test. */
	dist_queue_free(s->queue);
	fixture_gate_open();
	for (unsigned i = 0; i < N_PEERS; i++)
		clnt_destroy(s->clients[i]);
	stage_close_peers(s);
	dist_runtime_stop(s->runtime);
	dist_server_stop(s->server);
	sem_destroy(&s->held);
	sem_destroy(&s->released);
	free(s);
	return 0;
}

/* Open until the test ends, as long as its peer is. */
static struct dist_conn *
conn_of(struct stage *s, unsigned peer)
{
	struct dist_conn *conn;

	dist_lock(&s->peers[peer]->lock);
	conn = s->peers[peer]->conns[DIST_LANE_SMALL];
	dist_unlock(&s->peers[peer]->lock);
	assert_non_null(conn);
	return conn;
}

static bool
a_caller_reads(void *arg)
{
	struct dist_conn *conn = arg;
	bool reads;

	dist_lock(&conn->lock);
	reads = conn->reader_role == DIST_READER_CALLER;
	dist_unlock(&conn->lock);
	return reads;
}

static bool
one_is_parked(void *arg)
{
	struct dist_conn *conn = arg;
	bool parked;

	dist_lock(&conn->lock);
	parked = !dist_list_empty(&conn->parked);
	dist_unlock(&conn->lock);
	return parked;
}

/* A call that the test answers. The first on a connection is sent at once. */
static struct dist_waiter *
start_deferred(struct stage *s, unsigned peer, int *result)
{
	struct dist_waiter *waiter = dist_go(s->clients[peer], probe_defer_1, 1, result);

	assert_non_null(waiter);
	return waiter;
}

static void
answer(struct dist_deferred *deferred, int value)
{
	assert_ok(dist_deferred_reply(deferred, (xdrproc_t)xdr_int, &value));
}

static void
add(struct stage *s, struct dist_waiter *waiter, int *result)
{
	assert_ok(dist_queue_add(s->queue, waiter, result));
}

static void
start_sum(struct stage *s, unsigned peer, int value, int *result)
{
	add(s, dist_go(s->clients[peer], probe_add_1, value, 5, result), result);
}

/* --- Threads that take --------------------------------------------------------------- */

struct taker {
	struct stage *s;
	pthread_t thread;
	enum dist_err err; /* how the last one ended */
	int n;
	bool once;
};

static void *
taker_main(void *arg)
{
	struct taker *taker = arg;
	struct dist_waiter *waiter;

	while ((waiter = dist_queue_take(taker->s->queue, DIST_FOREVER))) {
		taker->err = dist_waiter_wait(waiter, 0);
		taker->n++;
		dist_waiter_free(waiter);
		if (taker->once)
			break;
	}
	return NULL;
}

static void
taker_start(struct taker *taker, struct stage *s)
{
	taker->s = s;
	taker->err = DIST_EINVAL;
	assert_int_equal(pthread_create(&taker->thread, NULL, taker_main, taker), 0);
}

struct lone {
	struct dist_waiter *waiter;
	pthread_t thread;
	enum dist_err err;
};

static void *
lone_main(void *arg)
{
	struct lone *lone = arg;

	lone->err = dist_waiter_wait(lone->waiter, DIST_FOREVER);
	return NULL;
}

static void
lone_start(struct lone *lone)
{
	assert_int_equal(pthread_create(&lone->thread, NULL, lone_main, lone), 0);
}

/* --- Without the loop ---------------------------------------------------------------- */

static void
test_a_taker_sends_and_reads_by_itself(void **state)
{
	enum { N = 500 };
	struct stage *s = *state;
	struct dist_waiter *waiter;
	int results[N], n = 0;

	hold_loop(s);
	for (int i = 0; i < N; i++)
		start_sum(s, 0, i, &results[i]);
	while ((waiter = dist_queue_take(s->queue, DIST_FOREVER))) {
		int *result = dist_waiter_tag(waiter);

		assert_ok(dist_waiter_wait(waiter, 0));
		assert_int_equal(*result, result - results + 5);
		dist_waiter_free(waiter);
		n++;
	}
	assert_int_equal(n, N);
}

static void
test_a_taker_reads_on_all_connections(void **state)
{
	enum { N = 300 };
	struct stage *s = *state;
	int results[N];
	struct dist_waiter *waiter;
	struct taker taker = { .n = 0 };

	hold_loop(s);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < N; i++)
			start_sum(s, (unsigned)(i / (round + 1)) % N_PEERS, i, &results[i]);
		for (int i = 0; i < N; i++) {
			/* Each that is taken makes room for another, on any of them. */
			assert_non_null(waiter = dist_queue_take(s->queue, DIST_FOREVER));
			assert_ok(dist_waiter_wait(waiter, 0));
			start_sum(s, (unsigned)i % N_PEERS, 1, dist_waiter_tag(waiter));
			dist_waiter_free(waiter);
		}
		taker.s = s;
		taker_main(&taker);
	}
	assert_int_equal(taker.n, 20 * N);
	assert_ok(taker.err);
}

static void
test_several_takers_share_the_reading(void **state)
{
	enum { N_TAKERS = 4, N = 400 };
	struct stage *s = *state;
	static int results[N];

	hold_loop(s);
	for (int round = 0; round < 20; round++) {
		struct taker takers[N_TAKERS] = { { .n = 0 } };
		int n = 0;

		for (int i = 0; i < N; i++)
			start_sum(s, (unsigned)i % N_PEERS, i, &results[i]);
		for (int i = 0; i < N_TAKERS; i++)
			taker_start(&takers[i], s);
		for (int i = 0; i < N_TAKERS; i++) {
			pthread_join(takers[i].thread, NULL);
			n += takers[i].n;
		}
		assert_int_equal(n, N);
	}
}

static void
test_any_of_several_is_read_by_who_waits(void **state)
{
	enum { N = 60 };
	struct stage *s = *state;
	struct dist_waiter *waiters[N];
	int results[N];
	size_t index;

	hold_loop(s);
	for (int i = 0; i < N; i++) {
		waiters[i] = dist_go(s->clients[i % N_PEERS], probe_add_1, i, 5, &results[i]);
		assert_non_null(waiters[i]);
	}
	for (int i = 0; i < N; i++) {
		assert_ok(dist_wait_any(waiters, N, DIST_FOREVER, &index));
		assert_int_equal(results[index], (int)index + 5);
		dist_waiter_free(waiters[index]);
		waiters[index] = NULL;
	}
}

static void
test_a_look_sends_and_reads(void **state)
{
	struct stage *s = *state;
	struct dist_waiter *waiters[2], *waiter;
	struct dist_deferred *deferred[2];
	int results[2];
	size_t index;

	hold_loop(s);
	for (int i = 0; i < 2; i++) {
		waiters[i] = start_deferred(s, (unsigned)i, &results[i]);
		deferred[i] = fixture_deferred();
		add(s, waiters[i], &results[i]);
	}
	assert_null(dist_queue_take(s->queue, 0));
	answer(deferred[1], 1);
	while (!(waiter = dist_queue_take(s->queue, 0)))
		;
	assert_ptr_equal(waiter, waiters[1]);
	/* This one has an earlier one to go with, so it is not sent at once. */
	waiters[1] = dist_go(s->clients[0], probe_add_1, 2, 5, &results[1]);
	while (dist_wait_any(&waiters[1], 1, 0, &index) == DIST_ETIMEDOUT)
		;
	assert_int_equal(results[1], 7);
	dist_waiter_free(waiter);
	dist_waiter_free(waiters[1]);

	/* From a queue whose descriptor was asked for it is the loop that reads. */
	release_loop(s);
	assert_true(dist_queue_fd(s->queue) >= 0);
	waiters[1] = dist_go(s->clients[1], probe_add_1, 3, 5, &results[1]);
	add(s, waiters[1], NULL);
	answer(deferred[0], 2);
	for (int i = 0; i < 2; i++) {
		while (!(waiter = dist_queue_take(s->queue, 0)))
			;
		dist_waiter_free(waiter);
	}
}

/* --- Woken for another reason -------------------------------------------------------- */

static void
test_a_cancel_wakes_who_takes(void **state)
{
	struct stage *s = *state;
	struct taker taker = { .n = 0 };
	struct dist_waiter *waiters[2];
	int results[2];

	hold_loop(s);
	for (int i = 0; i < 2; i++) {
		waiters[i] = dist_go(s->clients[i], probe_hold_1, 1, &results[i]);
		add(s, waiters[i], NULL);
	}
	taker_start(&taker, s);
	for (int i = 1; i >= 0; i--) {
		fixture_until(a_caller_reads, conn_of(s, (unsigned)i));
		dist_waiter_cancel(waiters[i]);
	}
	pthread_join(taker.thread, NULL);
	assert_int_equal(taker.n, 2);
	assert_int_equal(taker.err, DIST_ECANCELED);
}

static void *
any_main(void *arg)
{
	struct lone *lone = arg;
	size_t index;

	lone->err = dist_wait_any(&lone->waiter, 1, DIST_FOREVER, &index);
	return NULL;
}

static void
test_a_cancel_wakes_who_waits_for_any(void **state)
{
	struct stage *s = *state;
	struct lone lone;
	int result;

	hold_loop(s);
	lone.waiter = dist_go(s->clients[0], probe_hold_1, 1, &result);
	pthread_create(&lone.thread, NULL, any_main, &lone);
	fixture_until(a_caller_reads, conn_of(s, 0));
	dist_waiter_cancel(lone.waiter);
	pthread_join(lone.thread, NULL);
	assert_int_equal(lone.err, DIST_ECANCELED);
	dist_waiter_free(lone.waiter);
}

static void
test_a_deadline_wakes_who_takes(void **state)
{
	struct stage *s = *state;
	struct dist_call_options hasty = { .timeout_ms = 20 };
	CLIENT *client = dist_peer_client(s->peers[0], PROBE_PROG, 1, &hasty);
	struct dist_waiter *waiter, *held;
	int result, other;

	held = dist_go(s->clients[0], probe_hold_1, 1, &other);
	add(s, held, NULL);
	waiter = dist_go(client, probe_hold_1, 1, &result);
	add(s, waiter, NULL);
	assert_ptr_equal(dist_queue_take(s->queue, DIST_FOREVER), waiter);
	assert_err(dist_waiter_wait(waiter, 0), DIST_EDEADLINE);
	/* And so does the time that it gave itself. */
	assert_null(dist_queue_take(s->queue, 1));
	assert_int_equal(dist_queue_length(s->queue), 1);
	dist_waiter_free(waiter);
	clnt_destroy(client);
}

static void
test_a_call_for_another_connection_is_read_by_who_takes_already(void **state)
{
	struct stage *s = *state;
	struct taker taker = { .once = true };
	struct dist_waiter *waiter;
	int held, result = 0;

	hold_loop(s);
	waiter = dist_go(s->clients[0], probe_hold_1, 1, &held);
	add(s, waiter, NULL);
	taker_start(&taker, s);
	fixture_until(a_caller_reads, conn_of(s, 0));
	start_sum(s, 1, 1, &result);
	pthread_join(taker.thread, NULL);
	assert_ok(taker.err);
	assert_int_equal(result, 6);
}

static void
test_the_end_of_a_connection_wakes_who_takes(void **state)
{
	struct stage *s = *state;
	struct taker taker = { .n = 0 };
	int results[N_PEERS];

	for (unsigned i = 0; i < N_PEERS; i++)
		add(s, dist_go(s->clients[i], probe_hold_1, 1, &results[i]), NULL);
	taker_start(&taker, s);
	for (unsigned i = 0; i < N_PEERS; i++)
		fixture_until(a_caller_reads, conn_of(s, i));
	stage_close_peers(s);
	pthread_join(taker.thread, NULL);
	assert_int_equal(taker.n, N_PEERS);
	assert_int_equal(taker.err, DIST_ECLOSED);
}

/* --- Roles are passed on ------------------------------------------------------------- */

static void
test_who_takes_passes_the_reading_to_who_waits(void **state)
{
	struct stage *s = *state;
	struct taker taker = { .once = true };
	struct lone lone;
	struct dist_deferred *first, *second;
	int results[2];

	hold_loop(s);
	add(s, start_deferred(s, 0, &results[0]), NULL);
	first = fixture_deferred();
	taker_start(&taker, s);
	fixture_until(a_caller_reads, conn_of(s, 0));

	lone.waiter = start_deferred(s, 0, &results[1]);
	lone_start(&lone);
	second = fixture_deferred();
	fixture_until(one_is_parked, conn_of(s, 0));
	answer(first, 1);
	pthread_join(taker.thread, NULL);
	answer(second, 2);
	pthread_join(lone.thread, NULL);
	assert_ok(lone.err);
	assert_int_equal(results[0], 1);
	assert_int_equal(results[1], 2);
	dist_waiter_free(lone.waiter);
}

static void
test_who_waits_passes_the_reading_to_who_takes(void **state)
{
	struct stage *s = *state;
	struct taker taker = { .once = true };
	struct lone lone;
	struct dist_deferred *first, *second;
	int results[3];

	hold_loop(s);
	/* The taker has something to poll besides, or nothing at all. */
	for (int polls = 0; polls < 2; polls++) {
		lone.waiter = start_deferred(s, 0, &results[0]);
		first = fixture_deferred();
		lone_start(&lone);
		fixture_until(a_caller_reads, conn_of(s, 0));

		add(s, start_deferred(s, 0, &results[1]), NULL);
		if (polls)
			add(s, dist_go(s->clients[1], probe_hold_1, 1, &results[2]), NULL);
		taker_start(&taker, s);
		second = fixture_deferred();
		fixture_until(one_is_parked, conn_of(s, 0));
		answer(first, 1);
		pthread_join(lone.thread, NULL);
		assert_ok(lone.err);
		answer(second, 2);
		pthread_join(taker.thread, NULL);
		assert_ok(taker.err);
		assert_int_equal(results[1], 2);
		dist_waiter_free(lone.waiter);
	}
}

/* Nobody waits for the other call, so the loop has to see its reply. */
static void
test_who_takes_leaves_the_rest_to_the_loop(void **state)
{
	struct stage *s = *state;
	struct dist_waiter *waiter, *other;
	struct dist_deferred *deferred;
	int results[2];

	for (int round = 0; round < 100; round++) {
		other = start_deferred(s, 0, &results[0]);
		deferred = fixture_deferred();
		start_sum(s, 0, 1, &results[1]);
		assert_non_null(waiter = dist_queue_take(s->queue, DIST_FOREVER));
		dist_waiter_free(waiter);
		answer(deferred, 3);
		while (!dist_waiter_done(other))
			sched_yield();
		assert_int_equal(results[0], 3);
		dist_waiter_free(other);
	}
}

/* --- Where it does not read by itself ------------------------------------------------ */

static void
test_a_queue_in_an_event_loop_is_read_by_ours(void **state)
{
	enum { N = 200 };
	struct stage *s = *state;
	struct pollfd polled = { .events = POLLIN };
	struct dist_waiter *waiter;
	int results[N], n = 0, n_again = 0;

	for (int i = 0; i < N; i++)
		start_sum(s, (unsigned)i % N_PEERS, i, &results[i]);
	polled.fd = dist_queue_fd(s->queue);
	while (n < 2 * N) {
		assert_int_equal(poll(&polled, 1, 20000), 1);
		assert_non_null(waiter = dist_queue_take(s->queue, 0));
		do {
			int *result = dist_waiter_tag(waiter);

			assert_int_equal(*result, result - results + 5);
			dist_waiter_free(waiter);
			n++;
			/* Some go again, sent and read although nobody waits here. */
			if (n_again++ < N)
				start_sum(s, 0, (int)(result - results), result);
		} while ((waiter = dist_queue_take(s->queue, 0)));
	}
}

static void
test_more_connections_than_one_thread_reads(void **state)
{
	enum { N = DIST_HARVEST_CONNS + 4 };
	struct stage *s = *state;
	struct dist_peer *peers[N];
	CLIENT *clients[N];
	int results[4 * N], n = 0;
	struct dist_waiter *waiter;

	for (int i = 0; i < N; i++) {
		assert_ok(dist_peer_open(&peers[i], s->runtime,
		                         &dist_server_listeners(s->server)->address, NULL));
		clients[i] = dist_peer_client(peers[i], PROBE_PROG, 1, NULL);
	}
	for (int i = 0; i < 4 * N; i++)
		add(s, dist_go(clients[i % N], probe_add_1, i, 5, &results[i]), &results[i]);
	while ((waiter = dist_queue_take(s->queue, DIST_FOREVER))) {
		int *result = dist_waiter_tag(waiter);

		assert_ok(dist_waiter_wait(waiter, 0));
		assert_int_equal(*result, result - results + 5);
		dist_waiter_free(waiter);
		n++;
	}
	assert_int_equal(n, 4 * N);
	for (int i = 0; i < N; i++) {
		clnt_destroy(clients[i]);
		dist_peer_close(peers[i]);
	}
}

static void
test_without_a_descriptor_to_be_had_the_loop_reads(void **state)
{
	struct stage *s = *state;
	struct rlimit before, none = { 0, 0 };
	struct dist_waiter *waiter;
	int results[2];

	for (unsigned i = 0; i < 2; i++)
		start_sum(s, i, 1, &results[i]);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 2; i++) {
		waiter = dist_queue_take(s->queue, DIST_FOREVER);
		dist_waiter_free(waiter);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(results[0], 6);
	assert_int_equal(results[1], 6);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* It is left to its waiter, who may look when all is closed; its deadline is far away. */
static void
test_a_large_result_that_has_come_outlives_the_close(void **state)
{
	struct dist_call_options options = { .timeout_ms = 3600 * 1000 };
	struct stage *s = *state;
	CLIENT *probe = dist_peer_client(s->peers[0], PROBE_PROG, 1, &options);
	probe_bytes bytes = { 0 };
	struct dist_waiter *waiter = dist_go(probe, probe_make_1, 1000000, &bytes);

	while (!dist_waiter_done(waiter))
		poll(NULL, 0, 1);
	stage_close_peers(s);
	dist_runtime_stop(s->runtime);
	s->runtime = NULL;
	assert_ok(dist_waiter_wait(waiter, 0));
	assert_int_equal(bytes.probe_bytes_len, 1000000);
	dist_waiter_free(waiter);
	clnt_freeres(probe, (xdrproc_t)xdr_probe_bytes, (char *)&bytes);
	clnt_destroy(probe);
}

static const struct CMUnitTest tests[] = {
	TEST(test_a_taker_sends_and_reads_by_itself),
	TEST(test_a_taker_reads_on_all_connections),
	TEST(test_several_takers_share_the_reading),
	TEST(test_any_of_several_is_read_by_who_waits),
	TEST(test_a_look_sends_and_reads),
	TEST(test_a_cancel_wakes_who_takes),
	TEST(test_a_cancel_wakes_who_waits_for_any),
	TEST(test_a_deadline_wakes_who_takes),
	TEST(test_a_call_for_another_connection_is_read_by_who_takes_already),
	TEST(test_the_end_of_a_connection_wakes_who_takes),
	TEST(test_who_takes_passes_the_reading_to_who_waits),
	TEST(test_who_waits_passes_the_reading_to_who_takes),
	TEST(test_who_takes_leaves_the_rest_to_the_loop),
	TEST(test_a_queue_in_an_event_loop_is_read_by_ours),
	TEST(test_more_connections_than_one_thread_reads),
	TEST(test_without_a_descriptor_to_be_had_the_loop_reads),
	TEST(test_a_large_result_that_has_come_outlives_the_close),
};

CHECK_MAIN(tests)
