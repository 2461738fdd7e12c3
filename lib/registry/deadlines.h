/*
 * Deadlines in order: a binary heap whose members know their place, so that one of ten
 * thousand is moved in a few steps.
 */
#ifndef DIST_REGISTRY_DEADLINES_H
#define DIST_REGISTRY_DEADLINES_H

#include <dist/error.h>
#include <dist/macros.h>
#include <stddef.h>
#include <stdint.h>

struct dist_deadline {
	int64_t at_ns;
	size_t place; /* from 1; 0: not in a heap */
};

struct dist_deadlines {
	struct dist_deadline **heap; /* [0] is not used */
	size_t n, capacity;
};

void dist_deadlines_init(struct dist_deadlines *deadlines);
void dist_deadlines_fini(struct dist_deadlines *deadlines);

/* Room for one more than there are. DIST_ENOMEM. */
enum dist_err dist_deadlines_reserve(struct dist_deadlines *deadlines) DIST_MUST_CHECK;
/* Add, or move, @deadline; room was reserved. */
void dist_deadlines_set(struct dist_deadlines *deadlines,
                        struct dist_deadline *deadline, int64_t at_ns);
/* Again does no harm. */
void dist_deadlines_remove(struct dist_deadlines *deadlines,
                           struct dist_deadline *deadline);
/* The earliest; NULL: none. */
struct dist_deadline *dist_deadlines_first(const struct dist_deadlines *deadlines);

#endif
