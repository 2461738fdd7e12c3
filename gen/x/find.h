/* Procedures of an interface, by what people call them. */
#ifndef X_FIND_H
#define X_FIND_H

#include "x/spec.h"

struct dist_spec_found {
	const struct dist_spec_definition *program;
	const struct dist_spec_version *version;
	const struct dist_spec_procedure *procedure;
};

/* A name or a number, a part of a longer text. */
struct dist_spec_part {
	const char *text; /* NULL: any */
	size_t length;
};

/* Whether it is that name, or that number. */
bool dist_spec_part_is(const struct dist_spec_part *part, const char *name,
                       const struct dist_spec_value *number);

struct dist_spec_way {
	struct dist_spec_part program, version, procedure;
};

/*
 * "ARITH_SUM", "ARITH_PROG/ARITH_SUM" or "ARITH_PROG/1/ARITH_SUM", which is borrowed.
 * False: it is none of these.
 */
bool dist_spec_way_of(const char *name, struct dist_spec_way *ret_way);

/*
 * Call @fn for each procedure called @name, as above; NULL: for all there are. Returns
 * how many that was.
 */
typedef void dist_spec_found_fn(const struct dist_spec_found *found, void *arg);
size_t dist_spec_find_procedures(const struct dist_spec *spec, const char *name,
                                 dist_spec_found_fn *fn, void *arg);

#endif
