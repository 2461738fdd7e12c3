/*
 * /metrics: the text format of Prometheus, version 0.0.4, with names and units by its
 * conventions.
 *
 * Counters are told of each node and procedure. Histograms would be too many so: they
 * are told of each procedure in the whole cluster, and a node has their sums and
 * counts.
 */
#ifndef MASTER_METRICS_H
#define MASTER_METRICS_H

#include "board.h"
#include "text.h"

void metrics_print(struct text *text, const struct board_view *view);

/* The process's own: CPU, memory, descriptors. */
void metrics_print_process(struct text *text);

#endif
