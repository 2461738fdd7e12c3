/*
 * Runs out of memory on purpose: of all calls of every library for memory, which go
 * through support/allocator.h, a few in a row fail.
 */
#ifndef SUPPORT_NO_MEMORY_H
#define SUPPORT_NO_MEMORY_H

#include <stdbool.h>

/* False under the thread sanitizer, whose allocator cannot be put behind another. */
bool no_memory_works(void);

/*
 * From now on, on all threads together, the @first-th call for memory fails (1 is the
 * next), and so do those behind it, @n in all.
 */
void no_memory_begin(unsigned long first, unsigned long n);

/* How many have failed since. */
unsigned long no_memory_failed(void);

/* None fails any more; how many have. */
unsigned long no_memory_end(void);

/* Who asked for what first failed, to stderr. */
void no_memory_show(void);

#endif
