/* Calls to one stock libtirpc server, through rpcgen's unchanged stubs. */
#include "support/check.h"
#include "support/stock_server.h"

#include <dist/waiter.h>
#include <pthread.h>
#include <string.h>

#include "arith.h"
#include "client/peer.h"
#include "unit/client/sent.h"

struct fixture {
	struct stock_server server;
	struct dist_runtime *runtime;
	struct dist_peer *peer;
	CLIENT *arith;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->server = stock_server_start();
	assert_ok(dist_runtime_start(&f->runtime, "test"));
	assert_ok(dist_peer_open(&f->peer, f->runtime, &f->server.address, NULL));
	f->arith = dist_peer_client(f->peer, ARITH_PROG, ARITH_V1, NULL);
	assert_non_null(f->arith);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->arith)
		clnt_destroy(f->arith);
	dist_peer_close(f->peer);
	dist_runtime_stop(f->runtime);
	stock_server_kill(&f->server);
	free(f);
	return 0;
}

static int_array
ints(int *values, unsigned n)
{
	return (int_array){ n, values };
}

static void
test_an_unchanged_stub_gets_its_answer(void **state)
{
	struct fixture *f = *state;
	int values[] = { 2, 4, 6 };
	quad_t sum = 0;

	assert_int_equal(arith_sum_1(ints(values, 3), &sum, f->arith), RPC_SUCCESS);
	assert_int_equal(sum, 12);
	assert_string_equal(dist_last_node(f->arith)->address,
	                    dist_last_node(f->arith)->name);
	for (int i = 0; i < 1000; i++) {
		values[0] = i;
		assert_int_equal(arith_sum_1(ints(values, 3), &sum, f->arith), RPC_SUCCESS);
		assert_int_equal(sum, i + 10);
	}
}

static void
test_waiters_overlap_on_one_connection(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	struct dist_waiter *waiters[N];
	quad_t sums[N] = { 0 };

	for (int i = 0; i < N; i++) {
		int values[] = { i, 1 };

		waiters[i] = dist_go(f->arith, arith_sum_1, ints(values, 2), &sums[i]);
		assert_non_null(waiters[i]);
	}
	assert_ok(dist_wait_all(waiters, N, DIST_FOREVER));
	for (int i = 0; i < N; i++) {
		assert_ok(dist_waiter_wait(waiters[i], 0));
		assert_true(dist_waiter_done(waiters[i]));
		assert_int_equal(sums[i], i + 1);
		assert_int_equal(dist_waiter_status(waiters[i]), RPC_SUCCESS);
		assert_string_equal(dist_waiter_error(waiters[i]), "");
		dist_waiter_free(waiters[i]);
	}
}

static void
test_large_arguments_and_small_ones_mix(void **state)
{
	enum { LARGE = 1 << 20 };
	struct fixture *f = *state;
	int *values = calloc(LARGE, sizeof(*values)), one = 1;
	struct dist_waiter *large, *small;
	quad_t large_sum = 0, small_sum = 0;

	for (int i = 0; i < LARGE; i++)
		values[i] = 1;
	large = dist_go(f->arith, arith_sum_1, ints(values, LARGE), &large_sum);
	small = dist_go(f->arith, arith_sum_1, ints(&one, 1), &small_sum);
	memset(values, 0, LARGE * sizeof(*values)); /* they were encoded already */
	assert_ok(dist_waiter_wait(small, DIST_FOREVER));
	assert_ok(dist_waiter_wait(large, DIST_FOREVER));
	assert_int_equal(small_sum, 1);
	assert_int_equal(large_sum, LARGE);
	dist_waiter_free(small);
	dist_waiter_free(large);
	free(values);
}

static void
test_any_of_several_ends_first(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiters[40] = { NULL };
	quad_t sums[40] = { 0 };
	size_t index = 99;
	int one = 1;

	assert_int_equal(dist_wait_any(waiters, 40, 0, &index), DIST_EINVAL);
	for (int i = 1; i < 40; i++)
		waiters[i] = dist_go(f->arith, arith_sum_1, ints(&one, 1), &sums[i]);
	for (int i = 1; i < 40; i++) {
		assert_ok(dist_wait_any(waiters, 40, DIST_FOREVER, &index));
		assert_int_equal(sums[index], 1);
		dist_waiter_free(waiters[index]);
		waiters[index] = NULL;
	}
	assert_int_equal(dist_wait_any(waiters, 40, 0, &index), DIST_EINVAL);
}

static void
test_a_queue_harvests_all(void **state)
{
	enum { N = 5000 };
	struct fixture *f = *state;
	struct dist_queue *queue;
	struct dist_waiter *waiter;
	quad_t *sums = calloc(N, sizeof(*sums));
	int n = 0;

	assert_ok(dist_queue_new(&queue));
	for (int i = 0; i < N; i++) {
		waiter = dist_go(f->arith, arith_sum_1, ints(&i, 1), &sums[i]);
		assert_ok(dist_queue_add(queue, waiter, &sums[i]));
		assert_int_equal(dist_queue_add(queue, waiter, NULL), DIST_EINVAL);
	}
	while ((waiter = dist_queue_take(queue, DIST_FOREVER))) {
		quad_t *sum = dist_waiter_tag(waiter);

		assert_ok(dist_waiter_wait(waiter, 0));
		assert_int_equal(*sum, sum - sums);
		dist_waiter_free(waiter);
		n++;
	}
	assert_int_equal(n, N);
	assert_int_equal(dist_queue_length(queue), 0);
	dist_queue_free(queue);
	free(sums);
}

struct callback {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int n;
	struct dist_waiter *waiter;
	enum dist_err own_wait;
};

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	struct callback *callback = arg;

	pthread_mutex_lock(&callback->lock);
	callback->n++;
	callback->waiter = waiter;
	callback->own_wait = dist_waiter_wait(waiter, 0);
	pthread_cond_signal(&callback->changed);
	pthread_mutex_unlock(&callback->lock);
}

static void
test_a_callback_runs_exactly_once(void **state)
{
	struct fixture *f = *state;
	struct callback callback = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
		                     0, NULL, DIST_OK };
	quad_t sum = 0;
	int one = 1;
	struct dist_waiter *waiter = dist_go(f->arith, arith_sum_1, ints(&one, 1), &sum);

	assert_ok(dist_waiter_then(waiter, on_end, &callback));
	assert_int_equal(dist_waiter_then(waiter, on_end, &callback), DIST_EINVAL);
	assert_int_equal(dist_waiter_then(NULL, on_end, &callback), DIST_EINVAL);
	pthread_mutex_lock(&callback.lock);
	while (callback.n == 0)
		pthread_cond_wait(&callback.changed, &callback.lock);
	assert_int_equal(callback.n, 1);
	assert_ptr_equal(callback.waiter, waiter);
	assert_int_equal(callback.own_wait, DIST_EDEADLK);
	pthread_mutex_unlock(&callback.lock);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	dist_waiter_free(waiter);
}

static void
test_a_stopped_server_meets_deadlines(void **state)
{
	struct fixture *f = *state;
	struct timeval soon = { 0, 50000 };
	struct dist_waiter *waiter;
	quad_t sum = 0, slow_sum = 0; /* of the call that outlives the stop */
	int one = 1;

	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_SUCCESS);
	kill(f->server.pid, SIGSTOP);
	waiter = dist_go(f->arith, arith_sum_1, ints(&one, 1), &slow_sum);
	assert_int_equal(dist_waiter_wait(waiter, 20), DIST_ETIMEDOUT);
	assert_int_equal(dist_waiter_status(waiter), RPC_INPROGRESS);

	assert_true(clnt_control(f->arith, CLSET_TIMEOUT, (char *)&soon));
	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_TIMEDOUT);
	assert_int_equal(dist_error_last(), DIST_EDEADLINE);
	{
		struct dist_waiter *late =
			dist_go(f->arith, arith_sum_1, ints(&one, 1), &sum);

		assert_int_equal(dist_waiter_wait(late, DIST_FOREVER), DIST_EDEADLINE);
		assert_int_equal(dist_waiter_status(late), RPC_TIMEDOUT);
		dist_waiter_free(late);
	}
	kill(f->server.pid, SIGCONT);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(slow_sum, 1);
	dist_waiter_free(waiter);
	/* The late replies were nobody's, and harmed nobody. */
	soon.tv_usec = 0;
	soon.tv_sec = 60;
	assert_true(clnt_control(f->arith, CLSET_TIMEOUT, (char *)&soon));
	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_SUCCESS);
}

static void
test_a_killed_server_loses_no_call_without_a_word(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiters[100];
	quad_t sums[100] = { 0 };
	int one = 1;
	quad_t sum = 0;

	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_SUCCESS);
	kill(f->server.pid, SIGSTOP);
	for (int i = 0; i < 100; i++)
		waiters[i] = dist_go(f->arith, arith_sum_1, ints(&one, 1), &sums[i]);
	until_all_is_sent_to(f->peer);
	stock_server_kill(&f->server);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(dist_waiter_wait(waiters[i], DIST_FOREVER),
		                 DIST_ECONNRESET);
		assert_int_equal(dist_waiter_status(waiters[i]), RPC_CANTRECV);
		assert_non_null(strstr(dist_waiter_error(waiters[i]), "127.0.0.1"));
		dist_waiter_free(waiters[i]);
	}
	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_CANTSEND);
}

static void
test_a_cancelled_call_ends_at_once(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t sum = 0;
	int one = 1;

	kill(f->server.pid, SIGSTOP);
	waiter = dist_go(f->arith, arith_sum_1, ints(&one, 1), &sum);
	dist_waiter_cancel(waiter);
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECANCELED);
	assert_int_equal(dist_waiter_status(waiter), RPC_INTR);
	dist_waiter_free(waiter);
	/* Freed in flight: the same. */
	dist_waiter_free(dist_go(f->arith, arith_sum_1, ints(&one, 1), &sum));
	kill(f->server.pid, SIGCONT);
	assert_int_equal(sum, 0);
}

static void
test_the_server_says_no_in_onc_rpcs_words(void **state)
{
	struct fixture *f = *state;
	CLIENT *other = dist_peer_client(f->peer, ARITH_PROG, 7, NULL);
	struct dist_waiter *waiter;
	struct rpc_err rpc_err;
	quad_t sum;
	int one = 1;

	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, other), RPC_PROGVERSMISMATCH);
	clnt_geterr(other, &rpc_err);
	assert_int_equal(rpc_err.re_status, RPC_PROGVERSMISMATCH);
	assert_int_equal(rpc_err.re_vers.low, 1);
	assert_int_equal(rpc_err.re_vers.high, 1);
	assert_int_equal(dist_error_last(), DIST_ERPC);
	waiter = dist_go(other, arith_sum_1, ints(&one, 1), &sum);
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ERPC);
	memset(&rpc_err, 0, sizeof(rpc_err));
	dist_waiter_rpc_error(waiter, &rpc_err);
	assert_int_equal(rpc_err.re_status, RPC_PROGVERSMISMATCH);
	assert_int_equal(rpc_err.re_vers.low, 1);
	assert_int_equal(rpc_err.re_vers.high, 1);
	dist_waiter_free(waiter);
	clnt_destroy(other);
	other = dist_peer_client(f->peer, ARITH_PROG + 1, 1, NULL);
	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, other), RPC_PROGUNAVAIL);
	clnt_destroy(other);
}

static void
test_foreign_and_missing_clients_are_refused_in_words(void **state)
{
	quad_t sum;
	int one = 1;
	(void)state;

	assert_null(dist_go(NULL, arith_sum_1, ints(&one, 1), &sum));
	assert_int_equal(dist_error_last(), DIST_EINVAL);
	assert_null(dist_last_node(NULL));
	assert_int_equal(dist_waiter_wait(NULL, 0), DIST_EINVAL);
	assert_true(dist_waiter_done(NULL));
	assert_null(dist_waiter_node(NULL));
	dist_waiter_cancel(NULL);
	dist_waiter_free(NULL);
}

static void *
hammer(void *arg)
{
	CLIENT *arith = arg;
	quad_t sum;

	for (int i = 0; i < 500; i++) {
		int values[] = { i, 3 };

		sum = 0;
		assert_int_equal(arith_sum_1(ints(values, 2), &sum, arith), RPC_SUCCESS);
		assert_int_equal(sum, i + 3);
	}
	return NULL;
}

static void
test_many_threads_share_a_client(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[16];

	for (int i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, f->arith), 0);
	for (int i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
}

struct cancelled {
	CLIENT *arith;
	struct dist_waiter *waiters[20];
	quad_t sums[20];
};

/* Its cancellation is due at the first chance, and most system calls are one. */
static void *
call_when_cancelled(void *arg)
{
	struct cancelled *cancelled = arg;
	int one = 1;

	pthread_cancel(pthread_self());
	for (int i = 0; i < 20; i++)
		cancelled->waiters[i] = dist_go(cancelled->arith, arith_sum_1,
		                                ints(&one, 1), &cancelled->sums[i]);
	pthread_testcancel();
	return NULL;
}

static void
test_a_thread_is_not_cancelled_inside(void **state)
{
	struct fixture *f = *state;
	struct cancelled cancelled = { .arith = f->arith };
	pthread_t thread;
	void *result;

	/* The first opens the connection, the second finds it there. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			pthread_create(&thread, NULL, call_when_cancelled, &cancelled), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		for (int j = 0; j < 20; j++) {
			assert_ok(dist_waiter_wait(cancelled.waiters[j], DIST_FOREVER));
			assert_int_equal(cancelled.sums[j], 1);
			dist_waiter_free(cancelled.waiters[j]);
		}
	}
}

static void
test_closing_ends_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t sum = 0;
	int one = 1;

	kill(f->server.pid, SIGSTOP);
	waiter = dist_go(f->arith, arith_sum_1, ints(&one, 1), &sum);
	dist_peer_close(f->peer);
	f->peer = NULL;
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECLOSED);
	dist_waiter_free(waiter);
	assert_int_equal(arith_sum_1(ints(&one, 1), &sum, f->arith), RPC_FAILED);
	assert_int_equal(dist_error_last(), DIST_ECLOSED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_an_unchanged_stub_gets_its_answer),
	TEST(test_waiters_overlap_on_one_connection),
	TEST(test_large_arguments_and_small_ones_mix),
	TEST(test_any_of_several_ends_first),
	TEST(test_a_queue_harvests_all),
	TEST(test_a_callback_runs_exactly_once),
	TEST(test_a_stopped_server_meets_deadlines),
	TEST(test_a_killed_server_loses_no_call_without_a_word),
	TEST(test_a_cancelled_call_ends_at_once),
	TEST(test_the_server_says_no_in_onc_rpcs_words),
	TEST(test_foreign_and_missing_clients_are_refused_in_words),
	TEST(test_many_threads_share_a_client),
	TEST(test_a_thread_is_not_cancelled_inside),
	TEST(test_closing_ends_what_is_in_flight),
};

CHECK_MAIN(tests)
