/* From tokens to the tree of spec.h. */
#ifndef X_PARSE_H
#define X_PARSE_H

#include "x/diag.h"

#include <stddef.h>

/*
 * Parse @text, the preprocessed .x file @file, into @spec, which is initialised and
 * fini()ed by the caller whatever comes out. Values are resolved. False: it has an
 * error, one, which @diag was told.
 */
bool dist_spec_parse(struct dist_spec *spec, struct dist_diag *diag, const char *text,
                     size_t length);

#endif
