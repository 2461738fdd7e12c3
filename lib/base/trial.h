/*
 * Which of two ways of doing the same is faster here and now, found by trying.
 *
 * Work is counted in units, and time is taken over stretches of some thousand of them. The
 * way that took less for a unit is kept to; now and then the other has a stretch, since
 * what was true of an idle machine may not be of a busy one. Stretches with a pause in them
 * say nothing and do not count.
 *
 * It belongs to one thread at a time.
 */
#ifndef DIST_BASE_TRIAL_H
#define DIST_BASE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

struct dist_trial {
	unsigned way;    /* 0 or 1: of now */
	unsigned better; /* of the two, as far as is known */
	unsigned n_stretches_left; /* until the other one is tried again */
	unsigned n_units;   /* of this stretch so far */
	unsigned n_next;    /* when so many are done the clock is looked at */
	int64_t began_ns;   /* this stretch; 0: it has not begun */
	int64_t cost_ps[2]; /* of a unit, smoothed; 0: not known */
};

void dist_trial_init(struct dist_trial *trial);

/* So many units are done. True: it is time for dist_trial_judge(). */
static inline bool
dist_trial_count(struct dist_trial *trial, unsigned n_units)
{
	trial->n_units += n_units;
	return trial->n_units >= trial->n_next;
}

void dist_trial_judge(struct dist_trial *trial, int64_t now_ns);

/* There was nothing to do for a while. */
void dist_trial_void(struct dist_trial *trial);

#endif
