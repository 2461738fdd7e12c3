/* Procedures of an interface, by what people call them. */
#ifndef X_FIND_H
#define X_FIND_H

#include "x/spec.h"

struct dist_spec_found {
	const struct dist_spec_definition *program;
	const struct dist_spec_version *version;
	const struct dist_spec_procedure *procedure;
};

/*
 * Call @fn for each procedure called @name: "ARITH_SUM", or "ARITH_PROG/1/ARITH_SUM",
 * each part a name or a number; NULL: for all there are. Returns how many that was.
 */
typedef void dist_spec_found_fn(const struct dist_spec_found *found, void *arg);
size_t dist_spec_find_procedures(const struct dist_spec *spec, const char *name,
                                 dist_spec_found_fn *fn, void *arg);

#endif
