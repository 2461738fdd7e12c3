/*
 * Counts what the whole process takes from malloc() and its like, between a start and a
 * stop: a program that has allocations.c in it has every call of every library go
 * through it. Under a sanitizer, which brings an allocator of its own, that tells of
 * each.
 */
#ifndef SUPPORT_ALLOCATIONS_H
#define SUPPORT_ALLOCATIONS_H

#include <stddef.h>

/* Count from now on. */
void allocations_start(void);
/* No more; how many there were since, on all threads. */
unsigned long allocations_stop(void);

/* The largest of these, in bytes; 0: there were none. */
size_t allocations_largest(void);

/* Who made the first ones, to stderr. */
void allocations_show(void);

#endif
