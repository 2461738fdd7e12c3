/* JSON as it is written: text that grows, up to a limit. */
#ifndef JSON_WRITER_H
#define JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dist_json_writer {
	char *text;
	size_t length, room;
	size_t max;     /* bytes of text */
	bool too_long;  /* it would have been longer */
	bool no_memory; /* to be looked at when one of these has given false */
};

bool dist_json_write(struct dist_json_writer *writer, const char *text, size_t length);
bool dist_json_print(struct dist_json_writer *writer, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/*
 * A string, if the bytes are UTF-8 without a NUL; else {"base64": "..."}. What could
 * steer a terminal is escaped.
 */
bool dist_json_write_string(struct dist_json_writer *writer, const uint8_t *bytes,
                            size_t length);
bool dist_json_write_base64(struct dist_json_writer *writer, const uint8_t *bytes,
                            size_t length);

/* So many digits that it reads back as the same; in quotes what is no number. */
bool dist_json_write_float(struct dist_json_writer *writer, float value);
bool dist_json_write_double(struct dist_json_writer *writer, double value);

#endif
