/*
 * How many calls may go out a second time. When nodes fail, each call that is sent again
 * is more load for those that are left; were all of them, retries would make an outage of
 * what was a trouble. So they are paid from a budget, which fills by a share of the calls
 * that are started, and by a little with time, so that a small load can always retry.
 *
 * Time is an argument, and so is the count of calls started, which others keep anyway:
 * nothing is done for a call that is sent once. Its owner guards it with a lock.
 */
#ifndef DIST_CLIENT_BUDGET_H
#define DIST_CLIENT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Of calls started, unless something else is asked for. */
#define DIST_BUDGET_PERCENT 10
/* Besides, so many a second, saved up to this many, which is what there is at first. */
#define DIST_BUDGET_A_SECOND 10
#define DIST_BUDGET_SAVED    1000
/* What the share of calls earned is forgotten over this time. */
#define DIST_BUDGET_WINDOW_MS 10000

struct dist_budget {
	unsigned percent; /* UINT_MAX: no bound */
	uint64_t n_started; /* calls, when it was filled last */
	int64_t filled_ns;
	/* In hundredths of a retry. */
	int64_t saved, earned;
};

/* @percent: 0 is the default. */
void dist_budget_init(struct dist_budget *budget, unsigned percent, int64_t now_ns);

/* Pay for one more sending; false: there is nothing left. @n_started only grows. */
bool dist_budget_draw(struct dist_budget *budget, uint64_t n_started, int64_t now_ns);

#endif
