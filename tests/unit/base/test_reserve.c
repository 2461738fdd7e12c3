#include "base/reserve.h"

#include "support/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More than there are. */
#define N_BLOCKS 1000

static void *blocks[N_BLOCKS];

static size_t
take_all(void)
{
	size_t n = 0;

	while (n < N_BLOCKS && (blocks[n] = dist_reserve_take()))
		n++;
	return n;
}

static void
test_blocks_are_apart_and_come_back(void **state)
{
	size_t n = take_all();

	(void)state;
	assert_in_range(n, 2, N_BLOCKS - 1);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		memset(blocks[i], (int)i, DIST_RESERVE_BLOCK);
	}
	for (size_t i = 0; i < n; i++) {
		const unsigned char *bytes = blocks[i];

		assert_int_equal(bytes[0], i);
		assert_int_equal(bytes[DIST_RESERVE_BLOCK - 1], i);
		assert_true(dist_reserve_give(blocks[i]));
	}
	assert_int_equal(take_all(), n);
	while (n > 0)
		assert_true(dist_reserve_give(blocks[--n]));
}

static void
test_other_memory_is_not_taken_for_one(void **state)
{
	void *memory = malloc(DIST_RESERVE_BLOCK);
	int local;

	(void)state;
	assert_non_null(memory);
	assert_false(dist_reserve_give(memory));
	assert_false(dist_reserve_give(&local));
	assert_false(dist_reserve_give(NULL));
	free(memory);
}

static void *
take_and_give(void *arg)
{
	static atomic_int numbers;
	int mine = 1 + atomic_fetch_add(&numbers, 1), n_wrong = 0;

	(void)arg;
	for (int i = 0; i < 20000; i++) {
		int *block = dist_reserve_take();

		if (!block)
			continue;
		*block = mine;
		n_wrong += *(volatile int *)block != mine;
		n_wrong += !dist_reserve_give(block);
	}
	return (void *)(intptr_t)n_wrong;
}

static void
test_a_block_is_given_to_one_thread_at_a_time(void **state)
{
	pthread_t threads[4];
	void *n_wrong;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, NULL),
		                 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &n_wrong);
		assert_null(n_wrong);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_blocks_are_apart_and_come_back),
	cmocka_unit_test(test_other_memory_is_not_taken_for_one),
	cmocka_unit_test(test_a_block_is_given_to_one_thread_at_a_time),
};

CHECK_MAIN(tests)
