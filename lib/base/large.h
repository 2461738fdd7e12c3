/*
 * Memory for large records and the arrays in them, kept for a moment for the next one
 * of their size. The C library gives blocks of a megabyte back to the system when they
 * are freed and asks for them again, page by page; where megabytes follow one another
 * that costs as much as moving the bytes.
 *
 * All of it is malloc()ed memory: what came from here may be free()d by anybody, and
 * what anybody malloc()ed may be freed here. It is kept only while somebody promised to
 * trim.
 */
#ifndef DIST_BASE_LARGE_H
#define DIST_BASE_LARGE_H

#include <stddef.h>
#include <stdint.h>

/* Smaller blocks are left to malloc(). */
#define DIST_LARGE_MIN ((size_t)64 * 1024)
/* What is kept at most, in all. */
#define DIST_LARGE_KEPT_MAX ((size_t)192 * 1024 * 1024)
/* What was not asked for within this is given back by the next dist_large_trim(). */
#define DIST_LARGE_KEPT_NS INT64_C(2000000000)

/* At least @size bytes, kept or malloc()ed. NULL: no memory. */
void *dist_large_alloc(size_t size);

/* The same from what is kept alone; NULL: nothing of about that size is. */
void *dist_large_take(size_t size);

/* Taken: free() it, or keep it. NULL is safe. */
void dist_large_free(void *memory);

/*
 * @memory with its first @used bytes, now for at least @size: as realloc() does it. NULL:
 * no memory, and @memory stays.
 */
void *dist_large_grow(void *memory, size_t used, size_t size);

/* What is really asked for: so that sizes that differ a little are one. */
size_t dist_large_round(size_t size);

/* How much @memory holds, which may be more than was asked for. */
size_t dist_large_size(void *memory);

/*
 * Between them the caller trims about once a second. After the last end() nothing is
 * kept.
 */
void dist_large_begin(void);
void dist_large_end(void);
void dist_large_trim(int64_t now_ns);

#endif
