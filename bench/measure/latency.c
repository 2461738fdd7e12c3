/* A histogram of latencies; see latency.h. */
#include "measure/latency.h"

#define STEP_BITS 7 /* of LATENCY_STEPS */

static unsigned
class_of(uint64_t ns)
{
	unsigned octave, index;

	if (ns < LATENCY_STEPS)
		return (unsigned)ns;
	octave = 63 - (unsigned)__builtin_clzll(ns) - STEP_BITS;
	index = (octave << STEP_BITS) + (unsigned)(ns >> octave);
	return index < LATENCY_CLASSES ? index : LATENCY_CLASSES - 1;
}

/* The middle of a class. */
static double
class_ns(unsigned index)
{
	unsigned octave = index < 2 * LATENCY_STEPS ? 0 : (index >> STEP_BITS) - 1;
	uint64_t low = (uint64_t)(index - (octave << STEP_BITS)) << octave;

	return (double)low + (double)((uint64_t)1 << octave) / 2;
}

void
latency_add(struct latency *latency, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	latency->n++;
	latency->sum_ns += (double)ns;
	latency->classes[class_of((uint64_t)ns)]++;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
}

void
latency_merge(struct latency *sum, const struct latency *other)
{
	sum->n += other->n;
	sum->sum_ns += other->sum_ns;
	for (unsigned i = 0; i < LATENCY_CLASSES; i++)
		sum->classes[i] += other->classes[i];
	if (other->max_ns > sum->max_ns)
		sum->max_ns = other->max_ns;
}

double
latency_percentile_us(const struct latency *latency, double part)
{
	double wanted = part * (double)latency->n, ns;
	uint64_t seen = 0;

	for (unsigned i = 0; i < LATENCY_CLASSES; i++) {
		seen += latency->classes[i];
		if (!seen || (double)seen < wanted)
			continue;
		ns = class_ns(i);
		return (ns < (double)latency->max_ns ? ns : (double)latency->max_ns) /
		       1e3;
	}
	return 0;
}
