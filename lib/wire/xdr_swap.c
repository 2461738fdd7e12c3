/*
 * From the front to the back, each piece read before it is written, so that an array
 * can be moved down and converted in one go. The pieces are vectors of the compiler's
 * where the processor has a shuffle of bytes: x86-64 only from AVX2 on, which it is
 * asked for.
 */
#include "wire/xdr_swap.h"

#include "base/bytes.h"

#include <stdbool.h>

/* From how many bytes on it pays to ask. */
#define WIDE_MIN 128

#if defined(__x86_64__)
#define WIDE_TARGET __attribute__((target("avx2")))
#define HAVE_WIDE() __builtin_cpu_supports("avx2")
#elif defined(__aarch64__)
#define WIDE_TARGET
#define HAVE_WIDE() true
#else
#define WIDE_TARGET
#define HAVE_WIDE() false
#endif

typedef uint8_t wide __attribute__((vector_size(32)));

/* Bytes @b + 3 to @b, and so on: the indexes that swap within words. */
#define WORD(b)  (b) + 3, (b) + 2, (b) + 1, (b)
#define HYPER(b) WORD((b) + 4), WORD(b)

static inline void
swap_words(uint8_t *to, const uint8_t *from, size_t n)
{
	uint32_t word;

	for (size_t i = 0; i < n; i++) {
		memcpy(&word, from + 4 * i, sizeof(word));
		word = __builtin_bswap32(word);
		memcpy(to + 4 * i, &word, sizeof(word));
	}
}

static inline void
swap_hypers(uint8_t *to, const uint8_t *from, size_t n)
{
	uint64_t word;

	for (size_t i = 0; i < n; i++) {
		memcpy(&word, from + 8 * i, sizeof(word));
		word = __builtin_bswap64(word);
		memcpy(to + 8 * i, &word, sizeof(word));
	}
}

static WIDE_TARGET void
swap_words_wide(uint8_t *to, const uint8_t *from, size_t n)
{
	wide piece;

	for (; n >= sizeof(piece) / 4; n -= sizeof(piece) / 4) {
		memcpy(&piece, from, sizeof(piece));
		piece = __builtin_shufflevector(piece, piece, WORD(0), WORD(4), WORD(8),
		                                WORD(12), WORD(16), WORD(20), WORD(24),
		                                WORD(28));
		memcpy(to, &piece, sizeof(piece));
		from += sizeof(piece);
		to += sizeof(piece);
	}
	swap_words(to, from, n);
}

static WIDE_TARGET void
swap_hypers_wide(uint8_t *to, const uint8_t *from, size_t n)
{
	wide piece;

	for (; n >= sizeof(piece) / 8; n -= sizeof(piece) / 8) {
		memcpy(&piece, from, sizeof(piece));
		piece = __builtin_shufflevector(piece, piece, HYPER(0), HYPER(8),
		                                HYPER(16), HYPER(24));
		memcpy(to, &piece, sizeof(piece));
		from += sizeof(piece);
		to += sizeof(piece);
	}
	swap_hypers(to, from, n);
}

void
dist_swap_words(void *to, const void *from, size_t n)
{
	if (4 * n >= WIDE_MIN && HAVE_WIDE())
		swap_words_wide(to, from, n);
	else
		swap_words(to, from, n);
}

void
dist_swap_hypers(void *to, const void *from, size_t n)
{
	if (8 * n >= WIDE_MIN && HAVE_WIDE())
		swap_hypers_wide(to, from, n);
	else
		swap_hypers(to, from, n);
}
