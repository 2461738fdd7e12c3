#include "base/large.h"

#include "base/clock.h"
#include "support/check.h"

#include <stdlib.h>

#define MIB ((size_t)1024 * 1024)

static int
begin(void **state)
{
	(void)state;
	dist_large_begin();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	dist_large_end();
	return 0;
}

static void *
alloc(size_t size)
{
	void *memory = dist_large_alloc(size);

	assert_non_null(memory);
	memset(memory, 'x', size);
	return memory;
}

static void
test_what_was_freed_is_given_again(void **state)
{
	void *memory = alloc(MIB);

	(void)state;
	dist_large_free(memory);
	assert_ptr_equal(dist_large_alloc(MIB - 100), memory);
	dist_large_free(memory);
	assert_ptr_equal(dist_large_take(MIB), memory);
	assert_null(dist_large_take(MIB));
	dist_large_free(memory);
}

/* A record, and the array that it brings. */
static void
test_sizes_that_differ_by_headers_are_one(void **state)
{
	void *memory = alloc(MIB);

	(void)state;
	dist_large_free(memory);
	assert_ptr_equal(dist_large_take(MIB + 4200), memory);
	dist_large_free(memory);
}

/* Whoever gets it may hold it for long. */
static void
test_a_small_want_gets_no_large_block(void **state)
{
	void *memory = alloc(8 * MIB);

	(void)state;
	dist_large_free(memory);
	assert_null(dist_large_take(4 * MIB));
	assert_null(dist_large_take(9 * MIB));
	assert_ptr_equal(dist_large_take(8 * MIB), memory);
	dist_large_free(memory);
}

static void
test_what_anybody_allocated_is_kept_too(void **state)
{
	void *memory = malloc(dist_large_round(MIB));

	(void)state;
	assert_non_null(memory);
	dist_large_free(memory);
	assert_ptr_equal(dist_large_take(MIB), memory);
	free(memory);
}

static void
test_small_blocks_and_nothing_are_freed(void **state)
{
	(void)state;
	dist_large_free(alloc(100));
	assert_null(dist_large_take(100));
	dist_large_free(NULL);
}

static void
test_what_is_kept_is_bounded(void **state)
{
	void *blocks[64];
	unsigned n_kept = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		blocks[i] = malloc(10 * MIB); /* never touched */
	for (int i = 0; i < 64; i++)
		dist_large_free(blocks[i]);
	for (void *kept; (kept = dist_large_take(9 * MIB)); n_kept++)
		free(kept);
	assert_true(n_kept > 0);
	assert_true(n_kept * 10 * MIB <= DIST_LARGE_KEPT_MAX);
}

static void
test_what_nobody_asks_for_is_given_back(void **state)
{
	void *memory = alloc(MIB);
	int64_t now_ns;

	(void)state;
	dist_large_free(memory);
	now_ns = dist_clock_ns();
	dist_large_trim(now_ns);
	assert_ptr_equal(dist_large_take(MIB), memory);
	dist_large_free(memory);
	now_ns = dist_clock_ns();
	dist_large_trim(now_ns + DIST_LARGE_KEPT_NS);
	assert_null(dist_large_take(MIB));
}

static void
test_nothing_is_kept_that_nobody_would_trim(void **state)
{
	(void)state;
	dist_large_free(alloc(MIB));
	dist_large_end();
	assert_null(dist_large_take(MIB));
	dist_large_free(alloc(MIB));
	assert_null(dist_large_take(MIB));
	dist_large_begin();
}

static const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
	TEST(test_what_was_freed_is_given_again),
	TEST(test_sizes_that_differ_by_headers_are_one),
	TEST(test_a_small_want_gets_no_large_block),
	TEST(test_what_anybody_allocated_is_kept_too),
	TEST(test_small_blocks_and_nothing_are_freed),
	TEST(test_what_is_kept_is_bounded),
	TEST(test_what_nobody_asks_for_is_given_back),
	TEST(test_nothing_is_kept_that_nobody_would_trim),
};

CHECK_MAIN(tests)
