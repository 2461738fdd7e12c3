/* Runs of numbers between memory and the wire: the same either way, as both swap bytes. */
#ifndef DIST_WIRE_XDR_SWAP_H
#define DIST_WIRE_XDR_SWAP_H

#include <stddef.h>

/* @n words of 4 bytes; neither side needs to be aligned, and they do not overlap. */
void dist_swap_words(void *restrict to, const void *restrict from, size_t n);

/* @n words of 8 bytes. */
void dist_swap_hypers(void *restrict to, const void *restrict from, size_t n);

#endif
