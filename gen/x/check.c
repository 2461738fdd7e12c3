#include "x/check.h"

#include <stdlib.h>
#include <string.h>

static int
value_compare(const struct dist_spec_value *a, const struct dist_spec_value *b)
{
	if (a->known != b->known)
		return a->known ? -1 : 1;
	if (!a->known)
		return strcmp(a->text, b->text);
	if (a->magnitude != b->magnitude)
		return a->magnitude < b->magnitude ? -1 : 1;
	return !a->magnitude ? 0 : (int)a->negative - (int)b->negative;
}

static int
number_compare(const void *left, const void *right)
{
	const struct dist_check_number *a = left, *b = right;
	int order = value_compare(a->value, b->value);

	if (order)
		return order;
	return (a->where.line > b->where.line) - (a->where.line < b->where.line);
}

void
dist_check_number_add(struct dist_check_numbers *numbers,
                      const struct dist_spec_value *value, struct dist_spec_where where)
{
	if (numbers->n_items == numbers->room) {
		struct dist_check_number *items;

		numbers->room = numbers->room ? 2 * numbers->room : 16;
		items = dist_arena_alloc(&numbers->arena,
		                         numbers->room * sizeof(*items));
		if (numbers->n_items)
			memcpy(items, numbers->items,
			       numbers->n_items * sizeof(*items));
		numbers->items = items;
	}
	numbers->items[numbers->n_items++] = (struct dist_check_number){ value, where };
}

void
dist_check_distinct(struct dist_diag *diag, struct dist_check_numbers *numbers,
                    const char *what)
{
	const struct dist_check_number *one = numbers->items;

	if (numbers->n_items)
		qsort(numbers->items, numbers->n_items, sizeof(*numbers->items),
		      number_compare);
	for (size_t i = 1; i < numbers->n_items; i++) {
		if (value_compare(one[i].value, one[i - 1].value) == 0)
			dist_diag_error(diag, one[i].where,
			                "%s %s is there already, in line %u", what,
			                one[i].value->text, one[i - 1].where.line);
	}
	dist_arena_fini(&numbers->arena);
	*numbers = (struct dist_check_numbers){ 0 };
}

bool
dist_spec_check(const struct dist_spec *spec, struct dist_diag *diag)
{
	dist_check_types(spec, diag);
	dist_check_programs(spec, diag);
	/* Numbers that are there twice make names that are so too: tell it once. */
	if (diag->n_errors == 0)
		dist_check_names(spec, diag);
	if (diag->n_errors == 0) {
		dist_check_habits(spec, diag);
		dist_check_cxx(spec, diag);
	}
	return diag->n_errors == 0;
}
