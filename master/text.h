/* A text that grows, and how strings are written in JSON and in Prometheus' format. */
#ifndef MASTER_TEXT_H
#define MASTER_TEXT_H

#include <dist/macros.h>
#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty one. Where memory ends it stays as it is, and @failed says so.
 */
struct text {
	char *data; /* ends in a zero; NULL while it is empty */
	size_t length, size;
	bool failed;
};

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) DIST_PRINTF(2, 3);

/* In quotes, as a string of JSON; what is no UTF-8 becomes U+FFFD. NULL: null. */
void text_json(struct text *text, const char *string);

/* In quotes, as the value of a label; the same. */
void text_label(struct text *text, const char *string);

/* Empty again, and its memory given back. */
void text_free(struct text *text);

#endif
