/* A whole .x file: preprocessed and parsed. What check.h has to say of it comes after.
 */
#ifndef X_READ_H
#define X_READ_H

#include "x/preprocess.h"

/*
 * Read the file that @how names into @spec, which is initialised here and to be
 * fini()ed whatever comes out. False: @diag was told. It starts a program, see
 * preprocess.h.
 */
bool dist_spec_read(struct dist_spec *spec, struct dist_diag *diag,
                    const struct dist_preprocess *how);

#endif
