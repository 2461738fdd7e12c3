#include "base/histogram.h"

#include "base/clock.h"
#include "support/check.h"

#include <pthread.h>
#include <stdlib.h>

static struct dist_histogram histogram, other;

static int
begin(void **state)
{
	(void)state;
	dist_histogram_init(&histogram);
	dist_histogram_init(&other);
	return 0;
}

/* Buckets follow one another without a gap, and each duration is in its own. */
static void
test_every_duration_has_one_bucket(void **state)
{
	(void)state;
	assert_int_equal(dist_histogram_bucket_low_ns(0), 0);
	for (unsigned i = 0; i + 1 < DIST_HISTOGRAM_BUCKETS; i++) {
		int64_t low = (int64_t)dist_histogram_bucket_low_ns(i);
		int64_t end = (int64_t)dist_histogram_bucket_end_ns(i);

		assert_true(low < end);
		assert_int_equal(end, dist_histogram_bucket_low_ns(i + 1));
		assert_int_equal(dist_histogram_bucket(low), i);
		assert_int_equal(dist_histogram_bucket(end - 1), i);
	}
	assert_int_equal(dist_histogram_bucket_end_ns(DIST_HISTOGRAM_BUCKETS - 1),
	                 UINT64_MAX);
}

static void
test_what_is_out_of_range_counts_at_its_ends(void **state)
{
	(void)state;
	assert_int_equal(dist_histogram_bucket(-1), 0);
	assert_int_equal(dist_histogram_bucket(INT64_MIN), 0);
	assert_int_equal(dist_histogram_bucket(INT64_C(1) << DIST_HISTOGRAM_TOP_BITS),
	                 DIST_HISTOGRAM_BUCKETS - 1);
	assert_int_equal(dist_histogram_bucket(INT64_MAX), DIST_HISTOGRAM_BUCKETS - 1);
	/* The longest is known all the same. */
	dist_histogram_record(&histogram, INT64_MAX);
	assert_int_equal(dist_histogram_percentile_ns(&histogram, 50), INT64_MAX);
}

static void
assert_near(uint64_t told, uint64_t exact)
{
	uint64_t error = told > exact ? told - exact : exact - told;

	if (error > 4 && error * 32 > exact)
		fail_msg("%lu was told as %lu", (unsigned long)exact,
		         (unsigned long)told);
}

/* Each value alone in the middle: the error is that of its bucket, at any size. */
static void
test_a_percentile_is_off_by_a_32nd_at_most(void **state)
{
	(void)state;
	for (int64_t ns = 1; ns < INT64_C(1) << 44; ns += 1 + ns / 97) {
		dist_histogram_init(&histogram);
		dist_histogram_record(&histogram, 0);
		dist_histogram_record(&histogram, ns);
		dist_histogram_record(&histogram, INT64_C(1) << 44);
		assert_near(dist_histogram_percentile_ns(&histogram, 50), (uint64_t)ns);
	}
}

static int
compare(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

#define N_VALUES 10000

/* Against the values themselves, put in order. */
static void
test_percentiles_are_those_of_the_values(void **state)
{
	static const double percents[] = { 0, 0.01, 1, 10, 50, 90, 99, 99.9, 99.99 };
	int64_t *values = calloc(N_VALUES, sizeof(*values));
	uint64_t random = 1, sum = 0;

	(void)state;
	assert_non_null(values);
	for (unsigned i = 0; i < N_VALUES; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		/* From some hundred nanoseconds to a minute, each power as often. */
		values[i] = (int64_t)(random >> 32 >> (random >> 27 & 31)) * 16;
		sum += (uint64_t)values[i];
		dist_histogram_record(&histogram, values[i]);
	}
	qsort(values, N_VALUES, sizeof(*values), compare);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		uint64_t rank = dist_histogram_rank(N_VALUES, percents[i]);

		assert_near(dist_histogram_percentile_ns(&histogram, percents[i]),
		            (uint64_t)values[rank - 1]);
	}
	assert_int_equal(dist_histogram_count(&histogram), N_VALUES);
	assert_int_equal(dist_histogram_sum_ns(&histogram), sum);
	assert_int_equal(dist_histogram_max_ns(&histogram), values[N_VALUES - 1]);
	assert_int_equal(dist_histogram_percentile_ns(&histogram, 100),
	                 values[N_VALUES - 1]);
	free(values);
}

static void
test_a_rank_is_of_the_value_that_so_many_do_not_exceed(void **state)
{
	(void)state;
	assert_int_equal(dist_histogram_rank(1000, 99.9), 999);
	assert_int_equal(dist_histogram_rank(1000, 50), 500);
	assert_int_equal(dist_histogram_rank(3, 50), 2);
	assert_int_equal(dist_histogram_rank(3, 0), 1);
	assert_int_equal(dist_histogram_rank(3, 100), 3);
	assert_int_equal(dist_histogram_rank(3, 200), 3);
	assert_int_equal(dist_histogram_rank(3, -1), 1);
}

static void
test_no_percentile_exceeds_the_longest(void **state)
{
	(void)state;
	/* The lowest of its bucket: the middle lies above. */
	dist_histogram_record(&histogram, 1 << 20);
	assert_int_equal(dist_histogram_percentile_ns(&histogram, 99), 1 << 20);
}

static void
test_an_empty_one_says_0(void **state)
{
	(void)state;
	assert_int_equal(dist_histogram_count(&histogram), 0);
	assert_int_equal(dist_histogram_percentile_ns(&histogram, 50), 0);
	assert_int_equal(dist_histogram_percentile_ns(&histogram, 100), 0);
	assert_int_equal(dist_histogram_sum_ns(&histogram), 0);
}

static void
test_a_merged_one_has_what_both_had(void **state)
{
	(void)state;
	for (int64_t ns = 1; ns <= 1000; ns++)
		dist_histogram_record(ns <= 900 ? &histogram : &other, 1000 * ns);
	dist_histogram_merge(&histogram, &other);
	assert_int_equal(dist_histogram_count(&histogram), 1000);
	assert_int_equal(dist_histogram_count(&other), 100);
	assert_int_equal(dist_histogram_sum_ns(&histogram),
	                 UINT64_C(1000) * 1000 * 1001 / 2);
	assert_int_equal(dist_histogram_max_ns(&histogram), 1000000);
	assert_near(dist_histogram_percentile_ns(&histogram, 50), 500000);
	assert_near(dist_histogram_percentile_ns(&histogram, 95), 950000);
}

#define N_THREADS 4
#define N_EACH    20000

static void *
record_many(void *arg)
{
	int64_t first = (int64_t)(intptr_t)arg;

	for (int64_t i = 0; i < N_EACH; i++)
		dist_histogram_record(&histogram, first + i % 100);
	return NULL;
}

static void
test_threads_lose_nothing(void **state)
{
	pthread_t threads[N_THREADS];

	(void)state;
	for (intptr_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_many,
		                                (void *)(i * 50)),
		                 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(dist_histogram_count(&histogram), N_THREADS * N_EACH);
	assert_int_equal(dist_histogram_max_ns(&histogram), (N_THREADS - 1) * 50 + 99);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

static const struct CMUnitTest tests[] = {
	TEST(test_every_duration_has_one_bucket),
	TEST(test_what_is_out_of_range_counts_at_its_ends),
	TEST(test_a_percentile_is_off_by_a_32nd_at_most),
	TEST(test_percentiles_are_those_of_the_values),
	TEST(test_a_rank_is_of_the_value_that_so_many_do_not_exceed),
	TEST(test_no_percentile_exceeds_the_longest),
	TEST(test_an_empty_one_says_0),
	TEST(test_a_merged_one_has_what_both_had),
	TEST(test_threads_lose_nothing),
};

CHECK_MAIN(tests)
