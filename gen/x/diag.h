/*
 * What is said of an .x file: one line each, as compilers have them, so that editors
 * jump to the place: "FILE:LINE: error: ...".
 */
#ifndef X_DIAG_H
#define X_DIAG_H

#include "x/spec.h"

#include <stdio.h>

struct dist_diag {
	FILE *stream;
	bool no_warnings;
	bool errors_warn; /* errors are told as warnings, though counted as what they
	                     are */
	unsigned n_errors;
	unsigned n_warnings;
};

/* @where with .file NULL: about the program itself, "distgen: error: ...". */
void dist_diag_error(struct dist_diag *diag, struct dist_spec_where where,
                     const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
void dist_diag_warning(struct dist_diag *diag, struct dist_spec_where where,
                       const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));

/* About the program itself, or a file that is no source: "distgen: error: ...". */
#define dist_diag_fail(diag, ...) \
	dist_diag_error(diag, (struct dist_spec_where){ NULL, 0 }, __VA_ARGS__)

#endif
