/*
 * In the place of malloc() and its like: a program that has allocator.c in it has every
 * call of every library for memory go through it, and may refuse any of them.
 */
#ifndef SUPPORT_ALLOCATOR_H
#define SUPPORT_ALLOCATOR_H

#include <stdbool.h>

/* False under the thread sanitizer, whose allocator cannot be put behind another. */
bool allocator_works(void);

/* Is this request refused? @caller is the address that it returns to. */
typedef bool allocator_refuses_fn(const void *caller);

/*
 * Ask this from now on, at each request of any thread; NULL refuses none, as at first.
 * What it needs memory for itself is not asked about.
 */
void allocator_ask(allocator_refuses_fn *refuses);

#endif
