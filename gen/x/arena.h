/*
 * Memory that is all freed at once: what is read of an .x file and made of it. A
 * generator that is out of memory can do nothing but say so, so these never give NULL.
 * Who must go on sets .full: there they longjmp() to, with 1, instead of ending the
 * process.
 */
#ifndef X_ARENA_H
#define X_ARENA_H

#include <setjmp.h>
#include <stddef.h>

struct dist_arena_block;

struct dist_arena {
	struct dist_arena_block *blocks;
	jmp_buf *full; /* NULL: out of memory is the end */
	size_t left;   /* bytes that may still be taken; with .full alone */
};

/* Zeroed. */
void *dist_arena_alloc(struct dist_arena *arena, size_t size);

/* The first @length bytes of @text, with a NUL. */
char *dist_arena_copy(struct dist_arena *arena, const char *text, size_t length);

char *dist_arena_printf(struct dist_arena *arena, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

void dist_arena_fini(struct dist_arena *arena);

#endif
