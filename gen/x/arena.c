/* One calloc() for each piece, in a list: .x files are small. */
#include "x/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dist_arena_block {
	struct dist_arena_block *next;
	_Alignas(max_align_t) char data[];
};

static _Noreturn void
arena_is_full(struct dist_arena *arena)
{
	if (arena->full)
		longjmp(*arena->full, 1);
	fprintf(stderr, "%s: error: out of memory\n", program_invocation_short_name);
	exit(1);
}

/* Whether a block of @size is within the limit, and then counted. */
static bool
arena_may_take(struct dist_arena *arena, size_t size)
{
	if (!arena->full)
		return true;
	if (size > arena->left)
		return false;
	arena->left -= size;
	return true;
}

void *
dist_arena_alloc(struct dist_arena *arena, size_t size)
{
	struct dist_arena_block *block = NULL;

	if (size < SIZE_MAX - sizeof(*block) &&
	    arena_may_take(arena, sizeof(*block) + size))
		block = calloc(1, sizeof(*block) + size);
	if (!block)
		arena_is_full(arena);
	block->next = arena->blocks;
	arena->blocks = block;
	return block->data;
}

char *
dist_arena_copy(struct dist_arena *arena, const char *text, size_t length)
{
	char *copy = dist_arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *
dist_arena_printf(struct dist_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);

	text = dist_arena_alloc(arena, (size_t)length + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void
dist_arena_fini(struct dist_arena *arena)
{
	while (arena->blocks) {
		struct dist_arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
}
