/*
 * memcpy() for some kilobytes. glibc 2.36 copies from 2 KiB on by "rep movsb" wherever
 * the processor has it, and on AMD's Zen 3 that is ten times slower than vectors unless
 * both sides happen to lie alike in their pages.
 */
#ifndef DIST_BASE_COPY_H
#define DIST_BASE_COPY_H

#include <stddef.h>
#include <string.h>

/* Shorter ones are memcpy()'s. */
#define DIST_COPY_MIN ((size_t)1024)

void dist_copy_long(void *restrict to, const void *restrict from, size_t length);

/* They do not overlap. */
static inline void
dist_copy(void *restrict to, const void *restrict from, size_t length)
{
	if (length < DIST_COPY_MIN)
		memcpy(to, from, length);
	else
		dist_copy_long(to, from, length);
}

#endif
