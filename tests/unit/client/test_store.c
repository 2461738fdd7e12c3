#include "client/store.h"

#include "client/call.h"
#include "support/allocations.h"
#include "support/check.h"

#include <pthread.h>

#define CALLS_MAX 6000

static struct dist_call *calls[CALLS_MAX];

static void
take(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		calls[i] = dist_store_take();
		assert_non_null(calls[i]);
	}
}

static void
give(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		dist_store_give(calls[i]);
}

static void
assert_none(unsigned long n)
{
	if (n)
		allocations_show();
	assert_int_equal(n, 0);
}

static void
test_what_is_given_back_is_taken_again(void **state)
{
	(void)state;
	take(256);
	give(256);
	allocations_start();
	for (unsigned n = 1; n <= 256; n++) {
		take(n);
		give(n);
	}
	assert_none(allocations_stop());
}

static unsigned n_given;
static pthread_barrier_t given, over;

/* Ends what others started, and stays. */
static void *
give_and_stay(void *arg)
{
	give(n_given);
	pthread_barrier_wait(&given);
	pthread_barrier_wait(&over);
	return arg;
}

/* But for a few they are back with those that take. */
static void
test_few_stay_with_a_thread_that_only_gives(void **state)
{
	pthread_t threads[4];

	(void)state;
	pthread_barrier_init(&given, NULL, 2);
	pthread_barrier_init(&over, NULL, 5);
	n_given = 200;
	take(200);
	give(200);
	for (unsigned i = 0; i < 4; i++) {
		take(200);
		pthread_create(&threads[i], NULL, give_and_stay, NULL);
		pthread_barrier_wait(&given);
		allocations_start();
		take(200 - 16 * (i + 1));
		assert_none(allocations_stop());
		give(200 - 16 * (i + 1));
	}
	pthread_barrier_wait(&over);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	/* What they had is there again. */
	allocations_start();
	take(200);
	assert_none(allocations_stop());
	give(200);
	pthread_barrier_destroy(&given);
	pthread_barrier_destroy(&over);
}

/* More than a process is to keep: what is beyond that is freed, and made again. */
static void
test_a_burst_comes_and_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		take(CALLS_MAX);
		for (unsigned k = 1; k < CALLS_MAX; k++)
			assert_ptr_not_equal(calls[k], calls[k - 1]);
		give(CALLS_MAX);
	}
	allocations_start();
	take(4000);
	give(4000);
	assert_none(allocations_stop());
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_is_given_back_is_taken_again),
	cmocka_unit_test(test_few_stay_with_a_thread_that_only_gives),
	cmocka_unit_test(test_a_burst_comes_and_goes),
};

CHECK_MAIN(tests)
