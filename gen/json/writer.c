#include "json/writer.h"

#include "json/base64.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for @length bytes and a NUL; NULL: there is none. */
static char *
reserve(struct dist_json_writer *writer, size_t length)
{
	size_t room = writer->room ? writer->room : 64;
	char *text;

	if (length > writer->max - writer->length) {
		writer->too_long = true;
		return NULL;
	}
	while (room - writer->length <= length)
		room *= 2;
	if (room > writer->room) {
		text = realloc(writer->text, room);
		if (!text) {
			writer->no_memory = true;
			return NULL;
		}
		writer->text = text;
		writer->room = room;
	}
	return writer->text + writer->length;
}

bool
dist_json_write(struct dist_json_writer *writer, const char *text, size_t length)
{
	char *at = reserve(writer, length);

	if (!at)
		return false;
	memcpy(at, text, length);
	at[length] = '\0';
	writer->length += length;
	return true;
}

bool
dist_json_print(struct dist_json_writer *writer, const char *format, ...)
{
	char text[512];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(text)) {
		writer->too_long = true;
		return false;
	}
	return dist_json_write(writer, text, (size_t)length);
}

/* jansson knows UTF-8: it makes no string of anything else. */
static bool
is_text(const uint8_t *bytes, size_t length)
{
	json_t *string;

	if (memchr(bytes, '\0', length))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] < 0x80)
			continue;
		string = json_stringn((const char *)bytes, length);
		json_decref(string);
		return string != NULL;
	}
	return true;
}

/* The bytes of a character that is written as an escape; 0: it stands for itself. */
static size_t
escape(const uint8_t *at, char ret_text[8])
{
	/* U+0080 to U+009F are control characters, too. */
	bool upper = at[0] == 0xc2 && at[1] < 0xa0;
	unsigned code = upper ? at[1] : at[0];

	if (at[0] == '"' || at[0] == '\\')
		snprintf(ret_text, 8, "\\%c", at[0]);
	else if (at[0] == '\n')
		snprintf(ret_text, 8, "\\n");
	else if (at[0] == '\t')
		snprintf(ret_text, 8, "\\t");
	else if (at[0] < 0x20 || at[0] == 0x7f || upper)
		snprintf(ret_text, 8, "\\u%04x", code);
	else
		return 0;
	return upper ? 2 : 1;
}

bool
dist_json_write_string(struct dist_json_writer *writer, const uint8_t *bytes,
                       size_t length)
{
	const uint8_t *plain = bytes, *at = bytes, *end = bytes + length;
	char text[8];
	bool done;

	if (!is_text(bytes, length))
		return dist_json_write(writer, "{\"base64\":", 10) &&
		       dist_json_write_base64(writer, bytes, length) &&
		       dist_json_write(writer, "}", 1);
	done = dist_json_write(writer, "\"", 1);
	while (done && at < end) {
		size_t escaped = escape(at, text);

		if (escaped == 0) {
			at++;
			continue;
		}
		done = dist_json_write(writer, (const char *)plain,
		                       (size_t)(at - plain)) &&
		       dist_json_write(writer, text, strlen(text));
		at += escaped;
		plain = at;
	}
	return done &&
	       dist_json_write(writer, (const char *)plain, (size_t)(end - plain)) &&
	       dist_json_write(writer, "\"", 1);
}

bool
dist_json_write_base64(struct dist_json_writer *writer, const uint8_t *bytes,
                       size_t length)
{
	size_t n = length / 3 + (length % 3 != 0);
	char *at;

	if (n > (writer->max - writer->length) / 4) {
		writer->too_long = true;
		return false;
	}
	at = reserve(writer, 4 * n + 2);
	if (!at)
		return false;
	*at++ = '"';
	for (size_t i = 0; i < length; i += 3, at += 4)
		dist_base64_encode(bytes + i, length - i, at);
	*at++ = '"';
	*at = '\0';
	writer->length += 4 * n + 2;
	return true;
}

/* Whether it was no number, and is written. */
static bool
write_no_number(struct dist_json_writer *writer, double value, bool *ret_done)
{
	if (isfinite(value))
		return false;
	*ret_done = dist_json_print(writer, "\"%s\"",
	                            isnan(value) ? "NaN"
	                            : value > 0  ? "Infinity"
	                                         : "-Infinity");
	return true;
}

bool
dist_json_write_float(struct dist_json_writer *writer, float value)
{
	char text[32];
	bool done;

	if (write_no_number(writer, (double)value, &done))
		return done;
	/* FLT_DIG digits may do, FLT_DECIMAL_DIG always do. */
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value)
			break;
	}
	return dist_json_write(writer, text, strlen(text));
}

bool
dist_json_write_double(struct dist_json_writer *writer, double value)
{
	char text[32];
	bool done;

	if (write_no_number(writer, value, &done))
		return done;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return dist_json_write(writer, text, strlen(text));
}
