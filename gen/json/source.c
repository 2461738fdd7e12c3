/*
 * jansson makes long long or double of a number, neither of which holds 2^64 - 1. So it
 * is told to make doubles of all, and these are replaced by offsets into the text:
 * arrays and objects keep the order of the text, and so the numbers of the tree and
 * those of the text are the same, one after the other.
 *
 * All that walks over the text itself relies on its being JSON, as jansson has found.
 */
#include "json/source.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Behind the string that begins at @at. */
static const char *
skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at))
		at++;
	return at;
}

/* Behind the value that begins at @at. */
static const char *
skip_value(const char *at, const char *end)
{
	size_t depth = 0;

	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		if (strchr("[{", *at)) {
			depth++;
		} else if (strchr("]}", *at)) {
			if (depth == 0)
				return at;
			depth--;
		} else if (depth == 0 && strchr(", \t\r\n", *at)) {
			return at;
		}
		at++;
	} while (at < end && (depth > 0 || !strchr(",]} \t\r\n", *at)));
	return at;
}

static size_t
number_length(const char *at, const char *end)
{
	size_t length = 0;

	while (at + length < end &&
	       (isdigit((unsigned char)at[length]) || strchr("+-.eE", at[length])) &&
	       at[length])
		length++;
	return length;
}

/* The first number at or behind @at. */
static const char *
find_number(const char *at)
{
	while (*at != '-' && !isdigit((unsigned char)*at))
		at = *at == '"' ? skip_string(at) : at + 1;
	return at;
}

/* How deep it recurses is bounded by jansson's parser. */
static const char *
place_numbers(const struct dist_json_source *source, json_t *json, const char *at)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_real(json)) {
		at = find_number(at);
		json_real_set(json, (double)(at - source->text));
		return at + number_length(at, source->text + source->length);
	}
	json_array_foreach(json, i, value) at = place_numbers(source, value, at);
	if (!json_is_object(json))
		return at;
	json_object_foreach(json, name, value)
	{
		at = place_numbers(source, value, at);
	}
	return at;
}

bool
dist_json_source_open(struct dist_json_source *source, const char *text, size_t length,
                      struct dist_json_failure *ret_failure)
{
	json_error_t error;

	*source = (struct dist_json_source){ .text = text, .length = length };
	source->root = json_loadb(text, length,
	                          JSON_REJECT_DUPLICATES | JSON_DECODE_ANY |
	                                  JSON_DECODE_INT_AS_REAL,
	                          &error);
	if (source->root) {
		place_numbers(source, source->root, text);
		return true;
	}
	/* Not everywhere does it say what it lacked. */
	if (json_error_code(&error) == json_error_out_of_memory || !*error.text)
		return dist_json_fail_memory(ret_failure);
	if (skip_blanks(text, text + length) == text + length) {
		ret_failure->line = ret_failure->column = 1;
		snprintf(ret_failure->what, sizeof(ret_failure->what),
		         "there is none; what it takes is an array, as in [1, 2]");
		return false;
	}
	ret_failure->line = error.line > 0 ? (unsigned)error.line : 1;
	ret_failure->column = error.column > 0 ? (unsigned)error.column : 1;
	snprintf(ret_failure->what, sizeof(ret_failure->what), "%s",
	         json_error_code(&error) == json_error_null_character
	                 ? "a string has no \\u0000: C would end there"
	                 : error.text);
	return false;
}

void
dist_json_source_close(struct dist_json_source *source)
{
	json_decref(source->root);
	source->root = NULL;
}

const char *
dist_json_number_text(const struct dist_json_source *source, const json_t *number,
                      size_t *ret_length)
{
	const char *at = source->text + (size_t)json_real_value(number);

	*ret_length = number_length(at, source->text + source->length);
	return at;
}

/* From '[' to the element; NULL: there is none. */
static const char *
enter_array(const char *at, const char *end, size_t index)
{
	if (*at != '[')
		return NULL;
	for (at = skip_blanks(at + 1, end); *at != ']';) {
		if (index-- == 0)
			return at;
		at = skip_blanks(skip_value(at, end), end);
		if (*at == ',')
			at = skip_blanks(at + 1, end);
	}
	return NULL;
}

/* From '{' to the value of that name; NULL: there is none that is written so. */
static const char *
enter_object(const char *at, const char *end, const char *name)
{
	if (*at != '{')
		return NULL;
	for (at = skip_blanks(at + 1, end); *at != '}';) {
		const char *quote = skip_string(at);
		bool found = (size_t)(quote - at) == strlen(name) + 2 &&
		             memcmp(at + 1, name, strlen(name)) == 0;

		at = skip_blanks(skip_blanks(quote, end) + 1, end);
		if (found)
			return at;
		at = skip_blanks(skip_value(at, end), end);
		if (*at == ',')
			at = skip_blanks(at + 1, end);
	}
	return NULL;
}

/* NULL: it is not there; *@ret_last is the last value on the way that is. */
static const char *
find_value(const struct dist_json_source *source, const struct dist_json_step *step,
           const char **ret_last)
{
	const char *at, *end = source->text + source->length;

	if (!step->up) {
		*ret_last = skip_blanks(source->text, end);
		return *ret_last;
	}
	at = find_value(source, step->up, ret_last);
	if (at && step->member)
		at = enter_object(at, end, step->member);
	else if (at)
		at = enter_array(at, end, step->index);
	if (at)
		*ret_last = at;
	return at;
}

void
dist_json_source_locate(const struct dist_json_source *source,
                        const struct dist_json_step *step, unsigned *ret_line,
                        unsigned *ret_column)
{
	const char *found, *at;
	unsigned line = 1, column = 1;

	find_value(source, step, &found);
	for (at = source->text; at < found; at++) {
		if (*at == '\n') {
			line++;
			column = 1;
		} else if ((*at & 0xc0) != 0x80) { /* characters, not bytes */
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}
