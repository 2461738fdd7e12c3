#include "server/wake.h"

struct dist_wake
dist_wake_choose_locked(struct dist_workers *workers, unsigned n_wanted)
{
	struct dist_wake wake = { 0 };

	if (n_wanted <= workers->n_waking)
		return wake;
	n_wanted -= workers->n_waking;
	wake.n_idle = DIST_MIN(n_wanted, workers->n_idle - workers->n_waking);
	workers->n_waking += wake.n_idle;
	wake.watchdog = n_wanted > wake.n_idle && workers->watched;
	return wake;
}

void
dist_wake_do(struct dist_workers *workers, struct dist_wake wake)
{
	while (wake.n_idle-- > 0)
		dist_cond_signal(&workers->wake);
	if (wake.watchdog)
		dist_cond_signal(&workers->watch);
}

struct dist_wake
dist_wake_choose_for_calls_locked(struct dist_workers *workers)
{
	unsigned n_free = workers->n_slots - workers->n_running;

	return dist_wake_choose_locked(workers, DIST_MIN(workers->n_ready, n_free));
}

bool
dist_wake_one_idle_locked(struct dist_workers *workers)
{
	struct dist_wake wake;

	if (workers->n_idle <= workers->n_waking)
		return false;
	wake = dist_wake_choose_locked(workers, workers->n_waking + 1);
	dist_wake_do(workers, wake);
	return true;
}
