/* Who calls the nodes, as JSON: for /callers, and for the page. */
#ifndef MASTER_CALLERS_H
#define MASTER_CALLERS_H

#include "text.h"

#include <dist/overview.h>

/* All that are connected, and in "together" what all came to that there ever were. */
void callers_print(struct text *text, const struct dist_overview *overview,
                   const struct dist_stats *totals);

/* The busiest of them, for a frame: a comma, then "callers" and "n_callers". */
void callers_print_busiest(struct text *text, const struct dist_overview *overview);

#endif
