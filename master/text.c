#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for @more bytes and the zero behind them. */
static bool
text_reserve(struct text *text, size_t more)
{
	size_t size = text->size ? text->size : 256;
	char *data;

	if (text->failed)
		return false;
	while (size - text->length <= more) {
		if (size > SIZE_MAX / 2) {
			text->failed = true;
			return false;
		}
		size *= 2;
	}
	if (size == text->size)
		return true;
	data = realloc(text->data, size);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->size = size;
	return true;
}

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	if (!text_reserve(text, length))
		return;
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void
text_print(struct text *text, const char *format, ...)
{
	char line[512];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < sizeof(line)) {
		text_add_bytes(text, line, (size_t)length);
		return;
	}
	if (length < 0 || !text_reserve(text, (size_t)length))
		return;
	va_start(arguments, format);
	vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	text->length += (size_t)length;
}

void
text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){ 0 };
}

/* --- Strings that others read ------------------------------------------------- */

/*
 * How many bytes the character at @s has; 0: it is no UTF-8 (RFC 3629 section 4). A
 * zero ends it like any other byte that may not follow.
 */
static size_t
character_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || (s[1] & 0xc0) != 0x80)
		return 0;
	if (s[0] < 0xe0)
		return 2;
	if ((s[2] & 0xc0) != 0x80 || (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] > 0x9f))
		return 0;
	if (s[0] < 0xf0)
		return 3;
	if ((s[3] & 0xc0) != 0x80 || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return 4;
}

/* The next character of *@at goes over as it stands, unless it is none. */
static void
text_character(struct text *text, const char **at)
{
	size_t length = character_length((const unsigned char *)*at);

	if (length)
		text_add_bytes(text, *at, length);
	else
		text_add(text, "\xef\xbf\xbd");
	*at += length ? length : 1;
}

void
text_json(struct text *text, const char *string)
{
	if (!string) {
		text_add(text, "null");
		return;
	}
	text_add(text, "\"");
	while (*string) {
		if (*string == '"' || *string == '\\')
			text_print(text, "\\%c", *string++);
		else if ((unsigned char)*string < 0x20)
			text_print(text, "\\u%04x", (unsigned char)*string++);
		else
			text_character(text, &string);
	}
	text_add(text, "\"");
}

void
text_label(struct text *text, const char *string)
{
	text_add(text, "\"");
	while (*string) {
		if (*string == '"' || *string == '\\') {
			text_print(text, "\\%c", *string++);
		} else if (*string == '\n') {
			text_add(text, "\\n");
			string++;
		} else {
			text_character(text, &string);
		}
	}
	text_add(text, "\"");
}
