/*
 * Everything once, without trouble: what test_no_memory.c and test_system_fails.c do again
 * and again. The test 'test_memcheck' runs this under valgrind.
 */
#include "unit/agent/session.h"

static void
test_whole_session(void **state)
{
	(void)state;
	session_whole(NULL);
}

static void
test_calls_of_each_kind(void **state)
{
	session_calls(*state);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_whole_session),
	cmocka_unit_test_setup_teardown(test_calls_of_each_kind, session_setup,
                                        session_teardown),
};

CHECK_MAIN(tests)
