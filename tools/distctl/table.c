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

void
table_widths(const struct table *table, size_t *ret_widths)
{
	for (size_t i = 0; i < table->n_columns; i++)
		ret_widths[i] = column_width(table, i);
}

/* --- Lines that are cut ------------------------------------------------------------ */

/* How many columns there is room for, the first one being @first wide. */
static size_t
n_fitting(const struct table *table, const size_t *widths, size_t first,
          size_t max_width)
{
	size_t width = first, n = 1;

	while (n < table->n_columns && width + 2 + widths[n] <= max_width)
		width += 2 + widths[n++];
	return n;
}

/* How wide the first column is among @n of them. */
static size_t
first_width(const size_t *widths, size_t n, size_t max_width)
{
	size_t others = 0;

	for (size_t i = 1; i < n; i++)
		others += 2 + widths[i];
	if (others + widths[0] <= max_width)
		return widths[0];
	return others < max_width ? max_width - others : 0;
}

/* @text in just @width columns, or its begin. */
static void
put_cell(FILE *stream, const char *text, size_t width, bool to_the_right)
{
	int padding = (int)width - (int)text_width(text);

	if (padding < 0)
		fprintf(stream, "%.*s", (int)text_bytes(text, width), text);
	else if (to_the_right)
		fprintf(stream, "%*s%s", padding, "", text);
	else
		fprintf(stream, "%s%*s", text, padding, "");
}

char *
table_line(const struct table *table, size_t line, const size_t *widths,
           size_t max_width)
{
	size_t first = widths[0] < TABLE_FIRST_MIN ? widths[0] : TABLE_FIRST_MIN;
	size_t n = n_fitting(table, widths, first, max_width), size;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *cell = line == 0
		                           ? table->columns[i].title
		                           : table->cells[(line - 1) * table->n_columns + i];

		fputs(i > 0 ? "  " : "", stream);
		put_cell(stream, cell,
		         i > 0 ? widths[i] : first_width(widths, n, max_width),
		         table->columns[i].number);
	}
	if (!fclose(stream))
		return text;
	free(text);
	return NULL;
}

/* --- All of it --------------------------------------------------------------------- */

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
