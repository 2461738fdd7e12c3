/* Calls that are lost: where they go next, how often, and what their callers are told. */
#include "support/check.h"
#include "support/stock_server.h"

#include <dist/dist.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "arith.h"
#include "base/clock.h"
#include "client/hostile.h"
#include "probe.h"
#include "unit/client/sent.h"

#define N_SERVERS 4

struct fixture {
	struct stock_server servers[N_SERVERS];
	struct dist_cluster *cluster;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dist_cluster_options options = { 0 };
	char servers[512] = "", text[DIST_ADDRESS_TEXT_MAX];

	for (int i = 0; i < N_SERVERS; i++) {
		f->servers[i] = stock_server_start();
		strcat(servers, i ? "," : "");
		strcat(servers, dist_sockaddr_format(&f->servers[i].address, text));
	}
	options.servers = servers;
	assert_ok(dist_cluster_open(&f->cluster, NULL, &options));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	dist_cluster_close(f->cluster);
	for (int i = 0; i < N_SERVERS; i++)
		stock_server_kill(&f->servers[i]);
	free(f);
	return 0;
}

static enum clnt_stat
sum(CLIENT *arith, int first)
{
	int values[] = { first, 2 };
	quad_t result = 0;

	return arith_sum_1((int_array){ 2, values }, &result, arith);
}

/* How many of the servers died, which are those that the text names, and no other. */
static unsigned
count_dead_and_named(struct fixture *f, const char *text)
{
	char address[DIST_ADDRESS_TEXT_MAX];
	unsigned n = 0;

	for (int i = 0; i < N_SERVERS; i++) {
		bool named;

		dist_sockaddr_format(&f->servers[i].address, address);
		named = strstr(text, address);
		/* Its connections end a little before it does. */
		assert_int_equal(waitpid(f->servers[i].pid, NULL, named ? 0 : WNOHANG),
		                 named ? f->servers[i].pid : 0);
		if (named)
			f->servers[i].pid = 0;
		n += named;
	}
	return n;
}

/* A call that kills whoever runs it. */
static void
test_a_poison_call_stops_and_names_who_died(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .idempotent = true };
	CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);

	assert_non_null(arith);
	assert_int_equal(sum(arith, STOCK_SERVER_POISON), RPC_CANTRECV);
	assert_int_equal(dist_error_last(), DIST_ECONNRESET);
	assert_non_null(strstr(dist_error_text(), "lost on "));
	assert_non_null(strstr(dist_error_text(), "the call may have run"));
	assert_int_equal(count_dead_and_named(f, dist_error_text()), 3);
	/* Who is left serves. */
	assert_int_equal(sum(arith, 1), RPC_SUCCESS);
	clnt_destroy(arith);
}

static void
test_one_that_is_not_idempotent_costs_one_server(void **state)
{
	struct fixture *f = *state;
	CLIENT *arith = dist_client_create(f->cluster, ARITH_PROG, ARITH_V1);

	assert_int_equal(sum(arith, STOCK_SERVER_POISON), RPC_CANTRECV);
	assert_int_equal(count_dead_and_named(f, dist_error_text()), 1);
	clnt_destroy(arith);
}

/* There are tries left, and no server: what was lost is what is said. */
static void
test_one_that_outlives_all_servers_names_all(void **state)
{
	struct fixture *f = *state;
	struct dist_call_options options = { .idempotent = true, .max_tries = 10 };
	CLIENT *arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	struct dist_waiter *waiter;
	int values[] = { STOCK_SERVER_POISON };
	quad_t result = 0;

	waiter = dist_go(arith, arith_sum_1, ((int_array){ 1, values }), &result);
	assert_non_null(waiter);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECONNRESET);
	assert_int_equal(dist_waiter_status(waiter), RPC_CANTRECV);
	assert_int_equal(count_dead_and_named(f, dist_waiter_error(waiter)), N_SERVERS);
	dist_waiter_free(waiter);
	clnt_destroy(arith);
}

/* --- The budget ----------------------------------------------------------------------- */

#define N_LOST 1600

static void
count_losses(struct dist_cluster *cluster, uint64_t *ret_lost, uint64_t *ret_over_budget)
{
	struct dist_stats *stats;

	*ret_lost = *ret_over_budget = 0;
	assert_ok(dist_cluster_stats(&stats, cluster));
	for (size_t i = 0; i < stats->n_nodes; i++) {
		const struct dist_node_stats *node = stats->nodes[i];

		*ret_over_budget += dist_counters_value(&node->counters, "over_budget");
		for (size_t j = 0; j < node->n_procedures; j++)
			*ret_lost += dist_counters_value(&node->procedures[j]->counters,
			                                 "lost");
	}
	dist_stats_free(stats);
}

/* One of two servers ends with N_LOST calls of each; how many failed for it, and did not. */
static void
lose_many(struct fixture *f, unsigned percent, uint64_t *ret_failed, uint64_t *ret_retried)
{
	struct hostile *silent = hostile_start(HOSTILE_SILENT, 1);
	struct dist_cluster_options options = { .retry_budget_percent = percent };
	struct dist_call_options for_calls = { .idempotent = true };
	static struct dist_waiter *waiters[2 * N_LOST];
	static quad_t results[2 * N_LOST];
	char servers[512], text[DIST_ADDRESS_TEXT_MAX], other[DIST_ADDRESS_TEXT_MAX];
	struct dist_cluster *cluster;
	int values[] = { 1, 2 };
	uint64_t n_failed = 0, n_lost, n_over_budget;
	CLIENT *arith;

	snprintf(text, sizeof(text), "127.0.0.1:%u", hostile_port(silent));
	dist_sockaddr_format(&f->servers[1].address, other);
	snprintf(servers, sizeof(servers), "%s,%s", text, other);
	options.servers = servers;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	arith = dist_client_create_with(cluster, ARITH_PROG, ARITH_V1, &for_calls);
	kill(f->servers[1].pid, SIGSTOP);
	for (unsigned i = 0; i < 2 * N_LOST; i++) {
		results[i] = 0;
		waiters[i] = dist_go(arith, arith_sum_1, ((int_array){ 2, values }),
		                     &results[i]);
		assert_non_null(waiters[i]);
	}
	while (hostile_n_taken(silent) < N_LOST)
		sched_yield();
	hostile_stop(silent);
	kill(f->servers[1].pid, SIGCONT);
	for (unsigned i = 0; i < 2 * N_LOST; i++) {
		if (dist_waiter_wait(waiters[i], DIST_FOREVER) == DIST_OK) {
			assert_int_equal(results[i], 3);
		} else {
			assert_int_equal(dist_waiter_status(waiters[i]), RPC_CANTRECV);
			assert_non_null(strstr(dist_waiter_error(waiters[i]), text));
			assert_non_null(strstr(dist_waiter_error(waiters[i]),
			                       "retry_budget_percent"));
			n_failed++;
		}
		dist_waiter_free(waiters[i]);
	}
	count_losses(cluster, &n_lost, &n_over_budget);
	assert_int_equal(n_over_budget, n_failed);
	assert_int_equal(n_lost, N_LOST);
	*ret_failed = n_failed;
	*ret_retried = n_lost - n_failed;
	clnt_destroy(arith);
	dist_cluster_close(cluster);
}

/* Of 1600 lost of 3200: 1000 are saved, 32 earned, and 10 come with each second. */
static void
test_calls_beyond_the_budget_fail_and_say_why(void **state)
{
	int64_t began_ns = dist_clock_ns();
	uint64_t n_failed, n_retried;
	int64_t n_seconds;

	lose_many(*state, 1, &n_failed, &n_retried);
	n_seconds = 1 + (dist_clock_ns() - began_ns) / (1000 * DIST_NS_PER_MS);
	assert_in_range(n_retried, 1000, 1032 + 10 * n_seconds);
	assert_true(n_failed > 0);
}

static void
test_without_a_bound_all_are_sent_again(void **state)
{
	uint64_t n_failed, n_retried;

	lose_many(*state, DIST_RETRY_ALL, &n_failed, &n_retried);
	assert_int_equal(n_failed, 0);
	assert_true(n_retried > 1032);
}

/* --- Hedged --------------------------------------------------------------------------- */

struct in_flight {
	unsigned n[2]; /* calls, by the order of the cluster's list */
	char address[2][DIST_ADDRESS_TEXT_MAX];
	unsigned at;
};

static enum dist_err
note_in_flight(const struct dist_node_info *info, void *arg)
{
	struct in_flight *noted = arg;

	noted->n[noted->at] = info->in_flight;
	strcpy(noted->address[noted->at++], info->address);
	return DIST_OK;
}

/* Where it is that has a call. */
static unsigned
look_in_flight(struct dist_cluster *cluster, struct in_flight *noted)
{
	*noted = (struct in_flight){ 0 };
	assert_ok(dist_cluster_each_node(cluster, note_in_flight, noted));
	return noted->n[0] ? 0 : 1;
}

/* Until so many tries of the one call are out. */
static void
until_in_flight(struct dist_cluster *cluster, unsigned n, struct in_flight *noted)
{
	do
		look_in_flight(cluster, noted);
	while (noted->n[0] + noted->n[1] != n);
}

static struct stock_server *
server_at(struct fixture *f, const char *address)
{
	char text[DIST_ADDRESS_TEXT_MAX];

	for (int i = 0; i < N_SERVERS; i++) {
		if (strcmp(address, dist_sockaddr_format(&f->servers[i].address, text)) == 0)
			return &f->servers[i];
	}
	fail_msg("no server is at %s", address);
	return NULL;
}

/* A call is at two servers that stand still; then these go, or go on, as @fate says. */
static void
hedge_among_two(struct fixture *f, bool first_dies, bool second_dies, bool second_sooner)
{
	struct dist_cluster_options options = { 0 };
	struct dist_call_options for_calls = { .idempotent = true, .hedge_after_ms = 300 };
	char servers[512], text[2][DIST_ADDRESS_TEXT_MAX];
	struct stock_server *first, *second, *dying[2];
	struct dist_cluster *cluster;
	struct dist_waiter *waiter = NULL;
	struct in_flight noted;
	int values[] = { 1, 2 };
	quad_t result = 0;
	unsigned at_first;
	CLIENT *arith;

	snprintf(servers, sizeof(servers), "%s,%s",
	         dist_sockaddr_format(&f->servers[0].address, text[0]),
	         dist_sockaddr_format(&f->servers[1].address, text[1]));
	options.servers = servers;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	arith = dist_client_create_with(cluster, ARITH_PROG, ARITH_V1, &for_calls);
	kill(f->servers[0].pid, SIGSTOP);
	kill(f->servers[1].pid, SIGSTOP);
	do {
		/* Again, where this thread was away for so long that it missed the start. */
		dist_waiter_free(waiter);
		waiter = dist_go(arith, arith_sum_1, ((int_array){ 2, values }), &result);
		assert_non_null(waiter);
		at_first = look_in_flight(cluster, &noted);
	} while (noted.n[0] + noted.n[1] != 1);
	first = server_at(f, noted.address[at_first]);
	second = server_at(f, noted.address[1 - at_first]);
	until_in_flight(cluster, 2, &noted);
	until_all_is_sent(cluster);

	dying[0] = second_sooner ? (second_dies ? second : NULL) : (first_dies ? first : NULL);
	dying[1] = second_sooner ? (first_dies ? first : NULL) : (second_dies ? second : NULL);
	for (int i = 0; i < 2; i++) {
		if (!dying[i])
			continue;
		stock_server_kill(dying[i]);
		until_in_flight(cluster, i == 0 || !dying[0] ? 1 : 0, &noted);
	}
	if (!first_dies)
		kill(first->pid, SIGCONT);
	if (!second_dies)
		kill(second->pid, SIGCONT);
	if (first_dies && second_dies) {
		assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECONNRESET);
		assert_non_null(strstr(dist_waiter_error(waiter), text[0]));
		assert_non_null(strstr(dist_waiter_error(waiter), text[1]));
		assert_int_equal(result, 0);
	} else {
		assert_ok(dist_waiter_wait(waiter, DIST_FOREVER));
		assert_int_equal(result, 3);
		if (first_dies || second_dies)
			assert_string_equal(dist_waiter_node(waiter)->address,
			                    noted.address[first_dies ? 1 - at_first : at_first]);
	}
	dist_waiter_free(waiter);
	clnt_destroy(arith);
	dist_cluster_close(cluster);
}

static void
test_the_first_dies_and_the_second_answers(void **state)
{
	hedge_among_two(*state, true, false, false);
}

static void
test_the_second_dies_and_the_first_answers(void **state)
{
	hedge_among_two(*state, false, true, false);
}

static void
test_both_die_and_are_named(void **state)
{
	hedge_among_two(*state, true, true, false);
}

static void
test_both_die_the_second_sooner_and_are_named(void **state)
{
	hedge_among_two(*state, true, true, true);
}

/* --- Among servers of our own making ------------------------------------------------- */

/* The other one is busy for ever: in each of many rounds the first would do. */
static void
test_a_call_never_returns_to_where_it_was_lost(void **state)
{
	struct hostile *servers[] = { hostile_start(HOSTILE_CLOSES, 1),
		                      hostile_start(HOSTILE_BUSY, 2) };
	struct dist_cluster *cluster = hostile_cluster(servers, 2);
	struct dist_call_options options = { .idempotent = true,
		                             .max_tries = 100,
		                             .timeout_ms = 300 };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	char lost[32];
	int result = 0, id = 0;

	(void)state;
	hostile_forget_runs();
	snprintf(lost, sizeof(lost), "127.0.0.1:%u", hostile_port(servers[0]));
	/* On a busy machine the time of one may be over before it comes there. */
	do
		assert_int_equal(probe_add_1(++id, 1, &result, clnt), RPC_TIMEDOUT);
	while (id < 50 && hostile_runs((uint32_t)id) == 0);
	assert_int_equal(hostile_runs((uint32_t)id), 1);
	clnt_destroy(clnt);

	/* One that does not wait is told at once, and the truth: it may have run. */
	options.timeout_ms = 0;
	clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	for (int i = 0; i < 4; i++) {
		struct dist_waiter *waiter = dist_go(clnt, probe_add_1, 100 + i, 1, &result);
		enum dist_err err;

		if (!waiter) {
			assert_int_equal(hostile_runs((uint32_t)(100 + i)), 0);
			continue;
		}
		err = dist_waiter_wait(waiter, DIST_FOREVER);
		assert_int_equal(err == DIST_ECONNRESET, hostile_runs((uint32_t)(100 + i)));
		if (err == DIST_ECONNRESET)
			assert_non_null(strstr(dist_waiter_error(waiter), lost));
		dist_waiter_free(waiter);
	}
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(servers[0]);
	hostile_stop(servers[1]);
}

/* Sent, unanswered, and not declared idempotent: but they did not run, as was said. */
static void
test_calls_left_by_a_goodbye_go_elsewhere(void **state)
{
	struct hostile *servers[] = { hostile_start(HOSTILE_HOLDS, 1),
		                      hostile_start(HOSTILE_GOOD, 2) };
	struct dist_cluster *cluster = hostile_cluster(servers, 2);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);
	struct dist_waiter *waiters[20];
	int results[20];

	(void)state;
	hostile_forget_runs();
	for (int i = 0; i < 20; i++) {
		waiters[i] = dist_go(clnt, probe_add_1, i, 1, &results[i]);
		assert_non_null(waiters[i]);
	}
	hostile_change(servers[0], HOSTILE_LEAVES);
	for (int i = 0; i < 20; i++) {
		assert_ok(dist_waiter_wait(waiters[i], DIST_FOREVER));
		assert_int_equal(results[i], i + 1);
		assert_int_equal(hostile_runs((uint32_t)i), 1);
		dist_waiter_free(waiters[i]);
	}
	assert_true(hostile_n_taken(servers[0]) >= 1);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(servers[0]);
	hostile_stop(servers[1]);
}

/*
 * The second ran and failed, which is not the call's outcome while its first may do better.
 * When that is refused, it is: to say that the call did not run would be wrong.
 */
static void
fail_the_second_and_refuse(enum hostile_manner refuses)
{
	struct hostile *servers[] = { hostile_start(HOSTILE_HOLDS, 1),
		                      hostile_start(HOSTILE_HOLDS, 2) };
	struct dist_cluster *cluster = hostile_cluster(servers, 2);
	struct dist_call_options options = { .idempotent = true, .hedge_after_ms = 10 };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	struct dist_waiter *waiter;
	struct in_flight noted;
	unsigned failing;
	char address[32];
	uint32_t id = 1;
	int result = 0;

	hostile_forget_runs();
	waiter = dist_go(clnt, probe_add_1, (int)id, 1, &result);
	assert_non_null(waiter);
	/* Where it is first, which must be seen before it is hedged: else again. */
	while (look_in_flight(cluster, &noted), noted.n[0] + noted.n[1] != 1) {
		dist_waiter_free(waiter);
		waiter = dist_go(clnt, probe_add_1, (int)++id, 1, &result);
		assert_non_null(waiter);
	}
	snprintf(address, sizeof(address), "127.0.0.1:%u", hostile_port(servers[0]));
	failing = strcmp(address, noted.address[noted.n[0] ? 0 : 1]) == 0 ? 1 : 0;
	hostile_change(servers[failing], HOSTILE_FAILS);
	do
		look_in_flight(cluster, &noted);
	while (hostile_runs(id) != 1 || noted.n[0] + noted.n[1] != 1);
	assert_false(dist_waiter_done(waiter));
	hostile_change(servers[failing], refuses);
	hostile_change(servers[1 - failing], refuses);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ERPC);
	assert_int_equal(dist_waiter_status(waiter), RPC_SYSTEMERROR);
	assert_int_equal(hostile_runs(id), 1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", hostile_port(servers[failing]));
	assert_string_equal(dist_waiter_node(waiter)->address, address);
	dist_waiter_free(waiter);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(servers[0]);
	hostile_stop(servers[1]);
}

static void
test_a_second_that_failed_is_heard_when_the_first_is_refused(void **state)
{
	static const enum hostile_manner manners[] = { HOSTILE_BUSY, HOSTILE_NO_PROGRAM,
		                                       HOSTILE_NO_PROCEDURE,
		                                       HOSTILE_NO_ARGUMENTS };

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fail_the_second_and_refuse(manners[i]);
}

/* --- Replies that nobody waits for ---------------------------------------------------- */

static atomic_uint n_stray_lines;

static void
count_stray_lines(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level, (void)text, (void)arg;
	if (strcmp(id, "stray-reply") == 0)
		atomic_fetch_add(&n_stray_lines, 1);
}

static uint64_t
count_stray(struct dist_cluster *cluster)
{
	struct dist_stats *stats;
	uint64_t n;

	assert_ok(dist_cluster_stats(&stats, cluster));
	assert_int_equal(stats->n_nodes, 1);
	n = dist_counters_value(&stats->nodes[0]->counters, "stray");
	dist_stats_free(stats);
	return n;
}

static void
test_stray_and_repeated_replies_are_counted_and_dropped(void **state)
{
	struct hostile *server = hostile_start(HOSTILE_TWICE, 1);
	struct dist_cluster *cluster = hostile_cluster(&server, 1);
	CLIENT *clnt = dist_client_create(cluster, PROBE_PROG, 1);

	(void)state;
	atomic_store(&n_stray_lines, 0);
	dist_log_set_sink(count_stray_lines, NULL, DIST_LOG_WARNING);
	for (int i = 0; i < 200; i++) {
		int result = 0;

		assert_int_equal(probe_add_1(i, 1, &result, clnt), RPC_SUCCESS);
		assert_int_equal(result, i + 1);
	}
	/* The last repetition is read by whoever comes by. */
	while (count_stray(cluster) < 400)
		sched_yield();
	assert_int_equal(count_stray(cluster), 400);
	/* A test of that many takes less than the 10 s between two lines, or some more. */
	assert_in_range(atomic_load(&n_stray_lines), 1, 10);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	dist_log_set_sink(NULL, NULL, DIST_LOG_WARNING);
	hostile_stop(server);
}

/* Many more than a sentence holds. */
static void
test_a_long_list_is_cut_between_names(void **state)
{
	struct hostile *servers[40];
	struct dist_call_options options = { .idempotent = true, .max_tries = 40 };
	struct dist_cluster *cluster;
	CLIENT *clnt;
	int result = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		servers[i] = hostile_start(HOSTILE_CLOSES, i + 1);
	cluster = hostile_cluster(servers, 40);
	clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	hostile_forget_runs();
	assert_int_equal(probe_add_1(7, 1, &result, clnt), RPC_CANTRECV);
	assert_int_equal(hostile_runs(7), 40);
	assert_non_null(strstr(dist_error_text(), " more; the call may have run"));
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	for (unsigned i = 0; i < 40; i++)
		hostile_stop(servers[i]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_a_poison_call_stops_and_names_who_died),
	TEST(test_one_that_is_not_idempotent_costs_one_server),
	TEST(test_one_that_outlives_all_servers_names_all),
	TEST(test_calls_beyond_the_budget_fail_and_say_why),
	TEST(test_without_a_bound_all_are_sent_again),
	TEST(test_the_first_dies_and_the_second_answers),
	TEST(test_the_second_dies_and_the_first_answers),
	TEST(test_both_die_and_are_named),
	TEST(test_both_die_the_second_sooner_and_are_named),
	cmocka_unit_test(test_a_call_never_returns_to_where_it_was_lost),
	cmocka_unit_test(test_calls_left_by_a_goodbye_go_elsewhere),
	cmocka_unit_test(test_a_second_that_failed_is_heard_when_the_first_is_refused),
	cmocka_unit_test(test_stray_and_repeated_replies_are_counted_and_dropped),
	cmocka_unit_test(test_a_long_list_is_cut_between_names),
};

CHECK_MAIN(tests)
