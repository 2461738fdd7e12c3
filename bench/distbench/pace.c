/* When calls are due; see pace.h. */
#include "distbench/pace.h"

/* The thread's part of --calls. */
static uint64_t
share(const struct config *config, size_t index)
{
	uint64_t n = (uint64_t)config->n_calls, n_threads = (uint64_t)config->n_threads;

	return n ? n / n_threads + (index < n % n_threads) : UINT64_MAX;
}

void
pace_init(struct pace *pace, const struct caller *caller)
{
	const struct config *config = caller->load->config;

	*pace = (struct pace){
		.load = caller->load,
		.origin_ns = clock_now_ns(),
		.n_max = share(config, caller->index),
	};
	if (!config->rate)
		return;
	pace->interval_ns = 1e9 * (double)config->n_threads / (double)config->rate;
	pace->phase_ns =
		pace->interval_ns * (double)caller->index / (double)config->n_threads;
}

static int64_t
pace_planned_ns(const struct pace *pace)
{
	return pace->origin_ns +
	       (int64_t)(pace->phase_ns + (double)pace->n_started * pace->interval_ns);
}

int64_t
pace_due_ns(struct pace *pace, int64_t now_ns)
{
	if (!pace->counts && now_ns >= pace->load->begin_ns) {
		pace->counts = true;
		pace->origin_ns = pace->load->begin_ns;
		pace->n_started = 0;
	}
	return pace->interval_ns == 0 ? now_ns : pace_planned_ns(pace);
}

void
pace_finish(struct pace *pace, struct tally *tally)
{
	int64_t due_ns;

	if (pace->interval_ns == 0)
		return;
	while (!pace_over(pace, due_ns = pace_due_ns(pace, clock_now_ns()))) {
		tally_unsent(tally, due_ns);
		pace_next(pace);
	}
}
