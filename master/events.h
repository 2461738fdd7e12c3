/*
 * The last lines of the log, for the page: what happened to nodes, and what the master
 * complained of. It is a sink of dist/log.h that passes all on to stderr.
 */
#ifndef MASTER_EVENTS_H
#define MASTER_EVENTS_H

#include "text.h"

#include <dist/log.h>
#include <stdint.h>

#define EVENTS_KEPT 100

/* Keep the lines of info and worse from now on; those of @level go to stderr. */
void events_begin(enum dist_log_level level);

/*
 * Those after number @after, oldest first, as elements of an array of JSON:
 * {"n":7,"time_ms":…,"level":"notice","id":"node-gone","text":"name=…"}. Returns the
 * number of the last one there is; 0: none.
 */
uint64_t events_print(struct text *text, uint64_t after);

#endif
