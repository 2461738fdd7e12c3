#include "client/budget.h"

#include <limits.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define RETRY 100 /* hundredths */
/* So that it can be multiplied by a window. */
#define EARNED_MAX (INT64_MAX / DIST_BUDGET_WINDOW_MS)

void
dist_budget_init(struct dist_budget *budget, unsigned percent, int64_t now_ns)
{
	*budget = (struct dist_budget){
		.percent = percent ? percent : DIST_BUDGET_PERCENT,
		.filled_ns = now_ns,
		.saved = (int64_t)DIST_BUDGET_SAVED * RETRY,
	};
}

/*
 * The share of calls that were started in longer than a window is that of a window, at
 * their mean rate. More calls than make a number overflow in one are none that there are.
 */
static int64_t
budget_share(const struct dist_budget *budget, uint64_t n_started, int64_t elapsed_ms)
{
	int64_t n = (int64_t)DIST_MIN(n_started - budget->n_started, UINT32_MAX);

	if (elapsed_ms > DIST_BUDGET_WINDOW_MS)
		n = n * DIST_BUDGET_WINDOW_MS / elapsed_ms;
	return n * DIST_MIN(budget->percent, 100000);
}

static void
budget_fill(struct dist_budget *budget, uint64_t n_started, int64_t now_ns)
{
	int64_t elapsed_ms = (now_ns - budget->filled_ns) / DIST_NS_PER_MS;
	int64_t kept_ms = DIST_MAX(DIST_BUDGET_WINDOW_MS - elapsed_ms, 0);

	/* Less than a millisecond is left for later, when it is one. */
	if (elapsed_ms > 0) {
		budget->filled_ns += elapsed_ms * DIST_NS_PER_MS;
		budget->saved += DIST_MIN(elapsed_ms, INT32_MAX) * DIST_BUDGET_A_SECOND *
		                 RETRY / 1000;
		budget->saved = DIST_MIN(budget->saved, DIST_BUDGET_SAVED * RETRY);
		budget->earned = budget->earned * kept_ms / DIST_BUDGET_WINDOW_MS;
	}
	budget->earned += budget_share(budget, n_started, elapsed_ms);
	budget->earned = DIST_MIN(budget->earned, EARNED_MAX);
	budget->n_started = n_started;
}

bool
dist_budget_draw(struct dist_budget *budget, uint64_t n_started, int64_t now_ns)
{
	int64_t *from;

	if (budget->percent == UINT_MAX)
		return true;
	budget_fill(budget, n_started, now_ns);
	/* First what is forgotten first. */
	from = budget->earned >= RETRY ? &budget->earned : &budget->saved;
	if (*from < RETRY)
		return false;
	*from -= RETRY;
	return true;
}
