/*
 * What rpcgen would turn into wrong C, without a word or with a word about C that the
 * user did not write; and what bites later. The parser has taken care of the grammar.
 */
#ifndef X_CHECK_H
#define X_CHECK_H

#include "x/diag.h"

/* False: there are errors; all were told. Warnings are told too. */
bool dist_spec_check(const struct dist_spec *spec, struct dist_diag *diag);

/* Its parts, each in a file of its own: errors, then warnings. */
void dist_check_types(const struct dist_spec *spec, struct dist_diag *diag);
void dist_check_programs(const struct dist_spec *spec, struct dist_diag *diag);
void dist_check_names(const struct dist_spec *spec, struct dist_diag *diag);
void dist_check_cxx(const struct dist_spec *spec, struct dist_diag *diag);
void dist_check_habits(const struct dist_spec *spec, struct dist_diag *diag);

struct dist_check_number {
	const struct dist_spec_value *value;
	struct dist_spec_where where;
};

/* Numbers of which no two may be the same. */
struct dist_check_numbers {
	struct dist_arena arena;
	struct dist_check_number *items;
	size_t n_items, room;
};

void dist_check_number_add(struct dist_check_numbers *numbers,
                           const struct dist_spec_value *value,
                           struct dist_spec_where where);

/* Tell of each that was there before, @what saying whose it is, and start anew. */
void dist_check_distinct(struct dist_diag *diag, struct dist_check_numbers *numbers,
                         const char *what);

#endif
