#include "base/options.h"

#include "support/check.h"

#include <string.h>

static void
test_what_was_not_given_is_zero(void **state)
{
	unsigned char from[4] = { 1, 2, 3, 4 }, to[6];

	(void)state;
	memset(to, 9, sizeof(to));
	assert_ok(dist_options_copy(to, 6, from, 4));
	assert_memory_equal(to, "\1\2\3\4\0\0", 6);
	memset(to, 9, sizeof(to));
	assert_ok(dist_options_copy(to, 6, NULL, 4));
	assert_memory_equal(to, "\0\0\0\0\0\0", 6);
}

static void
test_unknown_bytes_must_be_zero(void **state)
{
	unsigned char from[6] = { 1, 2, 0, 0, 0, 0 }, to[3];

	(void)state;
	assert_ok(dist_options_copy(to, 3, from, 6));
	assert_memory_equal(to, "\1\2\0", 3);
	from[5] = 1;
	memset(to, 9, sizeof(to));
	assert_err(dist_options_copy(to, 3, from, 6), DIST_EINVAL);
	assert_memory_equal(to, "\t\t\t", 3);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_was_not_given_is_zero),
	cmocka_unit_test(test_unknown_bytes_must_be_zero),
};

CHECK_MAIN(tests)
