/*
 * A thread that gathers once in an interval, so that whoever waits for keys waits for no
 * node.
 */
#ifndef DISTCTL_SAMPLER_H
#define DISTCTL_SAMPLER_H

#include "distctl/gather.h"

struct sampler;

/* Given: sampler_stop() it. @gather is borrowed until then. NULL: no memory, thread or
 * descriptor. */
struct sampler *sampler_start(struct gather *gather, int64_t interval_ms);

/* Waits for the round that goes on. NULL is nothing. */
void sampler_stop(struct sampler *sampler);

/* Readable when there is a round to be taken. */
int sampler_fd(const struct sampler *sampler);

/* The last round, once: given. NULL: there is none since the last time. */
struct gathered *sampler_take(struct sampler *sampler);

#endif
