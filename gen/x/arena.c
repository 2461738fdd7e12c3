/* One calloc() for each piece, in a list: .x files are small. */
#include "x/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dist_arena_block {
	struct dist_arena_block *next;
	_Alignas(max_align_t) char data[];
};

void *
dist_arena_alloc(struct dist_arena *arena, size_t size)
{
	struct dist_arena_block *block = NULL;

	if (size < SIZE_MAX - sizeof(*block))
		block = calloc(1, sizeof(*block) + size);
	if (!block) {
		fprintf(stderr, "%s: error: out of memory\n",
		        program_invocation_short_name);
		exit(1);
	}
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
