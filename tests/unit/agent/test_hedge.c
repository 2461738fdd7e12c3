/*
 * Hedged calls among real nodes. A procedure does what its call asks for, by which of the
 * call's tries it is: on a busy machine the second may come in before the first.
 */
#include "support/check.h"

#include <dist/dist.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arith.h"
#include "base/clock.h"

extern const struct dist_service arith_prog_1_service;

#define N_NODES 2
#define HEDGE_AFTER_MS 20

/* What the first number asks for. Who waits is let go by the test, or is cancelled. */
enum {
	FIRST_WAITS,         /* the second answers, when the first has come in, too */
	BOTH_WAIT,           /* the first to be let go answers */
	SECOND_FAILS,        /* while the first waits */
	FIRST_WAITS_IN_VAIN, /* then says no, while the second waits, and answers */
	BOTH_STAY,           /* when they are cancelled, too */
	AT_ONCE,
	IN_A_WHILE, /* of milliseconds, however many came before */
};

static atomic_uint n_arrived, n_cancelled;
static atomic_bool let_go[3]; /* the first, the second */

static void
until(atomic_uint *count, unsigned n)
{
	while (atomic_load(count) < n)
		sched_yield();
}

/* False: it was cancelled. */
static bool
wait_here(struct svc_req *rqstp, unsigned nth)
{
	while (!atomic_load(&let_go[nth])) {
		if (dist_request_cancelled(rqstp)) {
			atomic_fetch_add(&n_cancelled, 1);
			return false;
		}
		sched_yield();
	}
	return true;
}

bool_t
arith_sum_1_svc(int_array numbers, quad_t *result, struct svc_req *rqstp)
{
	unsigned nth = dist_request_attempt(rqstp);
	unsigned n_before = atomic_fetch_add(&n_arrived, 1);
	bool answers = true;

	*result = 0;
	for (u_int i = 1; i < numbers.int_array_len; i++)
		*result += numbers.int_array_val[i];
	if (numbers.int_array_val[0] == IN_A_WHILE) {
		usleep((n_before + 1) * 7919 % 6000);
		return TRUE;
	}
	if (nth > 2)
		return FALSE;
	switch (numbers.int_array_val[0]) {
	case FIRST_WAITS:
		if (nth == 1)
			return wait_here(rqstp, nth);
		until(&n_arrived, 2);
		return TRUE;
	case BOTH_WAIT:
		return wait_here(rqstp, nth);
	case BOTH_STAY:
		wait_here(rqstp, nth);
		while (!atomic_load(&let_go[nth]))
			sched_yield();
		return FALSE;
	case SECOND_FAILS:
		return nth == 1 && wait_here(rqstp, nth);
	case FIRST_WAITS_IN_VAIN:
		answers = wait_here(rqstp, nth);
		return nth == 2 && answers;
	default:
		return TRUE;
	}
}

struct fixture {
	struct dist_master *master;
	struct dist_node *nodes[N_NODES];
	struct dist_cluster *cluster;
	CLIENT *arith;
};

static void
forget(void)
{
	atomic_store(&n_arrived, 0);
	atomic_store(&n_cancelled, 0);
	atomic_store(&let_go[1], false);
	atomic_store(&let_go[2], false);
}

static int
setup(void **state)
{
	static const char *const names[N_NODES] = { "one", "other" };
	const struct dist_service *services[] = { &arith_prog_1_service, NULL };
	struct dist_master_options for_master = { .listen = "127.0.0.1:0",
		                                  .no_rpcbind = true };
	struct dist_call_options options = { .idempotent = true,
		                             .hedge_after_ms = HEDGE_AFTER_MS };
	struct fixture *f = calloc(1, sizeof(*f));
	char master[64];

	forget();
	assert_ok(dist_master_start(&f->master, &for_master));
	snprintf(master, sizeof(master), "127.0.0.1:%u", dist_master_port(f->master));
	for (unsigned i = 0; i < N_NODES; i++) {
		struct dist_node_options for_node = { .listen = "127.0.0.1:0",
			                              .name = names[i],
			                              .masters = master,
			                              .workers = 2,
			                              .no_rpcbind = true };

		assert_ok(dist_node_start(&f->nodes[i], services, &for_node));
	}
	assert_ok(dist_cluster_open(&f->cluster, master, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(f->cluster, ARITH_PROG, ARITH_V1, N_NODES, 20000));
	f->arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	assert_non_null(f->arith);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	atomic_store(&let_go[1], true);
	atomic_store(&let_go[2], true);
	clnt_destroy(f->arith);
	dist_cluster_close(f->cluster);
	for (unsigned i = 0; i < N_NODES; i++)
		dist_node_stop(f->nodes[i]);
	dist_master_stop(f->master);
	free(f);
	return 0;
}

static struct dist_waiter *
go(CLIENT *arith, int what, quad_t *ret)
{
	int numbers[] = { what, 20, 22 };

	*ret = 0;
	return dist_go(arith, arith_sum_1, ((int_array){ 3, numbers }), ret);
}

static uint64_t
cluster_counter(struct fixture *f, const char *name)
{
	struct dist_stats *stats;
	uint64_t n = 0;

	assert_ok(dist_cluster_stats(&stats, f->cluster));
	for (size_t i = 0; i < stats->n_nodes; i++) {
		for (size_t j = 0; j < stats->nodes[i]->n_procedures; j++)
			n += dist_counters_value(
				&stats->nodes[i]->procedures[j]->counters, name);
	}
	dist_stats_free(stats);
	return n;
}

/* Both tries are counted: whoever reads counts a little after it has ended a call. */
static void
until_counted(struct fixture *f)
{
	while (cluster_counter(f, "ok") + cluster_counter(f, "cancelled") < 2)
		sched_yield();
}

/* The node's name is that of the one that answered with success. */
static void
check_answered_by(struct fixture *f, const struct dist_node_info *info)
{
	struct dist_stats *stats;

	assert_non_null(info);
	assert_ok(dist_cluster_stats(&stats, f->cluster));
	for (size_t i = 0; i < stats->n_nodes; i++) {
		const struct dist_node_stats *node = stats->nodes[i];
		uint64_t ok = dist_counters_value(&node->procedures[0]->counters, "ok");

		assert_int_equal(ok, strcmp(node->name, info->name) == 0);
	}
	dist_stats_free(stats);
}

static void
test_the_second_answers_and_the_first_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(f->arith, FIRST_WAITS, &result));
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(result, 42);
	/* The node's procedure is told. */
	until(&n_cancelled, 1);
	assert_int_equal(atomic_load(&n_arrived), 2);
	until_counted(f);
	check_answered_by(f, dist_waiter_node(waiter));
	assert_int_equal(cluster_counter(f, "hedges"), 1);
	assert_int_equal(cluster_counter(f, "hedges_won"), 1);
	assert_int_equal(cluster_counter(f, "retries"), 1);
	assert_int_equal(cluster_counter(f, "cancelled"), 1);
	dist_waiter_free(waiter);
}

/* Its thread reads where the first is, and is to be woken there. */
static void
test_a_synchronous_caller_has_the_seconds_answer(void **state)
{
	struct fixture *f = *state;
	int numbers[] = { FIRST_WAITS, 20, 22 };
	quad_t result = 0;

	for (unsigned i = 0; i < 5; i++) {
		forget();
		result = 0;
		assert_int_equal(arith_sum_1((int_array){ 3, numbers }, &result, f->arith),
		                 RPC_SUCCESS);
		assert_int_equal(result, 42);
		if (i == 0) {
			until_counted(f);
			check_answered_by(f, dist_last_node(f->arith));
		}
		until(&n_cancelled, 1);
	}
}

static void
test_the_first_answers_and_the_second_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(f->arith, BOTH_WAIT, &result));
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	until(&n_arrived, 2);
	atomic_store(&let_go[1], true);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(result, 42);
	until(&n_cancelled, 1);
	until_counted(f);
	check_answered_by(f, dist_waiter_node(waiter));
	assert_int_equal(cluster_counter(f, "hedges_won"), 0);
	dist_waiter_free(waiter);
}

static void
test_one_that_answers_soon_is_not_hedged(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .idempotent = true, .hedge_after_ms = 60000 };
	CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);

	for (int i = 0; i < 100; i++) {
		struct dist_waiter *waiter;
		quad_t result;

		forget();
		assert_non_null(waiter = go(arith, AT_ONCE, &result));
		assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
		assert_int_equal(result, 42);
		dist_waiter_free(waiter);
	}
	assert_int_equal(cluster_counter(f, "hedges"), 0);
	clnt_destroy(arith);
}

/* An error of the second's is none of the call's, while its first may do better. */
static void
test_a_second_that_fails_leaves_the_first_alone(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(f->arith, SECOND_FAILS, &result));
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	until(&n_arrived, 2);
	while (cluster_counter(f, "system_error") < 1)
		sched_yield();
	assert_false(dist_waiter_done(waiter));
	atomic_store(&let_go[1], true);
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(result, 42);
	while (cluster_counter(f, "ok") < 1)
		sched_yield();
	check_answered_by(f, dist_waiter_node(waiter));
	dist_waiter_free(waiter);
}

/* ... while an error of the first's is an answer like any other. */
static void
test_a_first_that_fails_ends_the_call(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(f->arith, FIRST_WAITS_IN_VAIN, &result));
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	until(&n_arrived, 2);
	atomic_store(&let_go[1], true);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ERPC);
	assert_int_equal(dist_waiter_status(waiter), RPC_SYSTEMERROR);
	until(&n_cancelled, 1);
	dist_waiter_free(waiter);
}

static void
test_both_are_cancelled_by_their_caller(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	for (int i = 0; i < 5; i++) {
		forget();
		assert_non_null(waiter = go(f->arith, BOTH_WAIT, &result));
		assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
		until(&n_arrived, 2);
		if (i % 2)
			dist_waiter_cancel(waiter);
		dist_waiter_free(waiter);
		until(&n_cancelled, 2);
		assert_int_equal(result, 0);
	}
}

static void
test_both_are_cancelled_by_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .idempotent = true,
		                             .hedge_after_ms = HEDGE_AFTER_MS,
		                             .timeout_ms = 500 };
	CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(arith, BOTH_STAY, &result));
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_EDEADLINE);
	assert_int_equal(result, 0);
	dist_waiter_free(waiter);
	/* A machine that was away that long may have hedged nothing. */
	until(&n_cancelled, atomic_load(&n_arrived));
	atomic_store(&let_go[1], true);
	atomic_store(&let_go[2], true);
	clnt_destroy(arith);
}

static void
test_a_cluster_closes_under_both(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	assert_non_null(waiter = go(f->arith, BOTH_WAIT, &result));
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	until(&n_arrived, 2);
	dist_cluster_close(f->cluster);
	f->cluster = NULL;
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECLOSED);
	until(&n_cancelled, 2);
	dist_waiter_free(waiter);
}

/* --- Many ---------------------------------------------------------------------------- */

#define N_THREADS 4
#define N_EACH    150

/*
 * Where answers, hedges, deadlines and cancels meet: an answer takes about as long as it
 * takes a call to be hedged.
 */
static void *
call_many(void *arg)
{
	struct fixture *f = arg;
	struct dist_call_options options = { .idempotent = true, .hedge_after_ms = 1 };
	CLIENT *often = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	CLIENT *hasty;

	options.timeout_ms = 8;
	hasty = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	for (int i = 0; i < N_EACH; i++) {
		struct dist_waiter *waiter;
		quad_t result;
		enum dist_err err;

		waiter = go(i % 3 ? often : hasty, IN_A_WHILE, &result);
		CHECK(waiter, "%s", dist_error_text());
		if (i % 5 == 0) {
			(void)!dist_waiter_wait(waiter, i % 4);
			dist_waiter_free(waiter);
			continue;
		}
		err = dist_waiter_wait(waiter, DIST_FOREVER);
		CHECK(err == DIST_OK || (i % 3 == 0 && err == DIST_EDEADLINE), "%s",
		      dist_waiter_error(waiter));
		CHECK(err || result == 42, "%lld", (long long)result);
		dist_waiter_free(waiter);
	}
	clnt_destroy(often);
	clnt_destroy(hasty);
	return NULL;
}

static enum dist_err
add_in_flight(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += info->in_flight;
	return DIST_OK;
}

static void
test_answers_hedges_deadlines_and_cancels_meet(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[N_THREADS];
	unsigned n_in_flight;

	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_many, f), 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	/* No try is left anywhere. */
	do {
		n_in_flight = 0;
		assert_ok(dist_cluster_each_node(f->cluster, add_in_flight, &n_in_flight));
		sched_yield();
	} while (n_in_flight);
	assert_true(cluster_counter(f, "hedges") > 0);
	assert_true(cluster_counter(f, "hedges_won") <= cluster_counter(f, "hedges"));
}

static void
test_only_what_is_idempotent_is_hedged(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .hedge_after_ms = 10 };

	assert_null(dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options));
	assert_int_equal(dist_error_last(), DIST_EINVAL);
	assert_non_null(strstr(dist_error_text(), "idempotent"));
	options = (struct dist_call_options){ .idempotent = true, .hedge_after_ms = -1 };
	assert_null(dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options));
	assert_int_equal(dist_error_last(), DIST_EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_the_second_answers_and_the_first_is_cancelled),
	TEST(test_a_synchronous_caller_has_the_seconds_answer),
	TEST(test_the_first_answers_and_the_second_is_cancelled),
	TEST(test_one_that_answers_soon_is_not_hedged),
	TEST(test_a_second_that_fails_leaves_the_first_alone),
	TEST(test_a_first_that_fails_ends_the_call),
	TEST(test_both_are_cancelled_by_their_caller),
	TEST(test_both_are_cancelled_by_the_deadline),
	TEST(test_a_cluster_closes_under_both),
	TEST(test_answers_hedges_deadlines_and_cancels_meet),
	TEST(test_only_what_is_idempotent_is_hedged),
};

CHECK_MAIN(tests)
