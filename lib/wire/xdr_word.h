/*
 * A word to and from any stream: on the spot where it is ours and has it ready, and else
 * by its table of functions.
 */
#ifndef DIST_WIRE_XDR_WORD_H
#define DIST_WIRE_XDR_WORD_H

#include <dist/xdr_inline.h>
#include <stdbool.h>

static inline bool
dist_word_put32(XDR *xdrs, uint32_t word)
{
	return dist_xdr_step_put32(xdrs, word) || dist_xdr_put32(xdrs, word);
}

static inline bool
dist_word_get32(XDR *xdrs, uint32_t *ret_word)
{
	struct dist_xdr_word far;

	if (dist_xdr_step_get32(xdrs, ret_word))
		return true;
	far = dist_xdr_get32(xdrs);
	*ret_word = (uint32_t)far.value;
	return far.fine;
}

#endif
