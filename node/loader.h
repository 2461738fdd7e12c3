/*
 * Modules: shared objects whose services come on offer when they are loaded (distgen's
 * NAME_dist.c sees to it; dist_service_each() lists them).
 *
 * A module may have two functions, both optional:
 *
 *	int dist_module_init(void);    after loading; not 0: it cannot serve
 *	void dist_module_fini(void);   after the last call, if init went well
 */
#ifndef NODE_LOADER_H
#define NODE_LOADER_H

#include <dist/macros.h>
#include <stdbool.h>
#include <stddef.h>

struct module {
	const char *name;   /* as on the command line, borrowed */
	void (*fini)(void); /* NULL: it has none */
};

struct modules {
	struct module *list;
	size_t n;
};

/*
 * Load each of @names, in their order. False, with a sentence on stderr: one does not
 * load, refuses, or has no services; those before it are loaded, modules_fini() them.
 */
bool modules_load(struct modules *modules, char *const *names, size_t n_names)
	DIST_MUST_CHECK;

/*
 * Call their dist_module_fini(), the last loaded first. They stay in memory: threads of
 * theirs may still run.
 */
void modules_fini(struct modules *modules);

#endif
