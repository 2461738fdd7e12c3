/* A master that hears what its callers count: from clusters, and from accounts made by
 * hand. */
#include "unit/master/registry.h"

#include "base/clock.h"
#include "client/account.h"
#include "client/peer_internal.h"

#include <dist/cluster.h>
#include <dist/node.h>
#include <dist/overview.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OFTEN_MS 20
#define PROG     0x20000099
/* No longer does a cluster that closes wait for its master. */
#define LAST_MS  500

/* Its procedure 0 does nothing, and there is no other. */
static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	if (rqstp->rq_proc == NULLPROC)
		svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
	else
		svcerr_noproc(xprt);
}

static const struct dist_procedure procedures[] = { { NULLPROC, "TRIAL_NULL" } };

static const struct dist_service service = {
	.size = sizeof(struct dist_service),
	.program = PROG,
	.version = 1,
	.program_name = "TRIAL_PROG",
	.version_name = "TRIAL_V1",
	.procedures = procedures,
	.n_procedures = 1,
	.dispatch = dispatch,
};

static const struct dist_service *const services[] = { &service, NULL };

/* An account that was not taken in two seconds is told again after a minute. */
#define TOLD_MS (60000 + PATIENCE_MS)

struct fixture {
	struct registry registry;
	struct dist_node *node;
	struct dist_overview *overview; /* the last one that was looked at */
};

static void
masters_of(const struct fixture *f, char text[32])
{
	snprintf(text, 32, "127.0.0.1:%u", dist_master_port(f->registry.master));
}

static void
begin(struct fixture *f, const struct dist_master_options *options)
{
	char masters[32];

	*f = (struct fixture){ 0 };
	registry_open(&f->registry, options);
	masters_of(f, masters);
	assert_ok(dist_node_start(&f->node, services,
	                          &(struct dist_node_options){ .masters = masters,
	                                                       .name = "one",
	                                                       .no_rpcbind = true }));
}

static void
end(struct fixture *f)
{
	dist_node_stop(f->node);
	registry_close(&f->registry);
	dist_overview_free(f->overview);
}

static int
setup(void **state)
{
	static struct fixture f;

	begin(&f, &(struct dist_master_options){ .stats_ms = OFTEN_MS });
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	end(*state);
	return 0;
}

/* --- Callers ------------------------------------------------------------------ */

static struct dist_cluster *
open_cluster(struct fixture *f)
{
	struct dist_cluster *cluster = NULL;
	char masters[32];

	masters_of(f, masters);
	assert_ok(dist_cluster_open(&cluster, masters, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	return cluster;
}

/* False: the machine stood still, and its last account was maybe not waited for. */
static bool
close_cluster(struct dist_cluster *cluster)
{
	int64_t until_ns = dist_deadline_in_ms(LAST_MS);

	dist_cluster_close(cluster);
	return !dist_deadline_passed(until_ns);
}

/* @n calls that succeed, and one that the node knows no procedure for. */
static void
call(struct dist_cluster *cluster, unsigned n)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	CLIENT *clnt = dist_client_create_with(cluster, PROG, 1, &options);
	static const struct timeval unused;

	assert_non_null(clnt);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(clnt_call(clnt, NULLPROC, (xdrproc_t)xdr_void, NULL,
		                           (xdrproc_t)xdr_void, NULL, unused),
		                 RPC_SUCCESS);
	assert_int_equal(clnt_call(clnt, 7, (xdrproc_t)xdr_void, NULL,
	                           (xdrproc_t)xdr_void, NULL, unused),
	                 RPC_PROCUNAVAIL);
	clnt_destroy(clnt);
}

static const struct dist_overview *
look(struct fixture *f)
{
	dist_overview_free(f->overview);
	f->overview = NULL;
	assert_ok(dist_master_overview(&f->overview, f->registry.master));
	return f->overview;
}

/* What all callers told of @counter, of procedure @proc. */
static uint64_t
total(struct fixture *f, uint32_t proc, const char *counter)
{
	struct dist_stats *stats = NULL;
	uint64_t value = 0;

	assert_ok(dist_master_caller_totals(&stats, f->registry.master));
	for (size_t i = 0; i < stats->nodes[0]->n_procedures; i++) {
		const struct dist_procedure_stats *it = stats->nodes[0]->procedures[i];

		if (it->program == PROG && it->version == 1 && it->procedure == proc)
			value += dist_counters_value(&it->counters, counter);
	}
	dist_stats_free(stats);
	return value;
}

static void
await_total(struct fixture *f, uint32_t proc, const char *counter, uint64_t value)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (total(f, proc, counter) != value) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}

static void
await_more(struct fixture *f, uint32_t proc, const char *counter, uint64_t than)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (total(f, proc, counter) <= than) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}

static void
await_callers(struct fixture *f, size_t n)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (look(f)->n_callers_in_all != n) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}

static void
test_a_caller_is_seen_and_its_calls_stay_when_it_leaves(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster *cluster = open_cluster(f);
	const struct dist_overview_caller *caller;
	char name[32];

	call(cluster, 5);
	await_total(f, NULLPROC, "ok", 5);
	await_total(f, 7, "no_procedure", 1);
	await_callers(f, 1);
	assert_int_equal(f->overview->n_callers, 1);
	caller = &f->overview->callers[0];
	snprintf(name, sizeof(name), "[%ld]@", (long)getpid());
	assert_non_null(strstr(caller->name, name));
	assert_int_equal(strncmp(caller->address, "127.0.0.1:", 10), 0);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "calls"), 6);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "ok"), 5);
	assert_int_equal(dist_counters_value(&caller->stats->counters, "in_flight"), 0);

	call(cluster, 4);
	if (!close_cluster(cluster))
		return;
	/* Its last account was answered before it was closed. */
	assert_int_equal(total(f, NULLPROC, "ok"), 9);
	assert_int_equal(total(f, 7, "calls"), 2);
	assert_int_equal(look(f)->n_callers_in_all, 0);
}

static void
test_who_calls_nobody_is_no_caller(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster *quiet = open_cluster(f), *busy = open_cluster(f);

	call(busy, 1);
	await_total(f, NULLPROC, "ok", 1);
	assert_int_equal(look(f)->n_callers_in_all, 1);
	dist_cluster_close(quiet);
	dist_cluster_close(busy);
	assert_int_equal(total(f, NULLPROC, "calls"), 1);
}

static void
test_latencies_are_told(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster *cluster = open_cluster(f);
	struct dist_stats *stats = NULL;
	const struct dist_times *times;

	call(cluster, 3);
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
	struct fixture *f = *state;
	struct dist_cluster *cluster = open_cluster(f);
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	bool named = false;

	call(cluster, 1);
	await_total(f, NULLPROC, "ok", 1);
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
	struct fixture *f = *state;
	struct dist_cluster *cluster = NULL;

	assert_ok(dist_cluster_of(&cluster, f->registry.master, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	call(cluster, 2);
	await_total(f, NULLPROC, "ok", 2);
	await_callers(f, 1);
	assert_string_equal(f->overview->callers[0].address, "");
	dist_cluster_close(cluster);
	assert_int_equal(total(f, NULLPROC, "ok"), 2);
	assert_int_equal(look(f)->n_callers_in_all, 0);
}

/* Whoever starts anew knows nothing, and is told all. */
static void
test_a_master_that_returns_is_told_all(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster *cluster = open_cluster(f);
	char listen[32];

	call(cluster, 2);
	await_total(f, NULLPROC, "ok", 2);
	masters_of(f, listen);
	registry_close(&f->registry);
	registry_open(&f->registry, &(struct dist_master_options){ .listen = listen,
	                                                           .stats_ms = OFTEN_MS });
	await_total(f, NULLPROC, "ok", 2);
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	call(cluster, 3);
	if (close_cluster(cluster))
		assert_int_equal(total(f, NULLPROC, "ok"), 5);
}

/* --- Many at once ------------------------------------------------------------- */

#define N_PROGRAMS 4
#define N_CLUSTERS 15

/* Opens clusters and closes them: each is told of by its follower, as often as there is time
 * for it, and a last time, maybe at the same moment. */
static void *
come_and_go(void *arg)
{
	struct fixture *f = arg;
	bool in_time = true;

	for (unsigned i = 0; i < N_CLUSTERS; i++) {
		struct dist_cluster *cluster = open_cluster(f);

		for (unsigned j = 0; j < 1 + i % 4; j++)
			call(cluster, 1 + i);
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
	struct fixture f;
	void *in_time;

	(void)state;
	begin(&f, &(struct dist_master_options){ .stats_ms = 1 });
	for (unsigned i = 0; i < N_PROGRAMS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &f), 0);
	for (unsigned i = 0; i < N_PROGRAMS; i++) {
		pthread_join(threads[i], &in_time);
		all_in_time = all_in_time && in_time;
	}
	await_callers(&f, 0);
	assert_true(total(&f, NULLPROC, "calls") <= n_calls);
	if (all_in_time) {
		assert_int_equal(total(&f, NULLPROC, "ok"), n_calls);
		assert_int_equal(total(&f, NULLPROC, "calls"), n_calls);
	}
	end(&f);
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
close_under_callers(struct fixture *f, bool own)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	struct dist_cluster *cluster = NULL;
	uint64_t before = total(f, NULLPROC, "ok");
	pthread_t threads[2];
	CLIENT *clnt;

	if (own)
		assert_ok(dist_cluster_of(&cluster, f->registry.master, NULL));
	else
		cluster = open_cluster(f);
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
	struct fixture f;

	(void)state;
	begin(&f, &(struct dist_master_options){ .stats_ms = 1 });
	for (unsigned i = 0; i < 2; i++)
		close_under_callers(&f, i % 2);
	await_callers(&f, 0);
	end(&f);
}

/* --- By hand ------------------------------------------------------------------ */

/* An account of @calls calls of one procedure. */
struct handwritten {
	dist_stat counters[2], whole[2];
	dist_stat_procedure procedure;
	dist_account account;
};

static const dist_account *
write_account(struct handwritten *it, unsigned number, uint64_t calls, bool last)
{
	*it = (struct handwritten){
		.counters = { { (char *)"calls", calls }, { (char *)"ok", calls } },
		.whole = { { (char *)"calls", calls }, { (char *)"retries", 1 } },
		.account = { .name = (char *)"by hand", .last = last },
	};
	it->procedure = (dist_stat_procedure){
		.prog = PROG,
		.vers = 1,
		.proc = 9,
		.prog_name = (char *)"",
		.vers_name = (char *)"",
		.proc_name = (char *)"",
		.counters = { 2, it->counters },
	};
	memcpy(it->account.counted.instance, &number, sizeof(number));
	it->account.counted.counters.dist_stat_counters_len = 2;
	it->account.counted.counters.dist_stat_counters_val = it->whole;
	it->account.counted.procedures.procedures_len = 1;
	it->account.counted.procedures.procedures_val = &it->procedure;
	return &it->account;
}

/* How many milliseconds it is to wait. */
static unsigned
tell(CLIENT *clnt, unsigned number, uint64_t calls, bool last)
{
	struct handwritten it;
	u_int next_ms = 0;

	assert_int_equal(dist_account_1(*write_account(&it, number, calls, last),
	                                &next_ms, clnt),
	                 RPC_SUCCESS);
	return next_ms;
}

struct line {
	struct dist_peer *peer;
	CLIENT *clnt;
};

static struct line
dial(struct fixture *f)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	struct line line = { .peer = registry_dial(&f->registry) };

	line.clnt = dist_peer_client(line.peer, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	assert_non_null(line.clnt);
	return line;
}

static void
hang_up(struct line *line)
{
	clnt_destroy(line->clnt);
	dist_peer_close(line->peer);
}

/* The account that was on its way when a master ended is not what the next one waits for. */
static void
test_another_master_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	struct dist_cluster *cluster = open_cluster(f);
	struct dist_account_turn turn = { .n_told = 0 };
	const dist_id one = { 1 }, another = { 2 };
	struct line line = dial(f);

	call(cluster, 1);
	dist_account_anew(cluster, &turn, one);
	assert_true(dist_deadline_passed(dist_account_due_ns(cluster, &turn)));
	dist_peer_shut(line.peer, DIST_ECLOSED);
	dist_account_tell(cluster, &turn, line.peer);
	assert_false(dist_deadline_passed(dist_account_due_ns(cluster, &turn)));
	/* The same one: should that account be what it does not stand, it is spared. */
	dist_account_anew(cluster, &turn, one);
	assert_false(dist_deadline_passed(dist_account_due_ns(cluster, &turn)));
	dist_account_anew(cluster, &turn, another);
	assert_true(dist_deadline_passed(dist_account_due_ns(cluster, &turn)));
	hang_up(&line);
	dist_cluster_close(cluster);
}

static void
test_totals_never_fall_and_nothing_is_added_twice(void **state)
{
	struct fixture *f = *state;
	struct line one = dial(f), two = dial(f);

	assert_int_equal(tell(one.clnt, 1, 10, false), OFTEN_MS);
	assert_int_equal(total(f, 9, "calls"), 10);
	(void)tell(one.clnt, 1, 4, false); /* it cannot have made fewer */
	assert_int_equal(total(f, 9, "calls"), 10);
	(void)tell(one.clnt, 1, 12, false);
	assert_int_equal(total(f, 9, "calls"), 12);
	/* The same one by another way, and another one. */
	(void)tell(two.clnt, 1, 13, false);
	assert_int_equal(total(f, 9, "calls"), 13);
	assert_int_equal(look(f)->n_callers_in_all, 1);
	(void)tell(one.clnt, 2, 100, false);
	assert_int_equal(total(f, 9, "calls"), 113);
	assert_int_equal(look(f)->n_callers_in_all, 2);
	hang_up(&one);
	hang_up(&two);
}

static void
test_one_that_was_cut_off_comes_back(void **state)
{
	struct fixture *f = *state;
	struct line line = dial(f);

	(void)tell(line.clnt, 1, 10, false);
	hang_up(&line);
	await_callers(f, 0);
	line = dial(f);
	(void)tell(line.clnt, 1, 11, false);
	assert_int_equal(total(f, 9, "calls"), 11);
	assert_int_equal(look(f)->n_callers_in_all, 1);
	(void)tell(line.clnt, 1, 12, true);
	assert_int_equal(look(f)->n_callers_in_all, 0);
	/* What was on its way by a second connection comes after the last word. */
	(void)tell(line.clnt, 1, 11, false);
	(void)tell(line.clnt, 1, 12, true);
	assert_int_equal(total(f, 9, "calls"), 12);
	assert_int_equal(look(f)->n_callers_in_all, 0);
	hang_up(&line);
}

/* A last account says that its cluster closes, though another one, told by another thread,
 * has overtaken it, or comes after it with more. */
static void
test_one_that_closes_leaves_whatever_is_on_its_way(void **state)
{
	struct fixture *f = *state;
	struct line line = dial(f);

	(void)tell(line.clnt, 1, 12, false);
	(void)tell(line.clnt, 1, 11, true);
	assert_int_equal(look(f)->n_callers_in_all, 0);
	(void)tell(line.clnt, 1, 13, false);
	assert_int_equal(look(f)->n_callers_in_all, 0);
	assert_int_equal(total(f, 9, "calls"), 13);
	hang_up(&line);
}

static void
test_a_connection_has_one_caller(void **state)
{
	struct fixture *f = *state;
	struct line line = dial(f);

	for (unsigned number = 1; number <= 100; number++)
		(void)tell(line.clnt, number, 1, false);
	assert_int_equal(look(f)->n_callers_in_all, 1);
	assert_int_equal(total(f, 9, "calls"), 100);
	hang_up(&line);
	await_callers(f, 0);
}

static void
test_many_callers_are_to_tell_less_often(void **state)
{
	struct fixture *f = *state;
	struct line lines[20];

	for (unsigned i = 0; i < 20; i++) {
		lines[i] = dial(f);
		assert_int_equal(tell(lines[i].clnt, i + 1, 1, false),
		                 i < 4 ? OFTEN_MS : 5 * (i + 1));
	}
	for (unsigned i = 0; i < 20; i++)
		hang_up(&lines[i]);
}

static void
test_callers_are_listed_over_rpc(void **state)
{
	struct fixture *f = *state;
	struct line line = dial(f);
	dist_callers callers = { 0 };
	const dist_stat *counters;

	(void)tell(line.clnt, 3, 8, false);
	assert_int_equal(dist_callers_1(&callers, line.clnt), RPC_SUCCESS);
	assert_int_equal(callers.n, 1);
	assert_int_equal(callers.list.list_len, 1);
	assert_string_equal(callers.list.list_val[0].name, "by hand");
	counters = callers.list.list_val[0].counters.dist_stat_counters_val;
	assert_string_equal(counters[0].name, "calls");
	assert_int_equal(counters[0].value, 8);
	assert_int_equal(callers.together.procedures.procedures_len, 1);
	assert_int_equal(callers.together.procedures.procedures_val[0].proc, 9);
	xdr_free((xdrproc_t)xdr_dist_callers, &callers);
	hang_up(&line);
}

/* --- Limits ------------------------------------------------------------------- */

static void
test_a_master_without_statistics_wants_no_accounts(void **state)
{
	struct dist_cluster *cluster;
	dist_callers callers = { 0 };
	struct fixture f;
	struct line line;

	(void)state;
	begin(&f, NULL);
	line = dial(&f);
	assert_int_equal(tell(line.clnt, 1, 10, false), 0);
	assert_int_equal(dist_callers_1(&callers, line.clnt), RPC_SUCCESS);
	assert_int_equal(callers.n, 0);
	for (size_t i = 0; i < DIST_ID_SIZE; i++)
		assert_int_equal(callers.together.instance[i], 0);
	xdr_free((xdrproc_t)xdr_dist_callers, &callers);
	cluster = open_cluster(&f);
	call(cluster, 1);
	dist_cluster_close(cluster);
	assert_int_equal(look(&f)->n_callers_in_all, 0);
	hang_up(&line);
	end(&f);
}

static void
test_without_room_an_account_is_left_out(void **state)
{
	struct fixture f;
	struct line line;

	(void)state;
	begin(&f, &(struct dist_master_options){ .stats_ms = OFTEN_MS,
	                                         .max_stats_bytes = 1 });
	line = dial(&f);
	assert_int_equal(tell(line.clnt, 1, 10, false), 60000);
	assert_int_equal(look(&f)->n_callers_in_all, 0);
	assert_int_equal(total(&f, 9, "calls"), 0);
	hang_up(&line);
	end(&f);
}

/* Room for some: those that left go first. */
static void
test_those_that_left_make_room(void **state)
{
	struct fixture f;
	struct line line;

	(void)state;
	begin(&f, &(struct dist_master_options){ .stats_ms = OFTEN_MS,
	                                         .max_stats_bytes = 10000 });
	line = dial(&f);
	for (unsigned number = 1; number <= 100; number++)
		assert_int_equal(tell(line.clnt, number, 1, false), OFTEN_MS);
	assert_int_equal(total(&f, 9, "calls"), 100);
	assert_int_equal(look(&f)->n_callers_in_all, 1);
	hang_up(&line);
	end(&f);
}

#define WITH_MASTER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	WITH_MASTER(test_a_caller_is_seen_and_its_calls_stay_when_it_leaves),
	WITH_MASTER(test_who_calls_nobody_is_no_caller),
	WITH_MASTER(test_latencies_are_told),
	WITH_MASTER(test_procedures_have_the_names_that_nodes_tell),
	WITH_MASTER(test_a_cluster_of_the_masters_own_process_tells_too),
	WITH_MASTER(test_a_master_that_returns_is_told_all),
	cmocka_unit_test(test_no_call_of_many_is_lost_or_counted_twice),
	cmocka_unit_test(test_clusters_are_closed_under_their_callers),
	WITH_MASTER(test_another_master_is_told_at_once),
	WITH_MASTER(test_totals_never_fall_and_nothing_is_added_twice),
	WITH_MASTER(test_one_that_was_cut_off_comes_back),
	WITH_MASTER(test_one_that_closes_leaves_whatever_is_on_its_way),
	WITH_MASTER(test_a_connection_has_one_caller),
	WITH_MASTER(test_many_callers_are_to_tell_less_often),
	WITH_MASTER(test_callers_are_listed_over_rpc),
	cmocka_unit_test(test_a_master_without_statistics_wants_no_accounts),
	cmocka_unit_test(test_without_room_an_account_is_left_out),
	cmocka_unit_test(test_those_that_left_make_room),
};

CHECK_MAIN(tests)
