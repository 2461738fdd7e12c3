/*
 * An interface as text for others than its author: what its programs carry with them, so
 * that they can be called without the file.
 */
#ifndef X_TEXT_H
#define X_TEXT_H

#include "x/spec.h"

/* Longer ones are carried by nobody, and taken from nobody. */
#define DIST_SPEC_TEXT_MAX ((size_t)262144)

/*
 * What dist_spec_read() has read without an error, as a parser needs it: without comments,
 * % lines and blank space, and with the names of files, but not where these lie. In the
 * spec's arena, with a NUL behind; NULL with errno: there is no memory.
 */
const char *dist_spec_text(struct dist_spec *spec, size_t *ret_length);

#endif
