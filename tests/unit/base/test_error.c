#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "support/check.h"

/* The first test to run: nothing has failed in this thread yet. */
static void
test_a_fresh_thread_has_no_error(void **state)
{
	(void)state;
	assert_int_equal(dist_error_last(), DIST_OK);
	assert_string_equal(dist_error_text(), "");
}

static void
test_set_returns_the_error_and_keeps_its_sentence(void **state)
{
	(void)state;
	assert_err(dist_error_set(DIST_ENONODE, "no node serves %d", 7), DIST_ENONODE);
	assert_int_equal(dist_error_last(), DIST_ENONODE);
	assert_string_equal(dist_error_text(), "no node serves 7");
}

/* Functions wrap the sentence of the one they called. */
static void
test_the_last_sentence_may_be_an_argument_of_the_next(void **state)
{
	(void)state;
	dist_error_set(DIST_ECONNECT, "connection refused");
	dist_error_set(DIST_ENOMASTER, "host:1: %s", dist_error_text());
	assert_string_equal(dist_error_text(), "host:1: connection refused");
}

static void
test_a_failed_system_call_adds_its_reason(void **state)
{
	(void)state;
	assert_err(dist_error_set_errno(DIST_ESYSTEM, ENOENT, "open %s", "x"),
	           DIST_ESYSTEM);
	assert_string_equal(dist_error_text(), "open x: No such file or directory");
}

static void
test_a_sentence_that_is_too_long_is_cut_and_ended(void **state)
{
	char text[2 * DIST_ERROR_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	dist_error_set(DIST_EINVAL, "%s", text);
	assert_int_equal(strlen(dist_error_text()), DIST_ERROR_TEXT_MAX - 1);
	dist_error_set_errno(DIST_ESYSTEM, EPERM, "%s", text);
	assert_int_equal(strlen(dist_error_text()), DIST_ERROR_TEXT_MAX - 1);
}

static void *
thread_that_fails(void *arg)
{
	(void)arg;
	dist_error_set(DIST_ENOMEM, "in the other thread");
	return NULL;
}

static void
test_each_thread_has_its_own_error(void **state)
{
	pthread_t thread;

	(void)state;
	dist_error_set(DIST_EINVAL, "in this thread");
	assert_int_equal(pthread_create(&thread, NULL, thread_that_fails, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(dist_error_last(), DIST_EINVAL);
	assert_string_equal(dist_error_text(), "in this thread");
}

static void
test_every_error_has_a_name_and_a_sentence(void **state)
{
	static const struct {
		enum dist_err err;
		const char *name;
	} rows[] = {
		{ DIST_OK, "DIST_OK" },
#define ROW(name, text) { DIST_##name, "DIST_" #name },
		DIST_ERRORS(ROW)
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rows[i].err, i);
		assert_string_equal(dist_error_name(rows[i].err), rows[i].name);
		dist_error_set_plain(rows[i].err);
		assert_string_equal(dist_error_text(), dist_error_string(rows[i].err));
		assert_true(strlen(dist_error_text()) > 0);
	}
	assert_string_equal(dist_error_name((enum dist_err)9999), "DIST_?");
	assert_string_equal(dist_error_name((enum dist_err)-1), "DIST_?");
	assert_non_null(dist_error_string((enum dist_err)9999));
}

/* What a stub returned says which error it was, as far as RPC has a word for it. */
static void
test_errors_map_to_rpc_statuses_and_back(void **state)
{
	static const struct {
		enum dist_err err;
		enum clnt_stat stat;
	} rows[] = {
		{ DIST_OK, RPC_SUCCESS },
		{ DIST_EENCODE, RPC_CANTENCODEARGS },
		{ DIST_EDECODE, RPC_CANTDECODERES },
		{ DIST_ECONNECT, RPC_CANTSEND },
		{ DIST_ECONNRESET, RPC_CANTRECV },
		{ DIST_EDEADLINE, RPC_TIMEDOUT },
		{ DIST_ENONODE, RPC_PROGNOTREGISTERED },
		{ DIST_ECANCELED, RPC_INTR },
		{ DIST_ERESOLVE, RPC_UNKNOWNHOST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(dist_error_to_clnt_stat(rows[i].err), rows[i].stat);
		assert_int_equal(dist_error_from_clnt_stat(rows[i].stat), rows[i].err);
	}
	assert_int_equal(dist_error_from_clnt_stat(RPC_PROCUNAVAIL), DIST_ERPC);
	assert_int_equal(dist_error_from_clnt_stat(RPC_AUTHERROR), DIST_ERPC);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_fresh_thread_has_no_error),
	cmocka_unit_test(test_set_returns_the_error_and_keeps_its_sentence),
	cmocka_unit_test(test_the_last_sentence_may_be_an_argument_of_the_next),
	cmocka_unit_test(test_a_failed_system_call_adds_its_reason),
	cmocka_unit_test(test_a_sentence_that_is_too_long_is_cut_and_ended),
	cmocka_unit_test(test_each_thread_has_its_own_error),
	cmocka_unit_test(test_every_error_has_a_name_and_a_sentence),
	cmocka_unit_test(test_errors_map_to_rpc_statuses_and_back),
};

CHECK_MAIN(tests)
