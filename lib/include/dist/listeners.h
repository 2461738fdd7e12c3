/*
 * Sockets that listen before anything is served.
 *
 * For a program that binds its port while it is root, and serves as somebody else. Nodes
 * and masters that have no such need listen by themselves.
 */
#ifndef DIST_LISTENERS_H
#define DIST_LISTENERS_H

#include <dist/error.h>
#include <dist/macros.h>

DIST_BEGIN_DECLS

struct dist_listeners;

/*
 * Bind and listen, for the .listeners of struct dist_node_options or struct
 * dist_master_options.
 *
 * @ret_listeners  given: dist_listeners_free() it. Untouched on failure.
 * @listen         as .listen there; NULL: 127.0.0.1 and ::1.
 * @default_port   where @listen names no port; 0: any free one.
 *
 * It starts no thread and reads nothing: callers get connected from now on, and what
 * they send waits in the system until a node or master is started on these sockets.
 * When all that have them are gone, such callers see their connections reset.
 *
 * DIST_EADDRESS; DIST_EADDRINUSE and DIST_ESYSTEM (the text names the address and what
 * to try); DIST_ENOMEM.
 */
DIST_PUBLIC enum dist_err dist_listeners_new(struct dist_listeners **ret_listeners,
                                             const char *listen, unsigned default_port)
	DIST_MUST_CHECK;

/* Nodes and masters that were started on them keep theirs. Taken; NULL is nothing. */
DIST_PUBLIC void dist_listeners_free(struct dist_listeners *listeners);

DIST_END_DECLS

#endif
