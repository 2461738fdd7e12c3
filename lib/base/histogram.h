/*
 * How long things took: a count for each range of durations. There are 16 ranges to a
 * power of two, so that a percentile is off by not more than 1/32 of its value (by 4 ns
 * below 128 ns), from nanoseconds to 9.7 hours; what took longer counts as that. The
 * longest and the sum are kept as they are.
 *
 * The memory is fixed, some 5 KB. Any thread records, without a lock; any thread reads
 * meanwhile, and may then miss what is being recorded.
 */
#ifndef DIST_BASE_HISTOGRAM_H
#define DIST_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DIST_HISTOGRAM_UNIT_BITS 3 /* durations are told apart by 8 ns at the best */
#define DIST_HISTOGRAM_SUB_BITS  4 /* ranges to a power of two */
#define DIST_HISTOGRAM_TOP_BITS  45
#define DIST_HISTOGRAM_SUB       (1u << DIST_HISTOGRAM_SUB_BITS)
#define DIST_HISTOGRAM_BUCKETS \
	((DIST_HISTOGRAM_TOP_BITS - DIST_HISTOGRAM_UNIT_BITS - \
	  DIST_HISTOGRAM_SUB_BITS + 1) * \
	 DIST_HISTOGRAM_SUB)

/* Relaxed all: the counts order nothing. */
struct dist_histogram {
	atomic_uint_least64_t buckets[DIST_HISTOGRAM_BUCKETS];
	atomic_uint_least64_t sum_ns;
	atomic_uint_least64_t max_ns;
};

/* All zero is a histogram too. */
void dist_histogram_init(struct dist_histogram *histogram);

/* The bucket of a duration; a negative one counts as 0. */
static inline unsigned
dist_histogram_bucket(int64_t ns)
{
	uint64_t units = ns > 0 ? (uint64_t)ns >> DIST_HISTOGRAM_UNIT_BITS : 0;
	unsigned shift;

	if (units < DIST_HISTOGRAM_SUB)
		return (unsigned)units;
	if (ns >> DIST_HISTOGRAM_TOP_BITS)
		return DIST_HISTOGRAM_BUCKETS - 1;
	shift = 63 - DIST_HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(units);
	return shift * DIST_HISTOGRAM_SUB + (unsigned)(units >> shift);
}

/* The durations of a bucket: from this one on ... */
uint64_t dist_histogram_bucket_low_ns(unsigned bucket);
/* ... and less than this; UINT64_MAX: the last one has no end. */
uint64_t dist_histogram_bucket_end_ns(unsigned bucket);

/* As many more in @bucket, with their sum and the longest of them. */
void dist_histogram_add(struct dist_histogram *histogram, unsigned bucket, uint64_t n,
                        uint64_t sum_ns, uint64_t max_ns);

static inline void
dist_histogram_record(struct dist_histogram *histogram, int64_t ns)
{
	uint64_t positive = ns > 0 ? (uint64_t)ns : 0;

	dist_histogram_add(histogram, dist_histogram_bucket(ns), 1, positive, positive);
}

/* Add what @from has. */
void dist_histogram_merge(struct dist_histogram *histogram,
                          const struct dist_histogram *from);

uint64_t dist_histogram_count(const struct dist_histogram *histogram);

static inline uint64_t
dist_histogram_sum_ns(const struct dist_histogram *histogram)
{
	return atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
}

static inline uint64_t
dist_histogram_max_ns(const struct dist_histogram *histogram)
{
	return atomic_load_explicit(&histogram->max_ns, memory_order_relaxed);
}

/*
 * The duration that @percent of all did not exceed: 50 for the median, 100 for the
 * longest. 0 when nothing was recorded.
 */
uint64_t dist_histogram_percentile_ns(const struct dist_histogram *histogram,
                                      double percent);

/* --- For percentiles of counts that are kept elsewhere ---------------------------- */

/* The place, from 1, of the value asked for among @count in order. */
uint64_t dist_histogram_rank(uint64_t count, double percent);
/* What a bucket stands for: the middle of its values, none over the longest; that
 * itself where the bucket has no end (UINT64_MAX). */
uint64_t dist_histogram_middle_ns(uint64_t low_ns, uint64_t end_ns, uint64_t max_ns);

#endif
