/* Runs of numbers between memory and the wire: the same either way, as both swap bytes.
 */
#ifndef DIST_WIRE_XDR_SWAP_H
#define DIST_WIRE_XDR_SWAP_H

#include <stddef.h>

/*
 * @n words of 4 bytes. Neither side needs to be aligned; they may overlap where @to is
 * below @from.
 */
void dist_swap_words(void *to, const void *from, size_t n);

/* @n words of 8 bytes. */
void dist_swap_hypers(void *to, const void *from, size_t n);

#endif
