/*
 * A .x file through the C preprocessor that rpcgen runs, with the macro that rpcgen
 * defines for headers.
 */
#ifndef X_PREPROCESS_H
#define X_PREPROCESS_H

#include "x/diag.h"

#include <stddef.h>

struct dist_preprocess {
	const char *source;         /* FILE.x, as the user named it */
	const char *const *defines; /* "NAME=VALUE" of -D */
	size_t n_defines;
	const char *const *includes; /* directories of -I */
	size_t n_includes;
};

/*
 * What the parser reads, with a NUL behind, in @arena; NULL: failed, and @diag was
 * told. It starts a program, with fork(), so no other thread should run yet.
 */
char *dist_preprocess(struct dist_arena *arena, struct dist_diag *diag,
                      const struct dist_preprocess *how, size_t *ret_length);

#endif
