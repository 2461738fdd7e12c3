/*
 * What tests/no_memory/run must find: cases that do not bear it when the library has no
 * memory. Each asks the library for a list, and goes wrong without it in its own way.
 */
#include "support/check.h"

#include "wire/uaddr.h"

/* With NDEBUG too. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

static struct dist_hostport *
list_two(void)
{
	struct dist_hostport *list;
	size_t n;

	return dist_hostport_parse_list("one:1,two:2", &list, &n) ? NULL : list;
}

static void
test_looks_at_what_it_did_not_get(void **state)
{
	struct dist_hostport *volatile list = list_two();
	(void)state;

	assert_string_equal(list[0].host, "one");
	free(list);
}

static void
test_leaves_a_descriptor_open(void **state)
{
	struct dist_hostport *list = list_two();
	(void)state;

	if (!list)
		assert_true(dup(STDOUT_FILENO) > 0);
	free(list);
}

static void
test_takes_it_for_its_own_bug(void **state)
{
	struct dist_hostport *list = list_two();
	(void)state;

	assert(list);
	free(list);
}

static void
test_does_without(void **state)
{
	(void)state;
	free(list_two());
}

static void
test_says_that_it_needs_it(void **state)
{
	struct dist_hostport *list = list_two();
	(void)state;

	assert_non_null(list);
	free(list);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_looks_at_what_it_did_not_get),
	cmocka_unit_test(test_leaves_a_descriptor_open),
	cmocka_unit_test(test_takes_it_for_its_own_bug),
	cmocka_unit_test(test_does_without),
	cmocka_unit_test(test_says_that_it_needs_it),
};

CHECK_MAIN(tests)
