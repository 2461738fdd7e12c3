/* /nodes: all nodes and what they count, in the words of distctl nodes and stats
 * --json. */
#ifndef MASTER_NODES_H
#define MASTER_NODES_H

#include "text.h"

#include <dist/overview.h>

void nodes_print(struct text *text, const struct dist_overview *overview);

#endif
