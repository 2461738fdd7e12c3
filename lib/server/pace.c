#include "server/pace.h"

#define PACE_NEEDED_FIRST 32
/* A busy machine interrupts short procedures too: they get their chance again. */
#define PACE_NEEDED_MAX 4096

void
dist_pace_init(struct dist_pace *pace, uint32_t proc)
{
	pace->proc = proc;
	atomic_init(&pace->is_short, false);
	atomic_init(&pace->n_short, 0);
	atomic_init(&pace->n_needed, PACE_NEEDED_FIRST);
}

static void
pace_disappoint(struct dist_pace *pace)
{
	unsigned n_needed = atomic_load_explicit(&pace->n_needed, memory_order_relaxed);

	atomic_store_explicit(&pace->n_short, 0, memory_order_relaxed);
	if (!atomic_exchange(&pace->is_short, false))
		return;
	if (n_needed < PACE_NEEDED_MAX)
		atomic_store_explicit(&pace->n_needed, 2 * n_needed,
		                      memory_order_relaxed);
}

static void
pace_reward(struct dist_pace *pace)
{
	unsigned n_short;

	if (dist_pace_is_short(pace))
		return;
	n_short =
		1 + atomic_fetch_add_explicit(&pace->n_short, 1, memory_order_relaxed);
	if (n_short >= atomic_load_explicit(&pace->n_needed, memory_order_relaxed))
		atomic_store_explicit(&pace->is_short, true, memory_order_relaxed);
}

void
dist_pace_note(struct dist_pace *pace, int64_t ran_ns)
{
	if (ran_ns < DIST_PACE_SHORT_NS)
		pace_reward(pace);
	else if (ran_ns > DIST_PACE_LONG_NS)
		pace_disappoint(pace);
	else
		atomic_store_explicit(&pace->n_short, 0, memory_order_relaxed);
}
