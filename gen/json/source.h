/*
 * A JSON text as jansson reads it, and what jansson does not keep: numbers as they were
 * written, so that 64 bits stay exact, and where in the text a value is.
 */
#ifndef JSON_SOURCE_H
#define JSON_SOURCE_H

#include "json/place.h"

#include <jansson.h>

struct dist_json_source {
	const char *text; /* borrowed */
	size_t length;
	/*
	 * The tree. Each number in it is a json_real() whose value is where in the text
	 * the number begins: see dist_json_number_text().
	 */
	json_t *root;
};

/* False: it is no JSON, or an object has a name twice; @ret_failure says where. */
bool dist_json_source_open(struct dist_json_source *source, const char *text,
                           size_t length, struct dist_json_failure *ret_failure);

void dist_json_source_close(struct dist_json_source *source);

/* A number as it was written: its first character, and how many they are. */
const char *dist_json_number_text(const struct dist_json_source *source,
                                  const json_t *number, size_t *ret_length);

/* Where the value at @step begins, or the last one on the way that is there. From 1. */
void dist_json_source_locate(const struct dist_json_source *source,
                             const struct dist_json_step *step, unsigned *ret_line,
                             unsigned *ret_column);

#endif
