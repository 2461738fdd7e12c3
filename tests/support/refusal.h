/*
 * Of all that is asked for, by any thread, a few in a row are refused: which ones goes
 * by their number.
 */
#ifndef SUPPORT_REFUSAL_H
#define SUPPORT_REFUSAL_H

#include <stdatomic.h>
#include <stdbool.h>

#define REFUSAL_FRAMES_MAX 24

struct refusal {
	/* Refused are numbers @first to before @after; counting starts at 1. */
	atomic_ulong n_asked, first, after, n_refused;
	/* Who asked for what was refused first. */
	void *frames[REFUSAL_FRAMES_MAX];
	int n_frames;
};

/* From now on the @first-th is refused (1 is the next), and so are those behind it, @n
 * in all. */
void refusal_begin(struct refusal *refusal, unsigned long first, unsigned long n);

/* Counts one that is asked for; is it refused? */
bool refusal_is_next(struct refusal *refusal);

/* How many were refused since it began. */
unsigned long refusal_count(const struct refusal *refusal);

/* The same, and none is refused any more. */
unsigned long refusal_end(struct refusal *refusal);

/* Who asked for what was refused first, to stderr. */
void refusal_show(const struct refusal *refusal);

#endif
