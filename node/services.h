/* What the node serves: all that the modules offer, some of it made serial. */
#ifndef NODE_SERVICES_H
#define NODE_SERVICES_H

#include <dist/macros.h>
#include <dist/node.h>
#include <stddef.h>

struct services {
	const struct dist_service **list; /* ended by NULL, for dist_node_start() */
	struct dist_service *copies;      /* what it points to */
	size_t n;
};

/*
 * Gather what is on offer; the programs in @serial, by name or number, run one call at
 * a time. An exit status: PROGRAM_WRONG_USAGE, with a sentence on stderr, when one in
 * @serial is not on offer; PROGRAM_FAILED. In any case services_fini() it.
 */
int services_gather(struct services *services, const char *const *serial,
                    size_t n_serial) DIST_MUST_CHECK;

void services_fini(struct services *services);

#endif
