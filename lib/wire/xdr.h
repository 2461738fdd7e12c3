/*
 * XDR streams of our own, for code that rpcgen made (RFC 4506).
 *
 * The encoder grows as it is written. The decoder reads a record in place and has two
 * bounds that libtirpc's streams lack: a budget for the memory that decoding may take,
 * and a limit on the stack that recursive types may use. <dist/xdr.h>, which distgen's
 * _xdr.c includes, makes generated code ask for the budget; plain rpcgen code works on
 * these streams too, bounded in depth alone: libtirpc's own xdr_array() takes the memory
 * that a count claims before it looks.
 */
#ifndef DIST_WIRE_XDR_H
#define DIST_WIRE_XDR_H

#include "base/bytes.h"

#include <dist/error.h>
#include <rpc/rpc.h>
#include <stdbool.h>

/* Stack that decoding or encoding one message may use below its start. */
#define DIST_XDR_STACK_MAX ((size_t)256 * 1024)

struct dist_encoder {
	XDR xdr; /* first: an XDR * of ours is a struct dist_encoder * */
	uint8_t *data;
	size_t length, capacity, max;
	bool on_heap; /* @data is the encoder's own: freed by fini, unless taken */
	bool no_memory;
	bool too_big;
	bool too_deep;
	const char *stack_start;
};

/*
 * Starts in @first (borrowed until fini, @first_size bytes, may be 0), moves to the heap
 * when that is full, and never holds more than @max bytes, nor more than 4 GiB.
 */
void dist_encoder_init(struct dist_encoder *encoder, void *first, size_t first_size,
                       size_t max);
void dist_encoder_fini(struct dist_encoder *encoder);

/*
 * Room for @length bytes at the end, which become part of it; borrowed until the next
 * change. NULL: no memory, too big.
 */
uint8_t *dist_encoder_reserve(struct dist_encoder *encoder, size_t length);

/*
 * Encode @value by @xdr. DIST_EENCODE: @xdr said no (a string that is NULL, a count over
 * its bound, recursion too deep); DIST_ETOOBIG; DIST_ENOMEM. What was added is taken off
 * again. The thread's error text says which.
 */
enum dist_err dist_encoder_put(struct dist_encoder *encoder, xdrproc_t xdr,
                               const void *value) DIST_MUST_CHECK;

struct dist_decoder {
	XDR xdr; /* first: an XDR * of ours is a struct dist_decoder * */
	const uint8_t *start, *at, *end;
	size_t budget; /* bytes that decoding may still allocate */
	bool over_budget;
	bool no_memory;
	bool too_deep;
	const char *stack_start;
};

/* @record is borrowed while it is decoded. */
void dist_decoder_init(struct dist_decoder *decoder, struct dist_bytes record,
                       size_t budget);

/*
 * Decode into @value (zeroed before) by @xdr. On failure what was allocated is
 * xdr_free()d and @value is as before for pointers. DIST_EDECODE; the text says whether
 * the bytes did not fit, the budget was used up, or the nesting was too deep. DIST_ENOMEM.
 */
enum dist_err dist_decoder_get(struct dist_decoder *decoder, xdrproc_t xdr, void *value)
	DIST_MUST_CHECK;

static inline size_t
dist_decoder_left(const struct dist_decoder *decoder)
{
	return (size_t)(decoder->end - decoder->at);
}

/* The next @length bytes, which are read with that; NULL: there are less. */
static inline const uint8_t *
dist_decoder_take(struct dist_decoder *decoder, size_t length)
{
	const uint8_t *bytes = decoder->at;

	if (length > dist_decoder_left(decoder))
		return NULL;
	decoder->at = bytes + length;
	return bytes;
}

/* The larger of 1 MiB and 16 times the record: a valid record can decode to more. */
static inline size_t
dist_decoder_default_budget(size_t record_bytes)
{
	return record_bytes > (1u << 16) ? 16 * record_bytes : (size_t)1 << 20;
}

/*
 * malloc() @size bytes for what is decoded from @xdrs, within its budget where it has one.
 * NULL: over the budget, or no memory.
 */
void *dist_xdr_allocate(XDR *xdrs, size_t size);

/* A word on any stream, ours or not. */
static inline bool
dist_xdr_get_word(XDR *xdrs, u_int *ret_word)
{
	long word;

	if (!XDR_GETLONG(xdrs, &word))
		return false;
	*ret_word = (u_int)word;
	return true;
}

static inline bool
dist_xdr_put_word(XDR *xdrs, u_int word)
{
	long value = (long)word;

	return XDR_PUTLONG(xdrs, &value);
}

/* The stream as ours; NULL when it is another's, or of the other direction. */
struct dist_decoder *dist_decoder_of(XDR *xdrs);
struct dist_encoder *dist_encoder_of(XDR *xdrs);

#endif
