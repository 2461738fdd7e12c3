/* Text for people and for JSON out of what came over the network. */
#ifndef DISTCTL_TEXT_H
#define DISTCTL_TEXT_H

#include "registry.h"

#include <stddef.h>
#include <stdint.h>

/* A universal address as "HOST:PORT", with its NUL. */
#define TEXT_ADDRESS_MAX 160
/* An age, with its NUL. */
#define TEXT_AGE_MAX 32

/*
 * @text as valid UTF-8 without control characters, a '?' for each byte that is neither:
 * a node may call itself what it likes, and must not steer the operator's terminal.
 * Given: free() it. NULL: no memory.
 */
char *text_clean(const char *text);

/* Columns of a terminal that @text takes, near enough: its characters. */
size_t text_width(const char *text);

/* Bytes of its first @width columns. */
size_t text_bytes(const char *text, size_t width);

/*
 * "HOST:PORT", IPv6 in brackets, of a universal address (RFC 5665 section 5.2.3);
 * @uaddr itself if it is none.
 */
void text_address(const dist_endpoint *endpoint, char ret[TEXT_ADDRESS_MAX]);

/* How long: "12s", "5m07s", "3h20m", "9d04h". */
void text_age(uint64_t age_ms, char ret[TEXT_AGE_MAX]);

const char *text_state(dist_node_state state);

#endif
