/*
 * What a caller is told of a call that may have run on one server when another says that
 * it did not: that it may have.
 */
#include "support/check.h"

#include <dist/dist.h>
#include <sched.h>
#include <string.h>

#include "client/hostile.h"
#include "probe.h"

/* The first to be tried is one of the two, whichever; so each comes first once. */
static struct dist_cluster *
cluster_of(struct hostile *one, struct hostile *other, bool other_first)
{
	struct hostile *const servers[] = { other_first ? other : one,
		                            other_first ? one : other };

	return hostile_cluster(servers, 2);
}

static void
assert_names(const char *text, const struct hostile *server)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", hostile_port(server));
	if (!strstr(text, address) || !strstr(text, "the call may have run"))
		fail_msg("it does not say that it may have run on %s: %s", address, text);
}

/* --- Lost here, refused there -------------------------------------------------------- */

/* True: it was lost first, and then refused. */
static bool
lose_and_refuse(enum hostile_manner refuses, enum clnt_stat refused, bool other_first)
{
	struct hostile *loser = hostile_start(HOSTILE_CLOSES, 1);
	struct hostile *refuser = hostile_start(refuses, 2);
	struct dist_cluster *cluster = cluster_of(loser, refuser, other_first);
	struct dist_call_options options = { .idempotent = true };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	bool both = false;
	int result = 0;
	enum clnt_stat stat;

	hostile_forget_runs();
	stat = probe_add_1(7, 1, &result, clnt);
	if (hostile_runs(7)) {
		assert_int_equal(stat, RPC_CANTRECV);
		assert_int_equal(dist_error_last(), DIST_ECONNRESET);
		assert_names(dist_error_text(), loser);
		both = hostile_n_taken(refuser) == 1;
	} else {
		assert_int_equal(stat, refused);
		assert_int_equal(dist_error_last(), DIST_ERPC);
	}
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(loser);
	hostile_stop(refuser);
	return both;
}

static void
lose_and_refuse_either_way(enum hostile_manner refuses, enum clnt_stat refused)
{
	bool loser_first = lose_and_refuse(refuses, refused, false);
	bool refuser_first = lose_and_refuse(refuses, refused, true);

	assert_true(loser_first || refuser_first);
}

static void
test_lost_and_then_no_such_program_may_have_run(void **state)
{
	(void)state;
	lose_and_refuse_either_way(HOSTILE_NO_PROGRAM, RPC_PROGUNAVAIL);
}

static void
test_lost_and_then_no_such_procedure_may_have_run(void **state)
{
	(void)state;
	lose_and_refuse_either_way(HOSTILE_NO_PROCEDURE, RPC_PROCUNAVAIL);
}

static void
test_lost_and_then_arguments_refused_may_have_run(void **state)
{
	(void)state;
	lose_and_refuse_either_way(HOSTILE_NO_ARGUMENTS, RPC_CANTDECODEARGS);
}

/* --- Hedged -------------------------------------------------------------------------- */

/* Both have it; one refuses it, and then the connection to the other is lost. */
static void
hedge_and_refuse(enum hostile_manner refuses, bool other_first)
{
	struct hostile *refuser = hostile_start(HOSTILE_HOLDS, 1);
	struct hostile *loser = hostile_start(HOSTILE_HOLDS, 2);
	struct dist_cluster *cluster = cluster_of(refuser, loser, other_first);
	struct dist_call_options options = { .idempotent = true, .hedge_after_ms = 1 };
	CLIENT *clnt = dist_client_create_with(cluster, PROBE_PROG, 1, &options);
	struct dist_waiter *waiter;
	int result = 0;

	waiter = dist_go(clnt, probe_add_1, 7, 1, &result);
	assert_non_null(waiter);
	while (hostile_n_taken(refuser) + hostile_n_taken(loser) < 2)
		sched_yield();
	hostile_change(refuser, refuses);
	/* While the other has it nothing is known. */
	assert_err(dist_waiter_wait(waiter, 50), DIST_ETIMEDOUT);
	hostile_change(loser, HOSTILE_CLOSES);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_ECONNRESET);
	assert_names(dist_waiter_error(waiter), loser);
	dist_waiter_free(waiter);
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	hostile_stop(refuser);
	hostile_stop(loser);
}

static void
test_hedged_refused_and_lost_may_have_run(void **state)
{
	static const enum hostile_manner manners[] = { HOSTILE_NO_PROGRAM,
		                                       HOSTILE_NO_PROCEDURE,
		                                       HOSTILE_NO_ARGUMENTS };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		hedge_and_refuse(manners[i], false);
		hedge_and_refuse(manners[i], true);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lost_and_then_no_such_program_may_have_run),
	cmocka_unit_test(test_lost_and_then_no_such_procedure_may_have_run),
	cmocka_unit_test(test_lost_and_then_arguments_refused_may_have_run),
	cmocka_unit_test(test_hedged_refused_and_lost_may_have_run),
};

CHECK_MAIN(tests)
