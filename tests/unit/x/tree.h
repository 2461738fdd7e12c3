/* A parsed interface as text that a table can hold. */
#ifndef UNIT_X_TREE_H
#define UNIT_X_TREE_H

#include "support/check.h"

#include "x/diag.h"
#include "x/parse.h"

#include <stdlib.h>
#include <string.h>

/*
 * Definitions as "kind name ...;", each followed by a newline: types in the words of
 * the .x, numbers as what they are, with '?' where they are not known. To be free()d.
 */
char *tree_print(const struct dist_spec *spec);

/*
 * Parse @text as the file t.x, and check it too if @check says so: the messages if
 * there are any, else the tree. To be free()d.
 */
char *tree_of_length(const char *text, size_t length, bool check);
char *tree_of(const char *text, bool check);

#endif
