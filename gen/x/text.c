/*
 * The text is scanned once more, and its tokens are written. They stay in the lines that
 * they were in, or line markers say where they come from, so that a message about a type
 * points into the author's file.
 */
#include "x/text.h"

#include "x/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many empty lines are shorter than a marker. */
#define EMPTY_LINES_MAX 8

/* A line may get longer than in the file, and the scanner wants no word at its 1023rd byte. */
#define COLUMNS_MAX 1000

struct writer {
	FILE *out;
	struct dist_spec_where where; /* of the line that is written; .file NULL: none */
	struct dist_token before;     /* in that line; .text NULL: none */
	size_t column;
};

/* Its name, without the directories that it lies in. */
static const char *
base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

/* Whether a reader of what is written takes both for one file: it sees the names alone. */
static bool
is_same_file(const char *one, const char *other)
{
	return one && (one == other || strcmp(base_name(one), base_name(other)) == 0);
}

static void
write_line_start(struct writer *writer, struct dist_spec_where where)
{
	unsigned line = writer->where.line;

	if (is_same_file(writer->where.file, where.file) && line < where.line &&
	    where.line - line <= EMPTY_LINES_MAX) {
		for (; line < where.line; line++)
			fputc('\n', writer->out);
	} else {
		fprintf(writer->out, "%s# %u \"%s\"\n", writer->where.file ? "\n" : "",
		        where.line, base_name(where.file));
	}
	writer->where = where;
	writer->before.text = NULL;
	writer->column = 0;
}

/* Most tokens are parted from the next, though not all of them need to be. */
static bool
is_parted(const char *before, const char *token)
{
	return !strchr("([<*", *before) && !strchr(";,:()[]<>", *token);
}

static void
write_token(struct writer *writer, struct dist_token token)
{
	bool is_full = writer->column > 0 &&
	               writer->column + 1 + strlen(token.text) > COLUMNS_MAX;
	const char *before;

	if (!is_same_file(writer->where.file, token.where.file) ||
	    writer->where.line != token.where.line || is_full)
		write_line_start(writer, token.where);
	before = writer->before.text;
	writer->column += (size_t)fprintf(
		writer->out, "%s%s", before && is_parted(before, token.text) ? " " : "",
		token.text);
	writer->before = token;
}

static void
write_tokens(FILE *out, const struct dist_spec *spec)
{
	struct writer writer = { .out = out };
	struct dist_diag diag = { .stream = stderr };
	struct dist_spec scanned;
	struct dist_scan scan;
	struct dist_token token;

	dist_spec_init(&scanned, spec->file);
	dist_scan_init(&scan, &scanned, &diag, spec->text, spec->length);
	while ((token = dist_scan_next(&scan)).kind != DIST_TOKEN_END)
		write_token(&writer, token);
	fputc('\n', out);
	dist_spec_fini(&scanned);
}

const char *
dist_spec_text(struct dist_spec *spec, size_t *ret_length)
{
	char *text = NULL, *copy = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	write_tokens(out, spec);
	if (fclose(out) == 0) {
		copy = dist_arena_copy(&spec->arena, text, length);
		*ret_length = length;
	}
	free(text);
	return copy;
}
