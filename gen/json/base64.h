/* Bytes as text: base64 with padding, RFC 4648 section 4. */
#ifndef JSON_BASE64_H
#define JSON_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Four characters for one to three bytes. */
void dist_base64_encode(const uint8_t *bytes, size_t n_bytes, char ret_text[4]);

/*
 * Of @length characters; @ret_bytes has room for three bytes for every four of them.
 * False: it is no base64, or bits that mean nothing are set.
 */
bool dist_base64_decode(const char *text, size_t length, uint8_t *ret_bytes,
                        size_t *ret_n_bytes);

#endif
