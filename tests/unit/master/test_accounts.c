/* Accounts made by hand: what a master takes of them, and for how long it knows who told. */
#include "unit/master/trial.h"

#include "base/clock.h"
#include "client/account.h"
#include "client/peer_internal.h"

#include <stdio.h>
#include <string.h>

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
dial(struct trial *f)
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
	struct trial *f = *state;
	struct dist_cluster *cluster = trial_cluster(f);
	struct dist_account_turn turn = { .n_told = 0 };
	const dist_id one = { 1 }, another = { 2 };
	struct line line = dial(f);

	trial_call(cluster, 1);
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
	struct trial *f = *state;
	struct line one = dial(f), two = dial(f);

	assert_int_equal(tell(one.clnt, 1, 10, false), OFTEN_MS);
	assert_int_equal(trial_total(f, 9, "calls"), 10);
	(void)tell(one.clnt, 1, 4, false); /* it cannot have made fewer */
	assert_int_equal(trial_total(f, 9, "calls"), 10);
	(void)tell(one.clnt, 1, 12, false);
	assert_int_equal(trial_total(f, 9, "calls"), 12);
	/* The same one by another way, and another one. */
	(void)tell(two.clnt, 1, 13, false);
	assert_int_equal(trial_total(f, 9, "calls"), 13);
	assert_int_equal(trial_look(f)->n_callers_in_all, 1);
	(void)tell(one.clnt, 2, 100, false);
	assert_int_equal(trial_total(f, 9, "calls"), 113);
	assert_int_equal(trial_look(f)->n_callers_in_all, 2);
	hang_up(&one);
	hang_up(&two);
}

static void
test_one_that_was_cut_off_comes_back(void **state)
{
	struct trial *f = *state;
	struct line line = dial(f);

	(void)tell(line.clnt, 1, 10, false);
	hang_up(&line);
	trial_await_callers(f, 0);
	line = dial(f);
	(void)tell(line.clnt, 1, 11, false);
	assert_int_equal(trial_total(f, 9, "calls"), 11);
	assert_int_equal(trial_look(f)->n_callers_in_all, 1);
	(void)tell(line.clnt, 1, 12, true);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
	/* What was on its way by a second connection comes after the last word. */
	(void)tell(line.clnt, 1, 11, false);
	(void)tell(line.clnt, 1, 12, true);
	assert_int_equal(trial_total(f, 9, "calls"), 12);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
	hang_up(&line);
}

/* A last account says that its cluster closes, though another one, told by another thread,
 * has overtaken it, or comes after it with more. */
static void
test_one_that_closes_leaves_whatever_is_on_its_way(void **state)
{
	struct trial *f = *state;
	struct line line = dial(f);

	(void)tell(line.clnt, 1, 12, false);
	(void)tell(line.clnt, 1, 11, true);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
	(void)tell(line.clnt, 1, 13, false);
	assert_int_equal(trial_look(f)->n_callers_in_all, 0);
	assert_int_equal(trial_total(f, 9, "calls"), 13);
	hang_up(&line);
}

static void
test_a_connection_has_one_caller(void **state)
{
	struct trial *f = *state;
	struct line line = dial(f);

	for (unsigned number = 1; number <= 100; number++)
		(void)tell(line.clnt, number, 1, false);
	assert_int_equal(trial_look(f)->n_callers_in_all, 1);
	assert_int_equal(trial_total(f, 9, "calls"), 100);
	hang_up(&line);
	trial_await_callers(f, 0);
}

static void
test_many_callers_are_to_tell_less_often(void **state)
{
	struct trial *f = *state;
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
	struct trial *f = *state;
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
	struct trial f;
	struct line line;

	(void)state;
	trial_begin(&f, NULL);
	line = dial(&f);
	assert_int_equal(tell(line.clnt, 1, 10, false), 0);
	assert_int_equal(dist_callers_1(&callers, line.clnt), RPC_SUCCESS);
	assert_int_equal(callers.n, 0);
	for (size_t i = 0; i < DIST_ID_SIZE; i++)
		assert_int_equal(callers.together.instance[i], 0);
	xdr_free((xdrproc_t)xdr_dist_callers, &callers);
	cluster = trial_cluster(&f);
	trial_call(cluster, 1);
	dist_cluster_close(cluster);
	assert_int_equal(trial_look(&f)->n_callers_in_all, 0);
	hang_up(&line);
	trial_end(&f);
}

static void
test_without_room_an_account_is_left_out(void **state)
{
	struct trial f;
	struct line line;

	(void)state;
	trial_begin(&f, &(struct dist_master_options){ .stats_ms = OFTEN_MS,
	                                         .max_stats_bytes = 1 });
	line = dial(&f);
	assert_int_equal(tell(line.clnt, 1, 10, false), 60000);
	assert_int_equal(trial_look(&f)->n_callers_in_all, 0);
	assert_int_equal(trial_total(&f, 9, "calls"), 0);
	hang_up(&line);
	trial_end(&f);
}

/* Room for some: those that left go first. */
static void
test_those_that_left_make_room(void **state)
{
	struct trial f;
	struct line line;

	(void)state;
	trial_begin(&f, &(struct dist_master_options){ .stats_ms = OFTEN_MS,
	                                         .max_stats_bytes = 10000 });
	line = dial(&f);
	for (unsigned number = 1; number <= 100; number++)
		assert_int_equal(tell(line.clnt, number, 1, false), OFTEN_MS);
	assert_int_equal(trial_total(&f, 9, "calls"), 100);
	assert_int_equal(trial_look(&f)->n_callers_in_all, 1);
	hang_up(&line);
	trial_end(&f);
}

static const struct CMUnitTest tests[] = {
	WITH_TRIAL(test_another_master_is_told_at_once),
	WITH_TRIAL(test_totals_never_fall_and_nothing_is_added_twice),
	WITH_TRIAL(test_one_that_was_cut_off_comes_back),
	WITH_TRIAL(test_one_that_closes_leaves_whatever_is_on_its_way),
	WITH_TRIAL(test_a_connection_has_one_caller),
	WITH_TRIAL(test_many_callers_are_to_tell_less_often),
	WITH_TRIAL(test_callers_are_listed_over_rpc),
	cmocka_unit_test(test_a_master_without_statistics_wants_no_accounts),
	cmocka_unit_test(test_without_room_an_account_is_left_out),
	cmocka_unit_test(test_those_that_left_make_room),
};

CHECK_MAIN(tests)
