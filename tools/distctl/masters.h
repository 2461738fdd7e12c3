/* All the masters that --masters names, each called directly. */
#ifndef DISTCTL_MASTERS_H
#define DISTCTL_MASTERS_H

#include "distctl/config.h"
#include "distctl/server.h"

#include <stddef.h>

struct masters {
	struct server *list;
	size_t n;
};

/* An exit status: unless it is 0, a sentence is on stderr and nothing to be closed. */
int masters_open(struct masters *masters, const struct config *config);

void masters_close(struct masters *masters);

/*
 * A master gave no answer, because of @reason. With several masters that is no failure
 * as long as another one answers, but the operator wants to know.
 */
void masters_warn(const struct server *master, const char *reason);

#endif
