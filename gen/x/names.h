/* The C names that rpcgen and distgen derive from an .x file's. */
#ifndef X_NAMES_H
#define X_NAMES_H

#include "x/spec.h"

/* "ARITH_SUM" and the version's "1", as written, give "arith_sum_1". */
const char *dist_name_of_version(struct dist_arena *arena, const char *name,
                                 const struct dist_spec_value *version);

/* "quad_t", "struct foo", "char *": what rpcgen declares for a plain @type. */
const char *dist_name_of_c_type(struct dist_arena *arena,
                                const struct dist_spec_type *type);

/*
 * What a result of @type is, as rpcgen's stubs point at it: the C type, and for an
 * array of fixed length, its element's.
 */
const char *dist_name_of_result(struct dist_arena *arena, const struct dist_spec *spec,
                                const struct dist_spec_type *type);

/* "xdr_quad_t": the routine rpcgen uses for a procedure's result of this type. */
const char *dist_name_of_xdr(struct dist_arena *arena,
                             const struct dist_spec_type *type);

#endif
