/* Values there and back, in one line that a table can hold. */
#ifndef UNIT_JSON_ROWS_H
#define UNIT_JSON_ROWS_H

#include "support/check.h"

#include "json/convert.h"
#include "x/diag.h"

/*
 * @definitions define, as the file t.x, a type t that both an argument and the result
 * of the procedure T_ECHO are. To be spec_fini()ed.
 */
void spec_of(struct dist_spec *spec, const char *definitions);

const struct dist_spec_procedure *spec_procedure(const struct dist_spec *spec);

/*
 * The bytes of the argument that @json, an array, holds, in hexadecimal, a blank after
 * each word; or what is wrong: "LINE:COLUMN PATH: sentence (FILE:LINE)". free() it.
 */
char *encoded(const char *definitions, const char *json);

/* The JSON of a value of type t, or "byte N PATH: sentence (FILE:LINE)". */
char *decoded(const char *definitions, const char *hex);

/* JSON through bytes to JSON; what is wrong with the first step. */
char *there_and_back(const char *definitions, const char *json);

/* What one of these makes of @from. */
struct row {
	const char *definitions, *from, *to;
};

void check_rows(char *(*function)(const char *, const char *), const struct row *rows,
                size_t n_rows);

#define CHECK_ROWS(function, rows) \
	check_rows((function), (rows), sizeof(rows) / sizeof((rows)[0]))

#endif
