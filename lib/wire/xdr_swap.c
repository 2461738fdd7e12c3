/*
 * Loops that the compiler turns into vector instructions. x86-64 has a shuffle of bytes
 * only from AVX2 on, which the processor is asked for; each loop is there twice.
 */
#include "wire/xdr_swap.h"

#include "base/bytes.h"

/* Vectorised whatever the build's level is; clang does so from -O2 on. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

/* From how many bytes on it pays to ask. */
#define WIDE_MIN 128

#if defined(__x86_64__)
#define WIDE_TARGET __attribute__((target("avx2")))
#define HAVE_WIDE() __builtin_cpu_supports("avx2")
#else
#define WIDE_TARGET
#define HAVE_WIDE() 0
#endif

static inline __attribute__((always_inline)) void
swap_words(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	uint32_t word;

	for (size_t i = 0; i < n; i++) {
		memcpy(&word, from + 4 * i, sizeof(word));
		word = __builtin_bswap32(word);
		memcpy(to + 4 * i, &word, sizeof(word));
	}
}

static inline __attribute__((always_inline)) void
swap_hypers(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	uint64_t word;

	for (size_t i = 0; i < n; i++) {
		memcpy(&word, from + 8 * i, sizeof(word));
		word = __builtin_bswap64(word);
		memcpy(to + 8 * i, &word, sizeof(word));
	}
}

static WIDE_TARGET void
swap_words_wide(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	swap_words(to, from, n);
}

static WIDE_TARGET void
swap_hypers_wide(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	swap_hypers(to, from, n);
}

void
dist_swap_words(void *restrict to, const void *restrict from, size_t n)
{
	if (4 * n >= WIDE_MIN && HAVE_WIDE())
		swap_words_wide(to, from, n);
	else
		swap_words(to, from, n);
}

void
dist_swap_hypers(void *restrict to, const void *restrict from, size_t n)
{
	if (8 * n >= WIDE_MIN && HAVE_WIDE())
		swap_hypers_wide(to, from, n);
	else
		swap_hypers(to, from, n);
}
