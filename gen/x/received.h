/*
 * An interface that somebody else sent, such as a node, see text.h: no file is read and no
 * program started, and nothing that it says ends this process, or takes more than a bounded
 * time and DIST_SPEC_MEMORY_MAX.
 */
#ifndef X_RECEIVED_H
#define X_RECEIVED_H

#include "x/spec.h"

/* What the tree of DIST_SPEC_TEXT_MAX bytes takes at most, or nearly so. */
#define DIST_SPEC_MEMORY_MAX ((size_t)48 << 20)

/* A sentence, with its place; without control characters. */
#define DIST_SPEC_WHY_MAX 400

/*
 * Parse @text, of @length bytes, into @spec, which is initialised here and to be fini()ed
 * whatever comes out.
 *
 * @name     what it is called in messages; borrowed for as long as the spec.
 * @ret_why  why not, if so.
 *
 * dist_spec_check() is not done: it is for those who make C of it.
 */
bool dist_spec_receive(struct dist_spec *spec, const char *name, const char *text,
                       size_t length, char ret_why[DIST_SPEC_WHY_MAX]);

/* A version of a program, and where it is defined. */
struct dist_spec_served {
	const struct dist_spec_definition *program;
	const struct dist_spec_version *version;
};

/* The one with these numbers, which it was asked for by. False: it is not there. */
bool dist_spec_find_served(const struct dist_spec *spec, uint32_t prog, uint32_t vers,
                           struct dist_spec_served *ret_served);

#endif
