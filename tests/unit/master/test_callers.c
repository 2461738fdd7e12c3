/* A master that hears from clusters what they count. */
#include "unit/master/trial.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* No longer does a cluster that closes wait for its master. */
#define LAST_MS 500

/* False: the machine stood still, and its last account was maybe not waited for. */
static bool
close_cluster(struct dist_cluster *cluster)
{
	int64_t until_ns = dist_deadline_in_ms(LAST_MS);

	dist_cluster_close(cluster);
	return !dist_deadline_passed(until_ns);
}

static void
await_more(struct trial *f, uint32_t proc, const char *counter, uint64_t than)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (trial_total(f, proc, counter) <= than) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}

static void
test_a_caller_is_seen_and_its_calls_stay_when_it_leaves(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *cluster = trial_cluster(f);
	const struct dist_overview_caller *caller;
	char name[32];

	trial_call(cluster, 5);
	trial_await_total(f, NULLPROC, "ok", 5);
	trial_await_total(f, 7, "no_procedure", 1);
	trial_await_callers(f, 1);
	assert_int_equal(f->overview->n_callers, 1);
	caller = &f->overview->callers[0];
	snprintf(name, sizeof(name), "[%ld]@", (long)getpid());
	assert_non_null(strstr(caller->name, name));
	assert_int_equal(strncmp(caller->address, "127.0.0.1:", 10), 0);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "calls"), 6);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "ok"), 5);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "in_flight"), 0);

	trial_call(cluster, 4);
	if (!close_cluster(cluster))
		return;
	/* Its last account was answered before it was closed. */
	assert_int_equal(trial_total(f, NULLPROC, "ok"), 9);
	assert_int_equal(trial_total(f, 7, "calls"), 2);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
}

static void
test_who_calls_nobody_is_no_caller(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *quiet = trial_cluster(f), *busy = trial_cluster(f);

	trial_call(busy, 1);
	trial_await_total(f, NULLPROC, "ok", 1);
	assert_int_equal(trial_look(f)->n_callers_in_all, 1);
	dist_cluster_close(quiet);
	dist_cluster_close(busy);
	assert_int_equal(trial_total(f, NULLPROC, "calls"), 1);
}

static void
test_latencies_are_told(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *cluster = trial_cluster(f);
	struct dist_stats *stats = NULL;
	const struct dist_times *times;

	trial_call(cluster, 3);
	if (!close_cluster(cluster))
		return;
	assert_ok(dist_master_caller_totals(&stats, f->registry.master));
	assert_int_equal(stats->nodes[0]->n_procedures, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct dist_procedure_stats *it = stats->nodes[0]->procedures[i];

		times = dist_times_find(it, "latency");
		assert_int_equal(times ? times->count : 0,
		                 it->procedure == NULLPROC ? 3 : 0);
		if (times && times->count)
			assert_true(dist_times_percentile(times, 50) > 0);
	}
	dist_stats_free(stats);
}

/* Callers know numbers; the names are those that a node has told. */
static void
test_procedures_have_the_names_that_nodes_tell(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *cluster = trial_cluster(f);
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	bool named = false;

	trial_call(cluster, 1);
	trial_await_total(f, NULLPROC, "ok", 1);
	dist_cluster_close(cluster);
	while (!named) {
		struct dist_stats *stats = NULL;

		assert_false(dist_deadline_passed(until_ns));
		assert_ok(dist_master_caller_totals(&stats, f->registry.master));
		for (size_t i = 0; i < stats->nodes[0]->n_procedures; i++) {
			const char *name = stats->nodes[0]->procedures[i]->procedure_name;

			named |= name && !strcmp(name, "TRIAL_NULL");
		}
		dist_stats_free(stats);
		sched_yield();
	}
}

static void
test_a_cluster_of_the_masters_own_process_tells_too(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *cluster = NULL;

	assert_ok(dist_cluster_of(&cluster, f->registry.master, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	trial_call(cluster, 2);
	trial_await_total(f, NULLPROC, "ok", 2);
	trial_await_callers(f, 1);
	assert_string_equal(f->overview->callers[0].address, "");
	dist_cluster_close(cluster);
	assert_int_equal(trial_total(f, NULLPROC, "ok"), 2);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
}

/* Whoever starts anew knows nothing, and is told all. */
static void
test_a_master_that_returns_is_told_all(void **state)
{
	struct trial *f = *state;
	struct dist_cluster *cluster = trial_cluster(f);
	char listen[32];

	trial_call(cluster, 2);
	trial_await_total(f, NULLPROC, "ok", 2);
	trial_masters(f, listen);
	registry_close(&f->registry);
	registry_open(&f->registry, &(struct dist_master_options){ .listen = listen,
	                                                           .stats_ms = OFTEN_MS });
	trial_await_total(f, NULLPROC, "ok", 2);
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	trial_call(cluster, 3);
	if (close_cluster(cluster))
		assert_int_equal(trial_total(f, NULLPROC, "ok"), 5);
}

/* --- Many at once ------------------------------------------------------------- */

#define N_PROGRAMS 4
#define N_CLUSTERS 15

/* Opens clusters and closes them: each is told of by its follower, as often as there is time
 * for it, and a last time, maybe at the same moment. */
static void *
come_and_go(void *arg)
{
	struct trial *f = arg;
	bool in_time = true;

	for (unsigned i = 0; i < N_CLUSTERS; i++) {
		struct dist_cluster *cluster = trial_cluster(f);

		for (unsigned j = 0; j < 1 + i % 4; j++)
			trial_call(cluster, 1 + i);
		in_time = close_cluster(cluster) && in_time;
	}
	return in_time ? arg : NULL;
}

static uint64_t
n_calls_of_one(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_CLUSTERS; i++)
		n += (uint64_t)(1 + i % 4) * (1 + i);
	return n;
}

static void
test_no_call_of_many_is_lost_or_counted_twice(void **state)
{
	const uint64_t n_calls = N_PROGRAMS * n_calls_of_one();
	pthread_t threads[N_PROGRAMS];
	bool all_in_time = true;
	struct trial f;
	void *in_time;

	(void)state;
	trial_begin(&f, &(struct dist_master_options){ .stats_ms = 1 });
	for (unsigned i = 0; i < N_PROGRAMS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &f), 0);
	for (unsigned i = 0; i < N_PROGRAMS; i++) {
		pthread_join(threads[i], &in_time);
		all_in_time = all_in_time && in_time;
	}
	trial_await_callers(&f, 0);
	assert_true(trial_total(&f, NULLPROC, "calls") <= n_calls);
	if (all_in_time) {
		assert_int_equal(trial_total(&f, NULLPROC, "ok"), n_calls);
		assert_int_equal(trial_total(&f, NULLPROC, "calls"), n_calls);
	}
	trial_end(&f);
}

/* Calls until the cluster is closed. */
static void *
call_on(void *arg)
{
	CLIENT *clnt = arg;
	static const struct timeval unused;

	while (clnt_call(clnt, NULLPROC, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void,
	                 NULL, unused) == RPC_SUCCESS)
		;
	return NULL;
}

/* The master's own cluster (@own), or one by the network, is closed under its callers. */
static void
close_under_callers(struct trial *f, bool own)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	struct dist_cluster *cluster = NULL;
	uint64_t before = trial_total(f, NULLPROC, "ok");
	pthread_t threads[2];
	CLIENT *clnt;

	if (own)
		assert_ok(dist_cluster_of(&cluster, f->registry.master, NULL));
	else
		cluster = trial_cluster(f);
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	clnt = dist_client_create_with(cluster, PROG, 1, &options);
	assert_non_null(clnt);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_on, clnt), 0);
	await_more(f, NULLPROC, "ok", before);
	dist_cluster_close(cluster);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	clnt_destroy(clnt);
}

static void
test_clusters_are_closed_under_their_callers(void **state)
{
	struct trial f;

	(void)state;
	trial_begin(&f, &(struct dist_master_options){ .stats_ms = 1 });
	for (unsigned i = 0; i < 2; i++)
		close_under_callers(&f, i % 2);
	trial_await_callers(&f, 0);
	trial_end(&f);
}

static const struct CMUnitTest tests[] = {
	WITH_TRIAL(test_a_caller_is_seen_and_its_calls_stay_when_it_leaves),
	WITH_TRIAL(test_who_calls_nobody_is_no_caller),
	WITH_TRIAL(test_latencies_are_told),
	WITH_TRIAL(test_procedures_have_the_names_that_nodes_tell),
	WITH_TRIAL(test_a_cluster_of_the_masters_own_process_tells_too),
	WITH_TRIAL(test_a_master_that_returns_is_told_all),
	cmocka_unit_test(test_no_call_of_many_is_lost_or_counted_twice),
	cmocka_unit_test(test_clusters_are_closed_under_their_callers),
};

CHECK_MAIN(tests)
