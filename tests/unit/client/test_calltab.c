/* Calls by xid. */
#include "support/check.h"

#include "client/calltab.h"
#include "client/call.h"

static struct dist_call calls[4];

static void
test_a_reply_finds_its_call_once(void **state)
{
	struct dist_calltab table;
	struct dist_call *found = NULL;
	uint32_t xid;
	(void)state;

	dist_calltab_init(&table, 0xfffffffe);
	assert_ok(dist_calltab_add(&table, &calls[0], &xid));
	assert_int_equal(xid, 0xfffffffe);
	assert_int_equal(dist_calltab_take(&table, xid, &found), DIST_CALLTAB_CALL);
	assert_ptr_equal(found, &calls[0]);
	assert_int_equal(dist_calltab_take(&table, xid, &found), DIST_CALLTAB_UNKNOWN);
	assert_int_equal(table.n_pending, 0);
	dist_calltab_fini(&table);
}

static void
test_an_empty_table_knows_no_xid(void **state)
{
	struct dist_calltab table;
	struct dist_call *found;
	uint32_t position = 0;
	(void)state;

	dist_calltab_init(&table, 1);
	assert_int_equal(dist_calltab_take(&table, 1, &found), DIST_CALLTAB_UNKNOWN);
	assert_false(dist_calltab_abandon(&table, 1, &calls[0]));
	assert_null(dist_calltab_pop(&table, &position));
	dist_calltab_fini(&table);
}

/* The late reply to a call that was given up must not end another one. */
static void
test_an_abandoned_xid_is_given_to_nobody(void **state)
{
	struct dist_calltab table;
	struct dist_call *found;
	uint32_t xid, other;
	(void)state;

	dist_calltab_init(&table, 7);
	assert_ok(dist_calltab_add(&table, &calls[0], &xid));
	assert_true(dist_calltab_abandon(&table, xid, &calls[0]));
	assert_false(dist_calltab_abandon(&table, xid, &calls[0]));
	for (int i = 0; i < 1000; i++) {
		assert_ok(dist_calltab_add(&table, &calls[1], &other));
		assert_int_not_equal(other & table.mask, xid & table.mask);
		assert_int_equal(dist_calltab_take(&table, other, &found),
		                 DIST_CALLTAB_CALL);
	}
	assert_int_equal(dist_calltab_take(&table, xid, &found), DIST_CALLTAB_ABANDONED);
	assert_int_equal(dist_calltab_take(&table, xid, &found), DIST_CALLTAB_UNKNOWN);
	dist_calltab_fini(&table);
}

static void
test_a_hundred_thousand_calls_all_come_out(void **state)
{
	enum { N = 100000 };
	struct dist_call *many = calloc(N, sizeof(*many)), *found;
	uint32_t *xids = calloc(N, sizeof(*xids)), position = 0;
	struct dist_calltab table;
	int n = 0;
	(void)state;

	dist_calltab_init(&table, 0xffff0000); /* passes through zero on the way */
	for (int i = 0; i < N; i++)
		assert_ok(dist_calltab_add(&table, &many[i], &xids[i]));
	for (int i = 0; i < N; i += 2) {
		assert_int_equal(dist_calltab_take(&table, xids[i], &found),
		                 DIST_CALLTAB_CALL);
		assert_ptr_equal(found, &many[i]);
	}
	while ((found = dist_calltab_pop(&table, &position))) {
		assert_int_equal((found - many) % 2, 1);
		n++;
	}
	assert_int_equal(n, N / 2);
	assert_int_equal(table.n_used, 0);
	dist_calltab_fini(&table);
	free(xids);
	free(many);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_reply_finds_its_call_once),
	cmocka_unit_test(test_an_empty_table_knows_no_xid),
	cmocka_unit_test(test_an_abandoned_xid_is_given_to_nobody),
	cmocka_unit_test(test_a_hundred_thousand_calls_all_come_out),
};

CHECK_MAIN(tests)
