#include "server/watchdog.h"

#include "base/clock.h"
#include "server/core.h"
#include "server/inline_run.h"
#include "server/wake.h"

#define WATCHDOG_TICK_NS INT64_C(1000000)
/* Where no procedure waits, it looks for those that compute for long. */
#define WATCHDOG_PROMPT_TICK_NS INT64_C(20000000)
/* Ticks without an inline run, after which the watchdog sleeps. */
#define WATCHDOG_QUIET_TICKS 100

/* Whether an inline run is stuck: then this thread holds the role. */
static bool
watchdog_overdue_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	uint64_t word = atomic_load(&workers->role.word);
	int64_t since;

	if (dist_role_state_of(word) != DIST_ROLE_INLINE)
		return false;
	since = atomic_load_explicit(&workers->role.inline_since_ns,
	                             memory_order_relaxed);
	return dist_clock_ns() - since >= DIST_PACE_LONG_NS &&
	       dist_inline_run_take_role_locked(workers, word);
}

static void
watchdog_count_tick_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	unsigned long n =
		atomic_load_explicit(&workers->n_inline, memory_order_relaxed);

	if (n == workers->n_inline_seen)
		workers->n_quiet_ticks++;
	else
		workers->n_quiet_ticks = 0;
	workers->n_inline_seen = n;
}

static void
watchdog_tick_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	int64_t until = dist_clock_ns() + (workers->server->options.prompt
	                                           ? WATCHDOG_PROMPT_TICK_NS
	                                           : WATCHDOG_TICK_NS);

	(void)dist_cond_wait_until(&workers->watch, &workers->lock, until);
	watchdog_count_tick_locked(workers);
}

/* Sleep until somebody wakes the watchdog, unless something runs inline just now. */
static void
watchdog_sleep_locked(struct dist_workers *workers) DIST_REQUIRES(&workers->lock)
{
	atomic_store(&workers->watch_asleep, true);
	if (dist_role_state(&workers->role) != DIST_ROLE_INLINE)
		dist_cond_wait(&workers->watch, &workers->lock);
	atomic_store(&workers->watch_asleep, false);
	workers->n_quiet_ticks = 0;
}

void
dist_watchdog_watch_locked(struct dist_workers *workers, struct dist_worker *self)
{
	struct dist_wake wake;

	workers->watched = true;
	if (workers->n_quiet_ticks < WATCHDOG_QUIET_TICKS)
		watchdog_tick_locked(workers);
	else
		watchdog_sleep_locked(workers);
	workers->watched = false;

	self->holds_role = watchdog_overdue_locked(workers);
	if (self->holds_role) {
		/* Another one must watch. */
		wake = dist_wake_choose_locked(workers, workers->n_waking + 1);
		dist_wake_do(workers, wake);
	}
}
