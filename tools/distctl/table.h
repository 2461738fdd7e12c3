/* A table for people: columns as wide as their widest cell, two spaces between. */
#ifndef DISTCTL_TABLE_H
#define DISTCTL_TABLE_H

#include <dist/macros.h>
#include <stdbool.h>
#include <stddef.h>

struct table_column {
	const char *title;
	bool number; /* set to the right */
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t n_columns;
	char **cells; /* row by row */
	size_t n_cells;
	bool failed; /* no memory for a cell */
};

void table_init(struct table *table, const struct table_column *columns,
                size_t n_columns);

/* The next cell, from left to right, then of the next row. Cleaned, see text.h. */
void table_add(struct table *table, const char *format, ...) DIST_PRINTF(2, 3);

/* How wide each column is, its title included. @ret_widths: one for each. */
void table_widths(const struct table *table, size_t *ret_widths);

/*
 * One line: 0 is the titles. It is at most @max_width wide: columns are left out from the
 * right until at least TABLE_FIRST_MIN of the first, which is cut, has room. Given: free()
 * it. NULL: no memory.
 */
#define TABLE_FIRST_MIN 12
char *table_line(const struct table *table, size_t line, const size_t *widths,
                 size_t max_width);

/* To stdout. Returns an exit status. */
int table_print(const struct table *table);

void table_fini(struct table *table);

#endif
