#include "json/rows.h"

#include "x/find.h"
#include "x/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 20)

/* Definitions that dist_spec_check() refuses, for other reasons, are welcome. */
void
spec_of(struct dist_spec *spec, const char *definitions)
{
	struct dist_diag diag = { .stream = stderr };
	char *text;

	assert_true(asprintf(&text,
	                     "%s\nprogram T_P { version T_V { t T_ECHO(t) = 1; } "
	                     "= 1; } = 9;",
	                     definitions) > 0);
	dist_spec_init(spec, "t.x");
	assert_true(dist_spec_parse(spec, &diag, text, strlen(text)));
	free(text);
}

static void
take_procedure(const struct dist_spec_found *found, void *arg)
{
	*(const struct dist_spec_procedure **)arg = found->procedure;
}

const struct dist_spec_procedure *
spec_procedure(const struct dist_spec *spec)
{
	const struct dist_spec_procedure *procedure = NULL;

	assert_int_equal(
		dist_spec_find_procedures(spec, "T_ECHO", take_procedure, &procedure),
		1);
	return procedure;
}

static char *
failure_text(const struct dist_json_failure *failure)
{
	char *text, *place = NULL;

	if (failure->where.file)
		assert_true(asprintf(&place, " (%s:%u)", failure->where.file,
		                     failure->where.line) > 0);
	if (failure->line)
		assert_true(asprintf(&text, "%u:%u %s%s%s%s", failure->line,
		                     failure->column, failure->path,
		                     *failure->path ? ": " : "", failure->what,
		                     place ? place : "") > 0);
	else
		assert_true(asprintf(&text, "byte %zu %s: %s%s", failure->offset,
		                     failure->path, failure->what,
		                     place ? place : "") > 0);
	free(place);
	return text;
}

static char *
hex_of(const struct dist_json_bytes *bytes)
{
	char *text = calloc(1, 3 * bytes->length + 1), *at = text;

	assert_non_null(text);
	assert_int_equal(bytes->length % 4, 0);
	for (size_t i = 0; i < bytes->length; i++)
		at += sprintf(at, "%s%02x", i > 0 && i % 4 == 0 ? " " : "",
		              (unsigned char)bytes->data[i]);
	return text;
}

static char *
encode(const struct dist_spec *spec, const char *json,
       struct dist_json_bytes *ret_bytes)
{
	struct dist_json_failure failure;
	size_t length = strlen(json);
	char *copy = malloc(length + 1), *text = NULL;

	/* Without a NUL behind it, so that a sanitizer sees who reads on. */
	assert_non_null(copy);
	memcpy(copy, json, length);
	copy = realloc(copy, length ? length : 1);
	if (!dist_json_encode_arguments(spec_procedure(spec), copy, length, ret_bytes,
	                                &failure))
		text = failure_text(&failure);
	free(copy);
	return text;
}

static char *
decode(const struct dist_spec *spec, const void *bytes, size_t length)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json;

	if (!dist_json_decode(&spec_procedure(spec)->result, bytes, length, TEXT_MAX,
	                      &json, &failure))
		return failure_text(&failure);
	assert_int_equal(strlen(json.data), json.length);
	return json.data;
}

char *
encoded(const char *definitions, const char *json)
{
	struct dist_json_bytes bytes;
	struct dist_spec spec;
	char *text;

	spec_of(&spec, definitions);
	text = encode(&spec, json, &bytes);
	if (!text) {
		text = hex_of(&bytes);
		free(bytes.data);
	}
	dist_spec_fini(&spec);
	return text;
}

char *
decoded(const char *definitions, const char *hex)
{
	uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
	struct dist_spec spec;
	size_t length = 0;
	unsigned byte;
	char *text;

	assert_non_null(bytes);
	for (; *hex; hex += 2) {
		while (*hex == ' ')
			hex++;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[length++] = (uint8_t)byte;
	}
	bytes = realloc(bytes, length ? length : 1);
	spec_of(&spec, definitions);
	text = decode(&spec, bytes, length);
	dist_spec_fini(&spec);
	free(bytes);
	return text;
}

char *
there_and_back(const char *definitions, const char *json)
{
	struct dist_json_bytes bytes;
	struct dist_spec spec;
	char *text;

	spec_of(&spec, definitions);
	text = encode(&spec, json, &bytes);
	if (!text) {
		text = decode(&spec, bytes.data, bytes.length);
		free(bytes.data);
	}
	dist_spec_fini(&spec);
	return text;
}

void
check_rows(char *(*function)(const char *, const char *), const struct row *rows,
           size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		char *to = function(rows[i].definitions, rows[i].from);

		assert_string_equal(to, rows[i].to);
		free(to);
	}
}
