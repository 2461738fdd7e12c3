#include "json/base64.h"

#include <string.h>

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
dist_base64_encode(const uint8_t *bytes, size_t n_bytes, char ret_text[4])
{
	uint32_t bits = (uint32_t)bytes[0] << 16;

	if (n_bytes > 1)
		bits |= (uint32_t)bytes[1] << 8;
	if (n_bytes > 2)
		bits |= bytes[2];
	ret_text[0] = digits[bits >> 18];
	ret_text[1] = digits[bits >> 12 & 63];
	ret_text[2] = n_bytes > 1 ? digits[bits >> 6 & 63] : '=';
	ret_text[3] = n_bytes > 2 ? digits[bits & 63] : '=';
}

/* How many of four characters are digits; their bits, the first one's uppermost. */
static size_t
read_four(const char *text, uint32_t *ret_bits)
{
	size_t n = 0;

	*ret_bits = 0;
	for (; n < 4; n++) {
		const char *digit = text[n] ? strchr(digits, text[n]) : NULL;

		if (!digit)
			break;
		*ret_bits |= (uint32_t)(digit - digits) << (18 - 6 * n);
	}
	return n;
}

bool
dist_base64_decode(const char *text, size_t length, uint8_t *ret_bytes,
                   size_t *ret_n_bytes)
{
	size_t n_digits = 4, n = 0;
	uint32_t bits;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		/* Padding, in the four before, was not at the end. */
		if (n_digits != 4)
			return false;
		n_digits = read_four(text + i, &bits);
		if (n_digits < 2 ||
		    memcmp(text + i + n_digits, "==", 4 - n_digits) != 0 ||
		    (bits & (0xffffffu >> (8 * (n_digits - 1)))) != 0)
			return false;
		for (size_t j = 0; j + 1 < n_digits; j++)
			ret_bytes[n++] = (uint8_t)(bits >> (16 - 8 * j));
	}
	*ret_n_bytes = n;
	return true;
}
