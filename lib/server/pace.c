#include "server/pace.h"

#include "base/clock.h"

#include <sys/resource.h>

#define PACE_NEEDED_FIRST 32
#define PACE_NEEDED_MAX   4096
/* So many runs that are not short, among so many that are, and it is not short. */
#define PACE_MEDIUM_MAX 8
#define PACE_MEDIUM_OF  256
/* Trusted for so many times the runs that it needed, it needs half of them. */
#define PACE_TRUST_FACTOR 64

#define load(word)         atomic_load_explicit((word), memory_order_relaxed)
#define store(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)

void
dist_pace_init(struct dist_pace *pace, uint32_t proc)
{
	pace->proc = proc;
	atomic_init(&pace->is_short, false);
	atomic_init(&pace->n_short, 0);
	atomic_init(&pace->n_needed, PACE_NEEDED_FIRST);
	atomic_init(&pace->n_medium, 0);
	atomic_init(&pace->n_trusted, 0);
}

/* --- Inline --------------------------------------------------------------------- */

static void
pace_disappoint(struct dist_pace *pace)
{
	unsigned n_needed = load(&pace->n_needed);

	store(&pace->n_short, 0);
	if (!atomic_exchange(&pace->is_short, false))
		return;
	if (n_needed < PACE_NEEDED_MAX)
		store(&pace->n_needed, 2 * n_needed);
}

/* Once in a while, when nothing was wrong with it. */
static void
pace_trust(struct dist_pace *pace, unsigned n_trusted)
{
	unsigned n_needed = load(&pace->n_needed);

	store(&pace->n_medium, 0);
	if (n_trusted < PACE_TRUST_FACTOR * n_needed)
		return;
	store(&pace->n_trusted, 0);
	if (n_needed > PACE_NEEDED_FIRST)
		store(&pace->n_needed, n_needed / 2);
}

void
dist_pace_note_inline(struct dist_pace *pace, int64_t ran_ns)
{
	unsigned n;

	if (ran_ns < DIST_PACE_SHORT_NS) {
		n = load(&pace->n_trusted) + 1;
		store(&pace->n_trusted, n);
		if (n % PACE_MEDIUM_OF == 0)
			pace_trust(pace, n);
		return;
	}
	n = load(&pace->n_medium) + 1;
	store(&pace->n_medium, n);
	if (ran_ns > DIST_PACE_LONG_NS || n >= PACE_MEDIUM_MAX)
		pace_disappoint(pace);
}

/* --- In the pool ---------------------------------------------------------------- */

void
dist_pace_note_pooled(struct dist_pace *pace, int64_t used_ns)
{
	unsigned n_short;

	if (used_ns > DIST_PACE_LONG_NS) {
		pace_disappoint(pace);
		return;
	}
	if (dist_pace_is_short(pace))
		return;
	if (used_ns >= DIST_PACE_SHORT_NS) {
		store(&pace->n_short, 0);
		return;
	}
	n_short =
		1 + atomic_fetch_add_explicit(&pace->n_short, 1, memory_order_relaxed);
	if (n_short < load(&pace->n_needed))
		return;
	store(&pace->n_medium, 0);
	store(&pace->n_trusted, 0);
	store(&pace->is_short, true);
}

static int64_t
timeval_ns(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

static int64_t
usage_cpu_ns(const struct rusage *usage)
{
	return timeval_ns(usage->ru_utime) + timeval_ns(usage->ru_stime);
}

void
dist_pace_run_begin(struct dist_pace_run *run)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	run->cpu_ns = usage_cpu_ns(&usage);
	run->n_sleeps = usage.ru_nvcsw;
	run->began_ns = dist_clock_ns();
}

int64_t
dist_pace_run_end(const struct dist_pace_run *run)
{
	int64_t took_ns = dist_clock_ns() - run->began_ns;
	struct rusage usage;

	if (took_ns < DIST_PACE_SHORT_NS)
		return took_ns;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw == run->n_sleeps ? usage_cpu_ns(&usage) - run->cpu_ns
	                                       : took_ns;
}
