/*
 * Memory runs out at every place where anybody asks for some, one after the other: while
 * masters, nodes and clusters start and stop, and while calls are made. Nothing crashes,
 * hangs, runs twice or is lost (the address sanitizer looks).
 */
#include "unit/agent/session.h"

#include "support/no_memory.h"

/* Five in a row fail also what handles a failure. */
static void
begin_one(unsigned long first)
{
	no_memory_begin(first, 1);
}

static void
begin_five(unsigned long first)
{
	no_memory_begin(first, 5);
}

static const struct session_trouble one = { "one call for memory refused", 1,
	                                    begin_one, no_memory_failed, no_memory_end,
	                                    no_memory_show };
static const struct session_trouble five = { "five calls for memory refused", 3,
	                                     begin_five, no_memory_failed, no_memory_end,
	                                     no_memory_show };

static void
run_out(const char *what, void (*session)(void *arg), void *arg)
{
	session(arg); /* what a process takes once */
	session_run_out(what, session, arg, &one);
	session_run_out(what, session, arg, &five);
}

static void
test_whole_sessions(void **state)
{
	(void)state;
	run_out("whole sessions", session_whole, NULL);
}

static void
test_calls_of_each_kind(void **state)
{
	run_out("calls", session_calls, *state);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_whole_sessions),
	cmocka_unit_test_setup_teardown(test_calls_of_each_kind, session_setup,
                                        session_teardown),
};

CHECK_MAIN_WHERE(no_memory_works(), tests)
