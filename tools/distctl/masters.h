/* The masters of --masters that answer, each called directly. */
#ifndef DISTCTL_MASTERS_H
#define DISTCTL_MASTERS_H

#include "distctl/config.h"
#include "distctl/server.h"

#include <stddef.h>

struct masters {
	struct server *list;
	size_t n;
};

/*
 * Find them. One that does not answer is no failure as long as another one does, but
 * the operator wants to know. An exit status: unless it is 0, a sentence is on stderr
 * and nothing to be closed.
 */
int masters_open(struct masters *masters, const struct config *config);

void masters_close(struct masters *masters);

/* A master that was found gave no answer after all, because of @reason. */
void masters_warn(const struct server *master, const char *reason);

#endif
