/*
 * Structs of options travel with their size, so that they can grow: a program built with
 * an older header gives fewer bytes than we know, one built with a newer header more.
 */
#ifndef DIST_BASE_OPTIONS_H
#define DIST_BASE_OPTIONS_H

#include <dist/error.h>
#include <dist/macros.h>
#include <stddef.h>

/*
 * Copy options of @from_size bytes, NULL for none, to our own of @to_size. What was not
 * given is zero, the default. DIST_EINVAL: given bytes that we do not know are not zero,
 * so the program asks for what this library cannot do.
 */
enum dist_err dist_options_copy(void *to, size_t to_size, const void *from,
                                size_t from_size) DIST_MUST_CHECK;

#endif
