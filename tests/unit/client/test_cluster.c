/* A cluster of fixed servers, stock libtirpc ones: spreading, failing over, in words. */
#include "support/check.h"
#include "support/stock_server.h"

#include <dist/dist.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arith.h"
#include "unit/client/sent.h"

#define N_SERVERS 3

struct fixture {
	struct stock_server servers[N_SERVERS];
	struct dist_cluster *cluster;
	CLIENT *arith;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dist_cluster_options options = { 0 };
	char servers[512] = "", text[DIST_ADDRESS_TEXT_MAX];

	for (int i = 0; i < N_SERVERS; i++) {
		f->servers[i] = stock_server_start();
		strcat(servers, i ? ", " : "");
		strcat(servers, dist_sockaddr_format(&f->servers[i].address, text));
	}
	options.servers = servers;
	assert_ok(dist_cluster_open(&f->cluster, NULL, &options));
	f->arith = dist_client_create(f->cluster, ARITH_PROG, ARITH_V1);
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
	dist_cluster_close(f->cluster);
	for (int i = 0; i < N_SERVERS; i++)
		stock_server_kill(&f->servers[i]);
	free(f);
	return 0;
}

static int
server_of(const struct fixture *f, const struct dist_node_info *info)
{
	char text[DIST_ADDRESS_TEXT_MAX];

	for (int i = 0; info && i < N_SERVERS; i++) {
		if (strcmp(info->address,
		           dist_sockaddr_format(&f->servers[i].address, text)) == 0)
			return i;
	}
	fail_msg("no server answered");
	return -1;
}

static enum clnt_stat
sum(CLIENT *arith, int a, int b, quad_t *ret)
{
	int values[] = { a, b };

	*ret = 0;
	return arith_sum_1((int_array){ 2, values }, ret, arith);
}

static struct dist_waiter *
go(CLIENT *arith, quad_t *ret)
{
	int values[] = { 1, 2 };

	*ret = 0;
	return dist_go(arith, arith_sum_1, ((int_array){ 2, values }), ret);
}

static void
test_ties_go_round(void **state)
{
	struct fixture *f = *state;
	int n[N_SERVERS] = { 0 };
	quad_t result;

	for (int i = 0; i < 30; i++) {
		assert_int_equal(sum(f->arith, i, 1, &result), RPC_SUCCESS);
		assert_int_equal(result, i + 1);
		n[server_of(f, dist_last_node(f->arith))]++;
	}
	for (int i = 0; i < N_SERVERS; i++)
		assert_int_equal(n[i], 10);
}

static void
test_calls_in_flight_are_spread_evenly(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiters[300];
	int n[N_SERVERS] = { 0 };
	quad_t results[300];

	for (int i = 0; i < N_SERVERS; i++)
		kill(f->servers[i].pid, SIGSTOP);
	for (int i = 0; i < 300; i++)
		assert_non_null(waiters[i] = go(f->arith, &results[i]));
	for (int i = 0; i < N_SERVERS; i++)
		kill(f->servers[i].pid, SIGCONT);
	assert_ok(dist_wait_all(waiters, 300, DIST_FOREVER));
	for (int i = 0; i < 300; i++) {
		n[server_of(f, dist_waiter_node(waiters[i]))]++;
		dist_waiter_free(waiters[i]);
	}
	for (int i = 0; i < N_SERVERS; i++)
		assert_int_equal(n[i], 100);
}

/* What was sent to a server that died may have run; what was not goes elsewhere. */
static void
test_a_dead_server_costs_only_what_it_had(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiters[30];
	quad_t results[30], result;
	int lost = 0;

	/* All stand still while it is sent, so that each has a third of it. */
	for (int i = 0; i < N_SERVERS; i++)
		kill(f->servers[i].pid, SIGSTOP);
	for (int i = 0; i < 30; i++)
		assert_non_null(waiters[i] = go(f->arith, &results[i]));
	until_all_is_sent(f->cluster);
	stock_server_kill(&f->servers[1]);
	for (int i = 0; i < N_SERVERS; i += 2)
		kill(f->servers[i].pid, SIGCONT);
	for (int i = 0; i < 30; i++) {
		enum dist_err err = dist_waiter_wait(waiters[i], DIST_FOREVER);

		assert_true(err == DIST_OK || err == DIST_ECONNRESET);
		lost += err != DIST_OK;
		dist_waiter_free(waiters[i]);
	}
	assert_int_equal(lost, 10);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sum(f->arith, 1, 1, &result), RPC_SUCCESS);
		assert_int_not_equal(server_of(f, dist_last_node(f->arith)), 1);
	}
}

static void
test_an_idempotent_call_survives_its_server(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .idempotent = true };
	CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	struct dist_waiter *waiters[60];
	quad_t results[60];

	for (int i = 0; i < N_SERVERS; i++)
		kill(f->servers[i].pid, SIGSTOP);
	for (int i = 0; i < 60; i++)
		assert_non_null(waiters[i] = go(arith, &results[i]));
	until_all_is_sent(f->cluster);
	for (int i = 0; i < N_SERVERS; i += 2)
		kill(f->servers[i].pid, SIGCONT);
	stock_server_kill(&f->servers[1]);
	assert_ok(dist_wait_all(waiters, 60, DIST_FOREVER));
	for (int i = 0; i < 60; i++) {
		assert_int_equal(results[i], 3);
		dist_waiter_free(waiters[i]);
	}
	clnt_destroy(arith);
}

static void
test_affinity_keeps_to_one_server(void **state)
{
	struct fixture *f = *state;
	int used[N_SERVERS] = { 0 };
	quad_t result;

	for (uint64_t key = 1; key <= 32; key++) {
		struct dist_call_options options = { .affinity = key };
		CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1,
		                                        &options);
		int first;

		assert_int_equal(sum(arith, 1, 1, &result), RPC_SUCCESS);
		first = server_of(f, dist_last_node(arith));
		used[first]++;
		for (int i = 0; i < 5; i++) {
			assert_int_equal(sum(arith, 1, 1, &result), RPC_SUCCESS);
			assert_int_equal(server_of(f, dist_last_node(arith)), first);
		}
		clnt_destroy(arith);
	}
	for (int i = 0; i < N_SERVERS; i++)
		assert_true(used[i] > 0);
}

static void
test_a_program_nobody_serves_is_said_so(void **state)
{
	struct fixture *f = *state;
	CLIENT *other = dist_client_create(f->cluster, ARITH_PROG + 9, 1);
	quad_t result;

	assert_int_equal(sum(other, 1, 1, &result), RPC_PROGUNAVAIL);
	/* All three have said so by now: nobody is asked again. */
	assert_int_equal(sum(other, 1, 1, &result), RPC_PROGNOTREGISTERED);
	assert_int_equal(dist_error_last(), DIST_ENONODE);
	assert_null(go(other, &result));
	assert_int_equal(dist_error_last(), DIST_ENONODE);
	clnt_destroy(other);
}

static void
test_all_servers_gone_is_an_answer_at_once(void **state)
{
	struct fixture *f = *state;
	quad_t result;

	for (int i = 0; i < N_SERVERS; i++)
		stock_server_kill(&f->servers[i]);
	assert_int_equal(sum(f->arith, 1, 1, &result), RPC_CANTSEND);
	assert_int_equal(dist_error_last(), DIST_ECONNECT);
	assert_non_null(strstr(dist_error_text(), "127.0.0.1:"));
}

/* A refusal may come before the call is on the connection, or after. */
static void
test_a_refused_connection_is_always_called_one(void **state)
{
	struct fixture *f = *state;
	char text[DIST_ADDRESS_TEXT_MAX];
	struct dist_cluster_options options = { .servers = text };

	dist_sockaddr_format(&f->servers[0].address, text);
	stock_server_kill(&f->servers[0]);
	for (int i = 0; i < 200; i++) {
		struct dist_cluster *cluster;
		quad_t result;
		CLIENT *arith;

		assert_ok(dist_cluster_open(&cluster, NULL, &options));
		arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
		assert_int_equal(sum(arith, 1, 1, &result), RPC_CANTSEND);
		assert_non_null(strstr(dist_error_text(), "Connection refused"));
		clnt_destroy(arith);
		dist_cluster_close(cluster);
	}
}

static void
test_the_bound_of_calls_in_flight_holds(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster_options options = { .max_in_flight = 2 };
	char text[DIST_ADDRESS_TEXT_MAX];
	struct dist_cluster *cluster;
	struct dist_waiter *a, *b;
	quad_t results[3];
	CLIENT *arith;

	options.servers = dist_sockaddr_format(&f->servers[0].address, text);
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
	kill(f->servers[0].pid, SIGSTOP);
	assert_non_null(a = go(arith, &results[0]));
	assert_non_null(b = go(arith, &results[1]));
	assert_null(go(arith, &results[2]));
	assert_int_equal(dist_error_last(), DIST_EBUSY);
	dist_waiter_free(a);
	assert_non_null(a = go(arith, &results[2]));
	kill(f->servers[0].pid, SIGCONT);
	assert_ok(dist_waiter_wait(a, DIST_FOREVER));
	assert_ok(dist_waiter_wait(b, DIST_FOREVER));
	dist_waiter_free(a);
	dist_waiter_free(b);
	clnt_destroy(arith);
	dist_cluster_close(cluster);
}

#define N_UNSENT_MAX 1000
#define N_INTS       25000 /* of four bytes */

/* A server that does not read costs so much memory, and then no more. */
static void
test_what_waits_unsent_for_a_server_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster_options options = { .max_unsent_bytes = 1024 * 1024 };
	static struct dist_waiter *waiters[N_UNSENT_MAX];
	static quad_t results[N_UNSENT_MAX];
	static int values[N_INTS] = { 1, 2 };
	char text[DIST_ADDRESS_TEXT_MAX];
	struct dist_cluster *cluster;
	struct dist_stats *stats;
	CLIENT *arith;
	int n = 0;

	options.servers = dist_sockaddr_format(&f->servers[0].address, text);
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
	kill(f->servers[0].pid, SIGSTOP);
	/* What the system itself takes is some megabytes. */
	do {
		assert_in_range(n, 0, N_UNSENT_MAX - 1);
		results[n] = 0;
		waiters[n] = dist_go(arith, arith_sum_1, ((int_array){ N_INTS, values }),
		                     &results[n]);
	} while (waiters[n++]);
	n--;
	assert_int_equal(dist_error_last(), DIST_EBUSY);
	assert_non_null(strstr(dist_error_text(), "bytes wait to be sent"));
	assert_non_null(strstr(dist_error_text(), text));
	assert_in_range(n, 10, 500);

	/* Once it reads again, all of it runs, and what was refused did not. */
	kill(f->servers[0].pid, SIGCONT);
	for (int i = 0; i < n; i++) {
		assert_ok(dist_waiter_wait(waiters[i], DIST_FOREVER));
		assert_int_equal(results[i], 3);
		dist_waiter_free(waiters[i]);
	}
	assert_ok(dist_cluster_stats(&stats, cluster));
	assert_int_equal(dist_counters_value(&stats->nodes[0]->procedures[0]->counters,
	                                     "not_sent"), 1);
	dist_stats_free(stats);
	clnt_destroy(arith);
	dist_cluster_close(cluster);
}

static void
test_bad_openings_are_refused_in_words(void **state)
{
	struct dist_cluster *cluster = NULL;
	struct dist_cluster_options options = { .servers = "no port" };
	struct {
		struct dist_cluster_options known;
		int later;
	} newer = { .later = 1 };
	(void)state;

	assert_int_equal(dist_cluster_open(&cluster, NULL, NULL), DIST_EINVAL);
	assert_int_equal(dist_cluster_open(&cluster, NULL, &options), DIST_EADDRESS);
	options.servers = "127.0.0.1";
	assert_int_equal(dist_cluster_open(&cluster, NULL, &options), DIST_EADDRESS);
	assert_int_equal(dist_cluster_open_sized(&cluster, "x", &newer.known, sizeof(newer)),
	                 DIST_EINVAL);
	options = (struct dist_cluster_options){ .open_timeout_ms = 50 };
	assert_int_equal(dist_cluster_open(&cluster, "127.0.0.1:1", &options),
	                 DIST_ENOMASTER);
	assert_non_null(strstr(dist_error_text(), "127.0.0.1:1"));
	assert_null(cluster);
	assert_null(dist_client_create(NULL, 1, 1));
}

/* In the child of a fork handles fail, and what they share with the parent goes on. */
static void
test_a_forked_child_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	struct dist_queue *queue;
	quad_t result, other;
	int status;
	pid_t child;

	assert_int_equal(sum(f->arith, 1, 1, &result), RPC_SUCCESS);
	assert_ok(dist_queue_new(&queue));
	assert_ok(dist_queue_add(queue, go(f->arith, &other), NULL));
	child = fork();
	if (child == 0) {
		bool right = sum(f->arith, 1, 1, &result) == RPC_FAILED &&
		             dist_error_last() == DIST_EFORKED &&
		             !go(f->arith, &result) && dist_error_last() == DIST_EFORKED &&
		             !dist_queue_take(queue, DIST_FOREVER) &&
		             dist_error_last() == DIST_EFORKED;

		dist_queue_free(queue);
		clnt_destroy(f->arith);
		dist_cluster_close(f->cluster);
		_exit(right ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(waiter = dist_queue_take(queue, DIST_FOREVER));
	assert_ok(dist_waiter_wait(waiter, 0));
	dist_waiter_free(waiter);
	dist_queue_free(queue);
	assert_int_equal(sum(f->arith, 1, 1, &result), RPC_SUCCESS);
}

static void
test_handles_outlive_their_cluster(void **state)
{
	struct fixture *f = *state;
	struct dist_waiter *waiter;
	quad_t result;

	for (int i = 0; i < N_SERVERS; i++)
		kill(f->servers[i].pid, SIGSTOP);
	waiter = go(f->arith, &result);
	dist_cluster_close(f->cluster);
	f->cluster = NULL;
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECLOSED);
	assert_non_null(dist_waiter_node(waiter));
	dist_waiter_free(waiter);
	assert_int_equal(sum(f->arith, 1, 1, &result), RPC_FAILED);
	assert_int_equal(dist_error_last(), DIST_ECLOSED);
	assert_null(go(f->arith, &result));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_ties_go_round),
	TEST(test_calls_in_flight_are_spread_evenly),
	TEST(test_a_dead_server_costs_only_what_it_had),
	TEST(test_an_idempotent_call_survives_its_server),
	TEST(test_affinity_keeps_to_one_server),
	TEST(test_a_program_nobody_serves_is_said_so),
	TEST(test_all_servers_gone_is_an_answer_at_once),
	TEST(test_a_refused_connection_is_always_called_one),
	TEST(test_the_bound_of_calls_in_flight_holds),
	TEST(test_what_waits_unsent_for_a_server_is_bounded),
	TEST(test_a_forked_child_is_told_so),
	TEST(test_handles_outlive_their_cluster),
	cmocka_unit_test(test_bad_openings_are_refused_in_words),
};

CHECK_MAIN(tests)
