/* What was counted (dist/stats.h) as JSON, in the words of distctl stats --json. */
#ifndef MASTER_COUNTS_H
#define MASTER_COUNTS_H

#include "text.h"

#include <dist/stats.h>

/* "counters" and "procedures", without braces around them. */
void counts_print(struct text *text, const struct dist_node_stats *stats);

/* A comma, @key, and @name; null where it is not known or empty. */
void counts_name(struct text *text, const char *key, const char *name);

#endif
