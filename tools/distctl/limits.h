/* What this host allows its processes. */
#ifndef DISTCTL_LIMITS_H
#define DISTCTL_LIMITS_H

#include "distctl/diagnosis.h"

/* Descriptors, connections that wait to be taken, ports. */
void limits_check(struct diagnosis *diagnosis);

/* Whether a program with the limits of this one can call @n_nodes. */
void limits_check_nodes(struct diagnosis *diagnosis, size_t n_nodes);

#endif
