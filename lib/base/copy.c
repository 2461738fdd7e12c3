#include "base/copy.h"

#include <stdbool.h>
#include <stdint.h>

/* From here on a copy goes past the caches, and memcpy() knows better how. */
#define COPY_MAX ((size_t)512 * 1024)

#if defined(__x86_64__)
#define HAVE_WIDE() __builtin_cpu_supports("avx2")
#define WIDE_TARGET __attribute__((target("avx2")))
#else
#define HAVE_WIDE() false
#define WIDE_TARGET
#endif

/* The compiler must not see a memcpy() in it. */
typedef uint8_t wide __attribute__((vector_size(32), aligned(1), may_alias));

static WIDE_TARGET void
copy_wide(uint8_t *restrict to, const uint8_t *restrict from, size_t length)
{
	size_t last = length - 4 * sizeof(wide), i;

	for (i = 0; i <= last; i += 4 * sizeof(wide)) {
		wide a = *(const wide *)(from + i);
		wide b = *(const wide *)(from + i + 32);
		wide c = *(const wide *)(from + i + 64);
		wide d = *(const wide *)(from + i + 96);

		*(wide *)(to + i) = a;
		*(wide *)(to + i + 32) = b;
		*(wide *)(to + i + 64) = c;
		*(wide *)(to + i + 96) = d;
	}
	/* What is left, with some of what was there before. */
	for (i = last; i < length; i += sizeof(wide))
		*(wide *)(to + i) = *(const wide *)(from + i);
}

void
dist_copy_long(void *restrict to, const void *restrict from, size_t length)
{
	if (length >= DIST_COPY_MIN && length <= COPY_MAX && HAVE_WIDE())
		copy_wide(to, from, length);
	else
		memcpy(to, from, length);
}
