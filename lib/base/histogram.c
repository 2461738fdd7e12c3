#include "base/histogram.h"

#include "base/cleanup.h"

static uint64_t
load(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
dist_histogram_init(struct dist_histogram *histogram)
{
	for (unsigned i = 0; i < DIST_HISTOGRAM_BUCKETS; i++)
		atomic_init(&histogram->buckets[i], 0);
	atomic_init(&histogram->sum_ns, 0);
	atomic_init(&histogram->max_ns, 0);
}

uint64_t
dist_histogram_bucket_low_ns(unsigned bucket)
{
	unsigned shift;
	uint64_t units;

	if (bucket < DIST_HISTOGRAM_SUB)
		return (uint64_t)bucket << DIST_HISTOGRAM_UNIT_BITS;
	shift = bucket / DIST_HISTOGRAM_SUB - 1;
	units = DIST_HISTOGRAM_SUB + bucket % DIST_HISTOGRAM_SUB;
	return units << shift << DIST_HISTOGRAM_UNIT_BITS;
}

uint64_t
dist_histogram_bucket_end_ns(unsigned bucket)
{
	return bucket + 1 < DIST_HISTOGRAM_BUCKETS
	               ? dist_histogram_bucket_low_ns(bucket + 1)
	               : UINT64_MAX;
}

static void
histogram_raise_max(struct dist_histogram *histogram, uint64_t ns)
{
	uint64_t max = load(&histogram->max_ns);

	while (ns > max && !atomic_compare_exchange_weak_explicit(
				   &histogram->max_ns, &max, ns, memory_order_relaxed,
				   memory_order_relaxed))
		;
}

void
dist_histogram_add(struct dist_histogram *histogram, unsigned bucket, uint64_t n,
                   uint64_t sum_ns, uint64_t max_ns)
{
	atomic_fetch_add_explicit(&histogram->buckets[bucket], n, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum_ns, sum_ns, memory_order_relaxed);
	histogram_raise_max(histogram, max_ns);
}

void
dist_histogram_merge(struct dist_histogram *histogram,
                     const struct dist_histogram *from)
{
	for (unsigned i = 0; i < DIST_HISTOGRAM_BUCKETS; i++) {
		uint64_t n = load(&from->buckets[i]);

		if (n > 0)
			atomic_fetch_add_explicit(&histogram->buckets[i], n,
			                          memory_order_relaxed);
	}
	atomic_fetch_add_explicit(&histogram->sum_ns, dist_histogram_sum_ns(from),
	                          memory_order_relaxed);
	histogram_raise_max(histogram, dist_histogram_max_ns(from));
}

uint64_t
dist_histogram_count(const struct dist_histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < DIST_HISTOGRAM_BUCKETS; i++)
		count += load(&histogram->buckets[i]);
	return count;
}

uint64_t
dist_histogram_rank(uint64_t count, double percent)
{
	/* A hair less: 99.9 is no sum of powers of two, but of 1000 it is 999. */
	double exact = (double)count * percent / 100 * (1 - 1e-12);
	uint64_t rank;

	if (!(exact > 1))
		return 1;
	if (exact >= (double)count)
		return count;
	rank = (uint64_t)exact;
	return (double)rank < exact ? rank + 1 : rank;
}

uint64_t
dist_histogram_middle_ns(uint64_t low_ns, uint64_t end_ns, uint64_t max_ns)
{
	if (end_ns == UINT64_MAX)
		return max_ns;
	return DIST_MIN(low_ns + (end_ns - low_ns) / 2, max_ns);
}

uint64_t
dist_histogram_percentile_ns(const struct dist_histogram *histogram, double percent)
{
	uint64_t max_ns = dist_histogram_max_ns(histogram);
	uint64_t rank = dist_histogram_rank(dist_histogram_count(histogram), percent);
	uint64_t seen = 0;

	if (percent >= 100)
		return max_ns;
	for (unsigned i = 0; i < DIST_HISTOGRAM_BUCKETS; i++) {
		seen += load(&histogram->buckets[i]);
		if (seen >= rank)
			return dist_histogram_middle_ns(dist_histogram_bucket_low_ns(i),
			                                dist_histogram_bucket_end_ns(i),
			                                max_ns);
	}
	return max_ns; /* nothing was recorded, or some between two looks */
}
