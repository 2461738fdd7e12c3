/* The C that distgen adds to rpcgen's: pieces of text, written to streams. */
#ifndef DISTGEN_EMIT_H
#define DISTGEN_EMIT_H

#include "x/spec.h"

#include <stdio.h>

/* For NAME.h: dispatchers, services and typed replies. */
void dist_emit_declarations(FILE *out, struct dist_arena *arena,
                            const struct dist_spec *spec);

/*
 * NAME_dist.c as a whole; @base is NAME, @text what the services carry of their
 * interface, NULL: nothing.
 */
void dist_emit_service(FILE *out, struct dist_arena *arena,
                       const struct dist_spec *spec, const char *base,
                       const char *text);

#endif
