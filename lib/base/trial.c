#include "base/trial.h"

/* A stretch has at least so many units, and lasts so long. */
#define UNITS_MIN  256
#define STRETCH_NS INT64_C(1000000)
/* One stretch of so many is the other way's. */
#define TRY_EACH 64
/* What must be saved for a change: a 16th. */
#define WORTH(cost) ((cost) - (cost) / 16)

void
dist_trial_init(struct dist_trial *trial)
{
	*trial = (struct dist_trial){ .n_next = UNITS_MIN, .n_stretches_left = TRY_EACH };
}

static void
trial_begin(struct dist_trial *trial, int64_t now_ns)
{
	trial->began_ns = now_ns;
	trial->n_units = 0;
	trial->n_next = UNITS_MIN;
}

void
dist_trial_void(struct dist_trial *trial)
{
	trial_begin(trial, 0);
}

/* The way of the next stretch. */
static unsigned
trial_choose(struct dist_trial *trial)
{
	const int64_t *cost = trial->cost_ps;
	unsigned other = !trial->better;

	if (cost[other] && cost[other] < WORTH(cost[trial->better]))
		trial->better = other;
	if (cost[other] && --trial->n_stretches_left > 0)
		return trial->better;
	trial->n_stretches_left = TRY_EACH;
	return !trial->better;
}

void
dist_trial_judge(struct dist_trial *trial, int64_t now_ns)
{
	int64_t took_ns = now_ns - trial->began_ns, *cost = &trial->cost_ps[trial->way];
	int64_t cost_ps;

	if (!trial->began_ns) {
		trial_begin(trial, now_ns);
		return;
	}
	if (took_ns < STRETCH_NS) {
		trial->n_next = trial->n_units + UNITS_MIN;
		return;
	}
	cost_ps = took_ns * 1000 / trial->n_units;
	*cost = *cost ? *cost + (cost_ps - *cost) / 4 : cost_ps;
	trial->way = trial_choose(trial);
	trial_begin(trial, now_ns);
}
