/* What the page is told, as JSON: the whole state, and what changed since the last
 * moment. */
#ifndef MASTER_FRAME_H
#define MASTER_FRAME_H

#include "history.h"
#include "text.h"

#include <stdint.h>

#define FRAME_NODES_MAX 2000 /* shown; the sums are of all */

struct frame_source {
	const struct dist_overview *overview;
	struct history *history; /* of this overview; it learns what was told */
	int64_t stats_ms;
	const char *why_not_ready; /* NULL: it is ready */
	uint64_t last_event;       /* the last one that was told */
};

/* Both texts are empty before. Returns the number of the last event there is. */
uint64_t frame_print(const struct frame_source *source, struct text *whole,
                     struct text *change);

#endif
