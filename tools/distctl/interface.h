/* The .x file that a command is about. */
#ifndef DISTCTL_INTERFACE_H
#define DISTCTL_INTERFACE_H

#include "distctl/config.h"
#include "x/find.h"

#include <rpc/rpc.h>

/*
 * Read it as distgen does, but warn of what that refuses. An exit status: unless it is
 * 0, what is wrong is on stderr. In any case dist_spec_fini() it. To be called before
 * any thread is started.
 */
int interface_read(struct dist_spec *spec, const char *file,
                   const struct config *config);

/* A procedure, and the numbers that it is called by. */
struct procedure {
	struct dist_spec_found found;
	rpcprog_t prog;
	rpcvers_t vers;
	rpcproc_t proc;
};

/* Fill in the numbers of what was found. An exit status, with a sentence unless it is 0. */
int interface_number(struct procedure *procedure);

/* The one called @name, see x/find.h. An exit status, with a sentence unless it is 0.
 */
int interface_find(struct procedure *ret_procedure, const struct dist_spec *spec,
                   const char *name);

#endif
