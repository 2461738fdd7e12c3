/*
 * A line for each thing that happens to a cluster, at once: what a master's log calls
 * it, or as JSON.
 */
#ifndef DISTCTL_EVENT_H
#define DISTCTL_EVENT_H

#include "distctl/track.h"

/* Each returns an exit status: a line that cannot be written is said on stderr. */

int event_print(const struct track_event *event, bool as_json);

/* Of a master: "master-followed", with how many nodes there are, or "master-lost", and
 * why. */
int event_master_followed(const char *address, size_t n_nodes, bool as_json);
int event_master_lost(const char *address, const char *why, bool as_json);

#endif
