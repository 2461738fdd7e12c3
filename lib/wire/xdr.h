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
#include <dist/xdr_inline.h>
#include <stdbool.h>

/* Stack that decoding or encoding one message may use below its start. */
#define DIST_XDR_STACK_MAX ((size_t)256 * 1024)

/*
 * A stream's place is x_private, as <dist/xdr_inline.h> moves it; up to x_base it needs to
 * ask nobody. That is never further than this, so that whoever recurses asks soon: then
 * the stack is looked at.
 */
#define DIST_XDR_WINDOW ((size_t)256)

struct dist_encoder {
	XDR xdr; /* first: an XDR * of ours is a struct dist_encoder * */
	uint8_t *data;
	size_t capacity, max;
	bool on_heap; /* @data is the encoder's own: freed by fini, unless taken */
	bool no_memory;
	bool too_big;
	bool too_deep;
	const char *stack_limit; /* nothing goes on below it */
};

/*
 * Starts in @first (borrowed until fini, @first_size bytes, may be 0), moves to the heap
 * when that is full, and never holds more than @max bytes, nor more than 4 GiB.
 */
void dist_encoder_init(struct dist_encoder *encoder, void *first, size_t first_size,
                       size_t max);
void dist_encoder_fini(struct dist_encoder *encoder);

/* What was encoded so far, in bytes. */
static inline size_t
dist_encoder_length(const struct dist_encoder *encoder)
{
	return (size_t)((const uint8_t *)encoder->xdr.x_private - encoder->data);
}

/* Beyond the window, or what there is: it may grow. */
uint8_t *dist_encoder_reserve_far(struct dist_encoder *encoder, size_t length);

/*
 * Room for @length bytes at the end, which become part of it; borrowed until the next
 * change. NULL: no memory, too big, too deep down the stack.
 */
static inline uint8_t *
dist_encoder_reserve(struct dist_encoder *encoder, size_t length)
{
	void *room;

	if (!dist_xdr_step(&encoder->xdr, encoder->xdr.x_ops, length, &room))
		return dist_encoder_reserve_far(encoder, length);
	return room;
}

/*
 * Encode @value by @xdr. DIST_EENCODE: @xdr said no (a string that is NULL, a count over
 * its bound, recursion too deep); DIST_ETOOBIG; DIST_ENOMEM. What was added is taken off
 * again. The thread's error text says which.
 */
enum dist_err dist_encoder_put(struct dist_encoder *encoder, xdrproc_t xdr,
                               const void *value) DIST_MUST_CHECK;

struct dist_decoder {
	XDR xdr; /* first: an XDR * of ours is a struct dist_decoder * */
	const uint8_t *start, *end;
	size_t passed; /* bytes that were before @start and are gone */
	size_t budget; /* bytes that decoding may still allocate */
	void **memory; /* the owner's pointer to what the record lies in; NULL: not given */
	bool moved;    /* ... and it is not there any more */
	bool over_budget;
	bool no_memory;
	bool too_deep;
	const char *stack_limit; /* nothing goes on below it */
};

/* @record is borrowed while it is decoded. */
void dist_decoder_init(struct dist_decoder *decoder, struct dist_bytes record,
                       size_t budget);

/*
 * Let the record's one great run of numbers or bytes take the memory that the record
 * lies in: malloc()ed memory whose owner has it as *@memory. See dist_decoder_seize().
 * Where @moved is set afterwards, *@memory is another piece, also the owner's, with what
 * stood before the decoder's start in the same places.
 */
static inline void
dist_decoder_give(struct dist_decoder *decoder, void **memory)
{
	decoder->memory = *memory ? memory : NULL;
}

/*
 * The memory that the record lies in, if it was given and the next @length bytes are most
 * of it: they are passed, still stand at *@ret_at in it, and all else has moved. So an
 * array of a megabyte is converted in its place, and no second megabyte is touched.
 * Counts against the budget. Yours to free(). NULL: allocate as ever.
 */
void *dist_decoder_seize(struct dist_decoder *decoder, size_t length,
                         const uint8_t **ret_at);

/*
 * Decode into @value (zeroed before) by @xdr. On failure what was allocated is
 * xdr_free()d and @value is as before for pointers. DIST_EDECODE; the text says whether
 * the bytes did not fit, the budget was used up, or the nesting was too deep. DIST_ENOMEM.
 */
enum dist_err dist_decoder_get(struct dist_decoder *decoder, xdrproc_t xdr, void *value)
	DIST_MUST_CHECK;

static inline const uint8_t *
dist_decoder_at(const struct dist_decoder *decoder)
{
	return decoder->xdr.x_private;
}

static inline size_t
dist_decoder_left(const struct dist_decoder *decoder)
{
	return (size_t)(decoder->end - dist_decoder_at(decoder));
}

/* Beyond the window, if there are so many. */
const uint8_t *dist_decoder_take_far(struct dist_decoder *decoder, size_t length);

/*
 * The next @length bytes, which are read with that. NULL: there are less, or it is too
 * deep down the stack.
 */
static inline const uint8_t *
dist_decoder_take(struct dist_decoder *decoder, size_t length)
{
	void *bytes;

	if (!dist_xdr_step(&decoder->xdr, decoder->xdr.x_ops, length, &bytes))
		return dist_decoder_take_far(decoder, length);
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

/*
 * The stream as ours; NULL when it is another's, or of the other direction. Where memory
 * is freed there is no stream: then not even x_ops is set.
 */
static inline struct dist_decoder *
dist_decoder_of(XDR *xdrs)
{
	if (xdrs->x_op != XDR_DECODE || xdrs->x_ops != &dist_xdr_decoder_ops)
		return NULL;
	return (struct dist_decoder *)xdrs;
}

static inline struct dist_encoder *
dist_encoder_of(XDR *xdrs)
{
	if (xdrs->x_op != XDR_ENCODE || xdrs->x_ops != &dist_xdr_encoder_ops)
		return NULL;
	return (struct dist_encoder *)xdrs;
}

#endif
