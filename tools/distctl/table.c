/* A table for people; see table.h. */
#include "distctl/table.h"

#include "distctl/text.h"
#include "program/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
table_init(struct table *table, const struct table_column *columns, size_t n_columns)
{
	memset(table, 0, sizeof(*table));
	table->columns = columns;
	table->n_columns = n_columns;
}

static void
add_cell(struct table *table, const char *text)
{
	char **cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
	char *clean = text_clean(text);

	if (cells)
		table->cells = cells;
	if (!cells || !clean) {
		table->failed = true;
		free(clean);
		return;
	}
	cells[table->n_cells++] = clean;
}

void
table_add(struct table *table, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		table->failed = true;
		return;
	}
	add_cell(table, text);
	free(text);
}

static size_t
column_width(const struct table *table, size_t column)
{
	size_t width = strlen(table->columns[column].title);

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t cell = text_width(table->cells[i]);

		width = cell > width ? cell : width;
	}
	return width;
}

/* The last column is not padded, so that no line ends in spaces. */
static void
print_cell(const struct table *table, size_t column, const char *text, size_t width)
{
	bool last = column + 1 == table->n_columns;
	int padding = (int)(width - text_width(text));

	if (table->columns[column].number)
		printf("%*s%s%s", padding, "", text, last ? "\n" : "  ");
	else if (last)
		printf("%s\n", text);
	else
		printf("%s%*s  ", text, padding, "");
}

int
table_print(const struct table *table)
{
	size_t *widths = calloc(table->n_columns, sizeof(*widths));

	if (!widths || table->failed) {
		free(widths);
		return program_fail("out of memory");
	}
	for (size_t i = 0; i < table->n_columns; i++) {
		widths[i] = column_width(table, i);
		print_cell(table, i, table->columns[i].title, widths[i]);
	}
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t column = i % table->n_columns;

		print_cell(table, column, table->cells[i], widths[column]);
	}
	free(widths);
	return PROGRAM_DONE;
}

void
table_fini(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
}
