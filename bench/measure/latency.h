/*
 * A histogram of latencies: fixed memory, and 128 classes for each power of two of
 * nanoseconds, so that a percentile is off by 0.4 % at most. It is finer than the one
 * that the library keeps of all calls, since systems are compared by it that differ by
 * a few percent, and one thread's alone, so that recording takes a few instructions.
 */
#ifndef MEASURE_LATENCY_H
#define MEASURE_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   128
#define LATENCY_CLASSES (LATENCY_STEPS * 40) /* up to 2^45 ns, some ten hours */

struct latency {
	uint64_t n;
	int64_t max_ns;
	double sum_ns;
	uint64_t classes[LATENCY_CLASSES];
};

void latency_add(struct latency *latency, int64_t ns);
void latency_merge(struct latency *sum, const struct latency *other);

/* That @part of the latencies (0.5: half of them) are no longer than; 0 without any. */
double latency_percentile_us(const struct latency *latency, double part);

#endif
