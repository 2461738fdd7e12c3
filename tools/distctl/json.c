/* JSON to stdout; see json.h. */
#include "distctl/json.h"

#include "distctl/text.h"
#include "program/options.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool lost; /* there was no memory for a part */

json_t *
json_text(const char *text)
{
	char *clean;
	json_t *json;

	if (!text || !*text)
		return json_null();
	clean = text_clean(text);
	json = clean ? json_string(clean) : NULL;
	free(clean);
	return json;
}

json_t *
json_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

void
json_put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		lost = true;
}

void
json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		lost = true;
}

int
json_check(void)
{
	return lost ? program_fail("out of memory") : PROGRAM_DONE;
}

/* Taken. Writing takes memory too, and what there was not enough for is no JSON. */
static int
dump(json_t *value, size_t flags)
{
	int status = json_check();

	if (!status && json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(6)) &&
	    !ferror(stdout))
		status = program_fail("out of memory");
	if (!status)
		putchar('\n');
	json_decref(value);
	return status;
}

int
json_print_line(json_t *value)
{
	int status = dump(value, JSON_COMPACT);

	if (!status && fflush(stdout))
		return program_fail("cannot write to standard output: %s",
		                    strerror(errno));
	return status;
}

int
json_print(const char *name, json_t *array)
{
	json_t *object = json_object();

	json_put(object, name, array);
	return dump(object, JSON_INDENT(2));
}

int
json_print_with(json_t *object, const char *name, const char *value)
{
	char *text = lost ? NULL
	                  : json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	char *end = text ? strrchr(text, '\n') : NULL;

	json_decref(object);
	if (!end) {
		free(text);
		return program_fail("out of memory");
	}
	printf("%.*s,\n  \"%s\": %s\n}\n", (int)(end - text), text, name, value);
	free(text);
	return PROGRAM_DONE;
}
