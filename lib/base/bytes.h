/* A borrowed run of bytes. */
#ifndef DIST_BASE_BYTES_H
#define DIST_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dist_bytes {
	const uint8_t *data;
	size_t length;
};

/* Big-endian words, as XDR has them (RFC 4506 section 4). */
static inline uint32_t
dist_load_be32(const void *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return __builtin_bswap32(word);
}

static inline void
dist_store_be32(void *to, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint64_t
dist_load_be64(const void *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return __builtin_bswap64(word);
}

static inline void
dist_store_be64(void *to, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(to, &value, sizeof(value));
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "these functions swap: a big-endian port drops the swap"
#endif

#endif
