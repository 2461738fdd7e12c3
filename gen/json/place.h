/* Where in a value we are, and what is told when it is wrong there. */
#ifndef JSON_PLACE_H
#define JSON_PLACE_H

#include "json/convert.h"

/* A way down from the whole value, on the stack: each step knows the one above it. */
struct dist_json_step {
	const struct dist_json_step *up; /* NULL: this is the whole value */
	const char *member;              /* NULL: an element of an array */
	size_t index;
};

/* A value in the type that declares it. */
struct dist_json_place {
	const struct dist_json_step *step;
	unsigned depth; /* types it is in */
};

/*
 * Fill in path, @where and the sentence. The first failure is the one that counts.
 * Always false, to be returned.
 */
bool dist_json_fail(struct dist_json_failure *failure,
                    const struct dist_json_step *step, struct dist_spec_where where,
                    const char *format, ...)
	__attribute__((__format__(__printf__, 4, 5)));

bool dist_json_fail_memory(struct dist_json_failure *failure);

#endif
