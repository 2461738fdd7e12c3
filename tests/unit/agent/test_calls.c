/* Calls from a program to nodes by way of a master, all in this process. */
#include "support/check.h"

#include <dist/dist.h>
#include <pthread.h>
#include <rpc/auth_unix.h>
#include <string.h>

#include "arith.h"

extern const struct dist_service arith_prog_1_service;

/* What the first number asks the procedure to do, besides summing. */
enum {
	JUST_SUM = 0,
	CALL_THE_CLUSTER = 1, /* the sum of the rest comes from another call */
	WAIT_FOR_THE_TEST = 2,
	TELL_THE_UID = 3,
};

static struct dist_cluster *nested;
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool arrived, released;

static void
gate_pass(void)
{
	pthread_mutex_lock(&gate_lock);
	arrived = true;
	pthread_cond_broadcast(&gate_moved);
	while (!released)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void
gate_wait_arrived(void)
{
	pthread_mutex_lock(&gate_lock);
	while (!arrived)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void
gate_release(void)
{
	pthread_mutex_lock(&gate_lock);
	released = true;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&gate_lock);
}

static bool_t
sum_by_another_call(int_array numbers, quad_t *result)
{
	CLIENT *arith = dist_client_create(nested, ARITH_PROG, ARITH_V1);
	enum clnt_stat stat;

	numbers.int_array_val[0] = JUST_SUM;
	*result = 0;
	stat = arith_sum_1(numbers, result, arith);
	clnt_destroy(arith);
	return stat == RPC_SUCCESS;
}

bool_t
arith_sum_1_svc(int_array numbers, quad_t *result, struct svc_req *rqstp)
{
	struct authunix_parms *caller = rqstp->rq_clntcred;

	switch (numbers.int_array_val[0]) {
	case CALL_THE_CLUSTER:
		return sum_by_another_call(numbers, result);
	case WAIT_FOR_THE_TEST:
		gate_pass();
		break;
	case TELL_THE_UID:
		*result = rqstp->rq_cred.oa_flavor == AUTH_SYS ? (quad_t)caller->aup_uid : -1;
		return TRUE;
	}
	*result = 0;
	for (u_int i = 1; i < numbers.int_array_len; i++)
		*result += numbers.int_array_val[i];
	return TRUE;
}

struct fixture {
	struct dist_master *master;
	struct dist_node *node;
	struct dist_cluster *cluster;
	CLIENT *arith;
};

static int
setup(void **state)
{
	const struct dist_service *services[] = { &arith_prog_1_service, NULL };
	struct dist_master_options for_master = { .listen = "127.0.0.1:0",
		                                  .no_rpcbind = true };
	struct dist_node_options for_node = { .listen = "127.0.0.1:0",
		                              .workers = 2,
		                              .no_rpcbind = true };
	struct fixture *f = calloc(1, sizeof(*f));
	char master[64];

	arrived = released = false;
	assert_ok(dist_master_start(&f->master, &for_master));
	snprintf(master, sizeof(master), "127.0.0.1:%u", dist_master_port(f->master));
	for_node.masters = master;
	assert_ok(dist_node_start(&f->node, services, &for_node));
	assert_ok(dist_cluster_open(&f->cluster, master, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(f->cluster, ARITH_PROG, ARITH_V1, 1, 20000));
	f->arith = dist_client_create(f->cluster, ARITH_PROG, ARITH_V1);
	assert_non_null(f->arith);
	nested = f->cluster;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	clnt_destroy(f->arith);
	dist_cluster_close(f->cluster);
	dist_node_stop(f->node);
	dist_master_stop(f->master);
	free(f);
	return 0;
}

static enum clnt_stat
sum(CLIENT *arith, int what, quad_t *ret)
{
	int numbers[] = { what, 20, 22 };

	*ret = 0;
	return arith_sum_1((int_array){ 3, numbers }, ret, arith);
}

static void
test_a_procedure_calls_its_own_cluster(void **state)
{
	struct fixture *f = *state;
	quad_t result;

	/* Often enough that it is taken for short, and run by the thread that reads. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sum(f->arith, JUST_SUM, &result), RPC_SUCCESS);
		assert_int_equal(result, 42);
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(sum(f->arith, CALL_THE_CLUSTER, &result), RPC_SUCCESS);
		assert_int_equal(result, 42);
	}
}

static void *
drain(void *arg)
{
	assert_ok(dist_node_drain(arg, 20000));
	return NULL;
}

/* The only node drains: it finishes what it has, and the next caller is told at once. */
static void
test_a_caller_is_told_when_the_last_node_drains(void **state)
{
	struct fixture *f = *state;
	int numbers[] = { WAIT_FOR_THE_TEST, 20, 22 };
	quad_t held = 0, result;
	struct dist_waiter *waiter;
	pthread_t drainer;
	enum clnt_stat stat;

	waiter = dist_go(f->arith, arith_sum_1, ((int_array){ 3, numbers }), &held);
	assert_non_null(waiter);
	assert_int_equal(dist_waiter_wait(waiter, 0), DIST_ETIMEDOUT);
	gate_wait_arrived();
	assert_int_equal(pthread_create(&drainer, NULL, drain, f->node), 0);
	/* Until the drain has begun calls are served; from then on none hangs. */
	do
		stat = sum(f->arith, JUST_SUM, &result);
	while (stat == RPC_SUCCESS);
	assert_int_equal(stat, RPC_PROGNOTREGISTERED);
	assert_int_equal(dist_error_last(), DIST_ENONODE);

	gate_release();
	assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
	assert_int_equal(held, 42);
	dist_waiter_free(waiter);
	pthread_join(drainer, NULL);
}

static void
test_a_credential_of_the_caller_is_seen_by_the_procedure(void **state)
{
	struct fixture *f = *state;
	AUTH *none = f->arith->cl_auth;
	quad_t result;

	assert_int_equal(sum(f->arith, TELL_THE_UID, &result), RPC_SUCCESS);
	assert_int_equal(result, -1);
	f->arith->cl_auth = authunix_create("here", 1234, 56, 0, NULL);
	assert_non_null(f->arith->cl_auth);
	assert_int_equal(sum(f->arith, TELL_THE_UID, &result), RPC_SUCCESS);
	assert_int_equal(result, 1234);
	auth_destroy(f->arith->cl_auth);
	f->arith->cl_auth = none;
}

static void
test_a_clients_controls_are_those_of_onc_rpc(void **state)
{
	struct fixture *f = *state;
	struct timeval time = { 7, 250000 };
	struct rpc_err rpc_err;
	uint32_t number = 0;
	quad_t result;

	assert_true(clnt_control(f->arith, CLGET_TIMEOUT, (char *)&time));
	assert_int_equal(time.tv_sec, 0); /* none */
	time = (struct timeval){ 7, 250000 };
	assert_true(clnt_control(f->arith, CLSET_TIMEOUT, (char *)&time));
	time = (struct timeval){ 0, 0 };
	assert_true(clnt_control(f->arith, CLGET_TIMEOUT, (char *)&time));
	assert_int_equal(time.tv_sec, 7);
	assert_int_equal(time.tv_usec, 250000);
	assert_true(clnt_control(f->arith, CLGET_PROG, (char *)&number));
	assert_int_equal(number, ARITH_PROG);
	assert_true(clnt_control(f->arith, CLGET_VERS, (char *)&number));
	assert_int_equal(number, ARITH_V1);
	assert_false(clnt_control(f->arith, CLGET_FD, (char *)&number));

	assert_int_equal(sum(f->arith, JUST_SUM, &result), RPC_SUCCESS);
	clnt_geterr(f->arith, &rpc_err);
	assert_int_equal(rpc_err.re_status, RPC_SUCCESS);
	assert_non_null(strstr(clnt_sperror(f->arith, "arith"), "Success"));
	assert_true(clnt_freeres(f->arith, (xdrproc_t)xdr_quad_t, (char *)&result));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_a_procedure_calls_its_own_cluster),
	TEST(test_a_caller_is_told_when_the_last_node_drains),
	TEST(test_a_credential_of_the_caller_is_seen_by_the_procedure),
	TEST(test_a_clients_controls_are_those_of_onc_rpc),
};

CHECK_MAIN(tests)
