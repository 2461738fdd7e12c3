/* Text for people; see text.h. */
#include "distctl/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/*
 * Bytes of the printable character at @s, 0: none starts there. Overlong forms,
 * surrogates and what lies beyond U+10FFFF are none (RFC 3629), nor are the control
 * characters up to U+009F.
 */
static size_t
character_length(const unsigned char *s)
{
	uint32_t code;
	size_t length;

	if (s[0] >= 0x20 && s[0] < 0x7f)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	code = s[0] & (0xff >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if (!is_continuation(s[i]))
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < 0xa0 || (length == 3 && code < 0x800) ||
	    (length == 4 && code < 0x10000) || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

char *
text_clean(const char *text)
{
	char *clean = strdup(text ? text : "");
	size_t length;

	for (char *s = clean; s && *s; s += length) {
		length = character_length((const unsigned char *)s);
		if (length == 0) {
			*s = '?';
			length = 1;
		}
	}
	return clean;
}

size_t
text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += !is_continuation((unsigned char)*text);
	return width;
}

size_t
text_bytes(const char *text, size_t width)
{
	const char *end = text;

	while (*end && (width > 0 || is_continuation((unsigned char)*end)))
		width -= !is_continuation((unsigned char)*end++);
	return (size_t)(end - text);
}

/* The two last numbers of a universal address are the port's bytes. */
void
text_address(const dist_endpoint *endpoint, char ret[TEXT_ADDRESS_MAX])
{
	const char *text = endpoint->uaddr, *low = strrchr(text, '.'), *high;
	unsigned high_byte, low_byte;
	bool v6 = strchr(text, ':') != NULL;
	int end = 0;

	high = low ? memrchr(text, '.', (size_t)(low - text)) : NULL;
	if (!high || sscanf(high, ".%3u.%3u%n", &high_byte, &low_byte, &end) != 2 ||
	    high[end] != '\0' || high_byte > 255 || low_byte > 255) {
		snprintf(ret, TEXT_ADDRESS_MAX, "%s", text);
		return;
	}
	snprintf(ret, TEXT_ADDRESS_MAX, "%s%.*s%s:%u", v6 ? "[" : "",
	         (int)(high - text), text, v6 ? "]" : "", high_byte * 256 + low_byte);
}

void
text_age(uint64_t age_ms, char ret[TEXT_AGE_MAX])
{
	uint64_t s = age_ms / 1000;

	if (s < 60)
		snprintf(ret, TEXT_AGE_MAX, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(ret, TEXT_AGE_MAX, "%" PRIu64 "m%02" PRIu64 "s", s / 60,
		         s % 60);
	else if (s < 86400)
		snprintf(ret, TEXT_AGE_MAX, "%" PRIu64 "h%02" PRIu64 "m", s / 3600,
		         s / 60 % 60);
	else
		snprintf(ret, TEXT_AGE_MAX, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
		         s / 3600 % 24);
}

const char *
text_state(dist_node_state state)
{
	switch (state) {
	case DIST_NODE_LIVE:
		return "live";
	case DIST_NODE_DRAINING:
		return "draining";
	case DIST_NODE_GONE:
		return "gone";
	default:
		return "unknown";
	}
}
