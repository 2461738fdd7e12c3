#include "registry/deadlines.h"

#include <assert.h>
#include <stdlib.h>

void
dist_deadlines_init(struct dist_deadlines *deadlines)
{
	*deadlines = (struct dist_deadlines){ .heap = NULL };
}

void
dist_deadlines_fini(struct dist_deadlines *deadlines)
{
	free(deadlines->heap);
	dist_deadlines_init(deadlines);
}

enum dist_err
dist_deadlines_reserve(struct dist_deadlines *deadlines)
{
	size_t capacity = deadlines->capacity ? deadlines->capacity * 2 : 64;
	struct dist_deadline **heap;

	if (deadlines->n + 1 < deadlines->capacity)
		return DIST_OK;
	heap = reallocarray(deadlines->heap, capacity, sizeof(struct dist_deadline *));
	if (!heap)
		return DIST_ENOMEM;
	deadlines->heap = heap;
	deadlines->capacity = capacity;
	return DIST_OK;
}

static void
deadlines_put(struct dist_deadlines *deadlines, size_t place,
              struct dist_deadline *deadline)
{
	deadlines->heap[place] = deadline;
	deadline->place = place;
}

/* Up from @place until its parent is no later. */
static void
deadlines_rise(struct dist_deadlines *deadlines, size_t place)
{
	struct dist_deadline *deadline = deadlines->heap[place];

	for (; place > 1; place /= 2) {
		struct dist_deadline *parent = deadlines->heap[place / 2];

		if (parent->at_ns <= deadline->at_ns)
			break;
		deadlines_put(deadlines, place, parent);
	}
	deadlines_put(deadlines, place, deadline);
}

/* Down from @place until neither child is earlier. */
static void
deadlines_sink(struct dist_deadlines *deadlines, size_t place)
{
	struct dist_deadline *deadline = deadlines->heap[place];
	size_t child;

	for (; (child = place * 2) <= deadlines->n; place = child) {
		if (child < deadlines->n &&
		    deadlines->heap[child + 1]->at_ns < deadlines->heap[child]->at_ns)
			child++;
		if (deadline->at_ns <= deadlines->heap[child]->at_ns)
			break;
		deadlines_put(deadlines, place, deadlines->heap[child]);
	}
	deadlines_put(deadlines, place, deadline);
}

void
dist_deadlines_set(struct dist_deadlines *deadlines, struct dist_deadline *deadline,
                   int64_t at_ns)
{
	deadline->at_ns = at_ns;
	if (!deadline->place) {
		assert(deadlines->n + 1 < deadlines->capacity);
		deadlines_put(deadlines, ++deadlines->n, deadline);
	}
	deadlines_rise(deadlines, deadline->place);
	deadlines_sink(deadlines, deadline->place);
}

void
dist_deadlines_remove(struct dist_deadlines *deadlines, struct dist_deadline *deadline)
{
	size_t place = deadline->place;
	struct dist_deadline *last;

	if (!place)
		return;
	last = deadlines->heap[deadlines->n--];
	deadline->place = 0;
	if (last == deadline)
		return;
	deadlines_put(deadlines, place, last);
	deadlines_rise(deadlines, place);
	deadlines_sink(deadlines, last->place);
}

struct dist_deadline *
dist_deadlines_first(const struct dist_deadlines *deadlines)
{
	return deadlines->n ? deadlines->heap[1] : NULL;
}
