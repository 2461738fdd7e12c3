/* What rpcgen would turn into wrong C without a word, and what bites later. */
#ifndef DISTGEN_CHECK_H
#define DISTGEN_CHECK_H

#include "diag.h"

/* False: there are errors; all were told. Warnings are told too. */
bool dist_spec_check(const struct dist_spec *spec, struct dist_diag *diag);

#endif
