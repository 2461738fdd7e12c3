#include "base/copy.h"

#include "support/check.h"

#include <stdlib.h>

#define LENGTH_MAX 5000

/* Every length around the pieces it copies, wherever the sides lie, and not a byte
 * more. */
static void
test_each_length_is_copied_wherever_it_lies(void **state)
{
	static uint8_t from[LENGTH_MAX + 64], to[LENGTH_MAX + 64],
		kept[LENGTH_MAX + 64];

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + i / 256);
	memset(kept, 0xee, sizeof(kept));
	for (size_t length = 0; length <= LENGTH_MAX;
	     length += length < 1500 ? 1 : 37) {
		size_t here = length % 33, there = length % 29;

		memset(to, 0xee, sizeof(to));
		dist_copy(to + there, from + here, length);
		assert_memory_equal(to + there, from + here, length);
		assert_memory_equal(to, kept, there);
		assert_memory_equal(to + there + length, kept,
		                    sizeof(to) - there - length);
	}
}

static void
test_a_megabyte_is_copied(void **state)
{
	size_t length = 1024 * 1024;
	uint8_t *from = malloc(length), *to = malloc(length);

	(void)state;
	assert_true(from && to);
	memset(from, 'x', length);
	dist_copy(to, from, length);
	assert_memory_equal(to, from, length);
	free(from);
	free(to);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_each_length_is_copied_wherever_it_lies),
	cmocka_unit_test(test_a_megabyte_is_copied),
};

CHECK_MAIN(tests)
