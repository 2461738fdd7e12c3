/*
 * Whether to spin, to look for input again and again before sleeping until it comes.
 * Where both ends have a CPU of their own that saves the waking of a thread, most of a
 * small call's time. Where they share one, where other threads want it, or where input
 * comes late, it only costs; so a spin is paid for out of a credit in nanoseconds:
 *
 * - a spin that saw input earns what waking a thread costs, one in vain costs its length;
 * - one that lost its CPU meanwhile, as a gap in the clock shows, costs that time too,
 *   whatever it saw: others want to run here;
 * - a 64th of the time that passes is earned, so that it is tried again now and then.
 *
 * Without credit nobody spins. Spins in vain take no more than a 64th of the time.
 *
 *	if (dist_spin_begin(&spin, dist_clock_ns())) {
 *		do
 *			seen = look();
 *		while (!seen && dist_spin_goes_on(&spin, dist_clock_ns()));
 *		dist_spin_end(&spin, seen, dist_clock_ns());
 *	}
 *
 * It belongs to one thread at a time: to whoever holds the role that waits.
 */
#ifndef DIST_BASE_SPIN_H
#define DIST_BASE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct dist_spin {
	int64_t length_ns; /* of the longest spin; 0: never */
	int64_t credit_ns; /* below 0: so much is owed */
	int64_t earned_ns; /* up to when time was turned into credit */

	/* The spin under way. */
	int64_t began_ns;
	int64_t looked_ns; /* the last time */
	bool lost_cpu;
};

/* Whether thread and CPU are the same as when it looked last: a gap over this says no. */
#define DIST_SPIN_GAP_NS INT64_C(20000)

void dist_spin_init(struct dist_spin *spin, unsigned length_us);

/* Whether to spin now. */
bool dist_spin_begin(struct dist_spin *spin, int64_t now_ns);
/* It saw nothing yet: whether to look once more. */
bool dist_spin_goes_on(struct dist_spin *spin, int64_t now_ns);
/* It is over; @seen: with what it waited for. After each that was begun. */
void dist_spin_end(struct dist_spin *spin, bool seen, int64_t now_ns);

#endif
