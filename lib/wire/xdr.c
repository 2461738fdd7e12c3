/*
 * The two streams. libtirpc's routines know a stream as a table of functions, of which
 * the ones for words and bytes and x_inline do all the work.
 *
 * Recursive types make generated code recurse, a level for each node on the wire, so a
 * short message could exhaust the stack. No routine recurses without touching the
 * stream, so the stream looks how far the stack has grown below where the work began.
 */
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/large.h"

#include <stdlib.h>

/* The smallest piece of heap an encoder moves to. */
#define ENCODER_FIRST_HEAP ((size_t)512)

/* The real stack also where a sanitizer keeps locals elsewhere. */
#define STACK_HERE ((const char *)__builtin_frame_address(0))

/* The stack grows down on all that Linux runs on; so far it may grow from here. */
static const char *
stack_limit(const char *here)
{
	return (const char *)((uintptr_t)here - DIST_XDR_STACK_MAX);
}

/* The stream goes on at @at, of which @length bytes are there at once; NULL and 0 too. */
static void
window_open(XDR *xdrs, const uint8_t *at, size_t length)
{
	xdrs->x_private = (void *)(uintptr_t)at;
	/* By numbers, as there may be no memory yet: nothing may be added to NULL. */
	xdrs->x_base = (char *)((uintptr_t)at + DIST_MIN(length, DIST_XDR_WINDOW));
}

static bool
aligned(const void *data)
{
	return (uintptr_t)data % sizeof(int32_t) == 0;
}

/* What each stream has no use for. */

static bool_t
refuse_getlong(XDR *xdrs, long *value)
{
	(void)xdrs;
	(void)value;
	return FALSE;
}

static bool_t
refuse_putlong(XDR *xdrs, const long *value)
{
	(void)xdrs;
	(void)value;
	return FALSE;
}

static bool_t
refuse_getbytes(XDR *xdrs, char *bytes, u_int length)
{
	(void)xdrs;
	(void)bytes;
	(void)length;
	return FALSE;
}

static bool_t
refuse_putbytes(XDR *xdrs, const char *bytes, u_int length)
{
	(void)xdrs;
	(void)bytes;
	(void)length;
	return FALSE;
}

static bool_t
refuse_control(XDR *xdrs, int request, void *info)
{
	(void)xdrs;
	(void)request;
	(void)info;
	return FALSE;
}

static void
destroy_nothing(XDR *xdrs)
{
	(void)xdrs;
}

/* --- Encoding -------------------------------------------------------------------- */

/* What was encoded, to @to. */
static void
encoder_move(const struct dist_encoder *encoder, uint8_t *to)
{
	size_t length = dist_encoder_length(encoder);

	if (length > 0)
		memcpy(to, encoder->data, length);
	if (encoder->on_heap)
		dist_large_free(encoder->data);
}

static bool
encoder_grow(struct dist_encoder *encoder, size_t needed)
{
	size_t capacity = DIST_MAX(2 * encoder->capacity, ENCODER_FIRST_HEAP);
	size_t length = dist_encoder_length(encoder);
	uint8_t *data;

	capacity = DIST_MIN(DIST_MAX(capacity, needed), encoder->max);
	data = encoder->on_heap ? dist_large_take(capacity)
	                        : dist_large_alloc(capacity);
	if (data)
		encoder_move(encoder, data);
	else if (encoder->on_heap)
		data = dist_large_grow(encoder->data, length, capacity);
	if (!data) {
		encoder->no_memory = true;
		return false;
	}
	encoder->data = data;
	encoder->capacity = capacity;
	encoder->on_heap = true;
	window_open(&encoder->xdr, data + length, capacity - length);
	return true;
}

uint8_t *
dist_encoder_reserve_far(struct dist_encoder *encoder, size_t length)
{
	size_t before = dist_encoder_length(encoder);
	uint8_t *room;

	if (STACK_HERE < encoder->stack_limit) {
		encoder->too_deep = true;
		return NULL;
	}
	if (length > encoder->capacity - before) {
		if (length > encoder->max - before) {
			encoder->too_big = true;
			return NULL;
		}
		if (!encoder_grow(encoder, before + length))
			return NULL;
	}
	room = encoder->data + before;
	window_open(&encoder->xdr, room + length, encoder->capacity - before - length);
	return room;
}

static __attribute__((noinline)) bool_t
encoder_putlong_far(XDR *xdrs, uint32_t word)
{
	uint8_t *room = dist_encoder_reserve_far((struct dist_encoder *)xdrs, 4);

	if (!room)
		return FALSE;
	dist_store_be32(room, word);
	return TRUE;
}

static bool_t
encoder_putlong(XDR *xdrs, const long *value)
{
	uint32_t word = (uint32_t)*value;

	return dist_xdr_step_put32(xdrs, word) || encoder_putlong_far(xdrs, word);
}

static bool_t
encoder_putbytes(XDR *xdrs, const char *bytes, u_int length)
{
	uint8_t *room = dist_encoder_reserve((struct dist_encoder *)xdrs, length);

	if (!room)
		return FALSE;
	if (length > 0)
		memcpy(room, bytes, length);
	return TRUE;
}

/* Generated code writes whole words there, which want to be aligned. */
static int32_t *
encoder_inline(XDR *xdrs, u_int length)
{
	struct dist_encoder *encoder = (struct dist_encoder *)xdrs;
	uint8_t *room = dist_encoder_reserve(encoder, length);

	if (room && !aligned(room)) {
		xdrs->x_private = room;
		return NULL;
	}
	return (int32_t *)(void *)room;
}

static u_int
encoder_getpostn(XDR *xdrs)
{
	return (u_int)dist_encoder_length((struct dist_encoder *)xdrs);
}

/* Back to patch a word, and forward again: x_handy remembers how far it was. */
static bool_t
encoder_setpostn(XDR *xdrs, u_int position)
{
	struct dist_encoder *encoder = (struct dist_encoder *)xdrs;
	size_t length = dist_encoder_length(encoder);

	if (length > xdrs->x_handy)
		xdrs->x_handy = (u_int)length;
	if (position > xdrs->x_handy)
		return FALSE;
	window_open(xdrs, encoder->data + position, 0);
	return TRUE;
}

const struct xdr_ops dist_xdr_encoder_ops = {
	.x_getlong = refuse_getlong,
	.x_putlong = encoder_putlong,
	.x_getbytes = refuse_getbytes,
	.x_putbytes = encoder_putbytes,
	.x_getpostn = encoder_getpostn,
	.x_setpostn = encoder_setpostn,
	.x_inline = encoder_inline,
	.x_destroy = destroy_nothing,
	.x_control = refuse_control,
};

void
dist_encoder_init(struct dist_encoder *encoder, void *first, size_t first_size,
                  size_t max)
{
	/* Member by member: a compiler clears a whole struct by "rep stos", slowly. */
	encoder->xdr.x_op = XDR_ENCODE;
	encoder->xdr.x_ops = &dist_xdr_encoder_ops;
	encoder->xdr.x_public = NULL;
	encoder->xdr.x_handy = 0;
	encoder->data = first;
	encoder->capacity = DIST_MIN(first_size, max);
	encoder->max = DIST_MIN(max, (size_t)UINT32_MAX);
	encoder->on_heap = encoder->no_memory = false;
	encoder->too_big = encoder->too_deep = false;
	encoder->stack_limit = stack_limit(STACK_HERE);
	window_open(&encoder->xdr, first, encoder->capacity);
}

void
dist_encoder_fini(struct dist_encoder *encoder)
{
	if (encoder->on_heap)
		dist_large_free(encoder->data);
	encoder->data = NULL;
	encoder->on_heap = false;
	encoder->capacity = 0;
	window_open(&encoder->xdr, NULL, 0);
}

static enum dist_err
encoder_error(const struct dist_encoder *encoder)
{
	if (encoder->no_memory)
		return dist_error_set_plain(DIST_ENOMEM);
	if (encoder->too_big)
		return dist_error_set(
			DIST_ETOOBIG,
			"encoded it would be over the record limit of %zu "
			"bytes",
			encoder->max);
	if (encoder->too_deep)
		return dist_error_set(
			DIST_EENCODE,
			"it cannot be encoded: it is nested too deep, over "
			"%zu KiB of stack",
			DIST_XDR_STACK_MAX / 1024);
	return dist_error_set(
		DIST_EENCODE,
		"it cannot be encoded: a string that is NULL, a count over "
		"its bound, or a value its type does not have");
}

enum dist_err
dist_encoder_put(struct dist_encoder *encoder, xdrproc_t xdr, const void *value)
{
	size_t before = dist_encoder_length(encoder);
	enum dist_err err;

	encoder->no_memory = encoder->too_big = encoder->too_deep = false;
	encoder->stack_limit = stack_limit(STACK_HERE);
	if (xdr(&encoder->xdr, (void *)value))
		return DIST_OK;

	err = encoder_error(encoder);
	if (encoder->data) /* else there was no memory for the first byte */
		window_open(&encoder->xdr, encoder->data + before, 0);
	return err;
}

/* --- Decoding -------------------------------------------------------------------- */

const uint8_t *
dist_decoder_take_far(struct dist_decoder *decoder, size_t length)
{
	const uint8_t *bytes = dist_decoder_at(decoder);

	if (STACK_HERE < decoder->stack_limit) {
		decoder->too_deep = true;
		return NULL;
	}
	if (length > dist_decoder_left(decoder))
		return NULL;
	window_open(&decoder->xdr, bytes + length,
	            dist_decoder_left(decoder) - length);
	return bytes;
}

static __attribute__((noinline)) bool_t
decoder_getlong_far(XDR *xdrs, long *ret_value)
{
	const uint8_t *bytes = dist_decoder_take_far((struct dist_decoder *)xdrs, 4);

	if (!bytes)
		return FALSE;
	*ret_value = (long)dist_load_be32(bytes);
	return TRUE;
}

/* Not sign-extended: so do libtirpc's streams, and IXDR_GET_LONG. */
static bool_t
decoder_getlong(XDR *xdrs, long *ret_value)
{
	uint32_t word;

	if (!dist_xdr_step_get32(xdrs, &word))
		return decoder_getlong_far(xdrs, ret_value);
	*ret_value = (long)word;
	return TRUE;
}

static bool_t
decoder_getbytes(XDR *xdrs, char *to, u_int length)
{
	const uint8_t *bytes = dist_decoder_take((struct dist_decoder *)xdrs, length);

	if (!bytes)
		return FALSE;
	if (length > 0)
		memcpy(to, bytes, length);
	return TRUE;
}

/* Generated code only reads there, though the type does not say so. */
static int32_t *
decoder_inline(XDR *xdrs, u_int length)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	if (!aligned(dist_decoder_at(decoder)))
		return NULL;
	return (int32_t *)(uintptr_t)dist_decoder_take(decoder, length);
}

static size_t
decoder_done(const struct dist_decoder *decoder)
{
	return (size_t)(dist_decoder_at(decoder) - decoder->start);
}

static u_int
decoder_getpostn(XDR *xdrs)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	return (u_int)(decoder->passed + decoder_done(decoder));
}

static bool_t
decoder_setpostn(XDR *xdrs, u_int position)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	if (position < decoder->passed ||
	    position - decoder->passed > (size_t)(decoder->end - decoder->start))
		return FALSE;
	window_open(xdrs, decoder->start + (position - decoder->passed), 0);
	return TRUE;
}

const struct xdr_ops dist_xdr_decoder_ops = {
	.x_getlong = decoder_getlong,
	.x_putlong = refuse_putlong,
	.x_getbytes = decoder_getbytes,
	.x_putbytes = refuse_putbytes,
	.x_getpostn = decoder_getpostn,
	.x_setpostn = decoder_setpostn,
	.x_inline = decoder_inline,
	.x_destroy = destroy_nothing,
	.x_control = refuse_control,
};

void
dist_decoder_init(struct dist_decoder *decoder, struct dist_bytes record, size_t budget)
{
	const uint8_t *data = record.data ? record.data : (const uint8_t *)"";

	decoder->xdr.x_op = XDR_DECODE;
	decoder->xdr.x_ops = &dist_xdr_decoder_ops;
	decoder->xdr.x_public = NULL;
	decoder->start = data;
	decoder->end = data + record.length;
	decoder->passed = 0;
	decoder->budget = budget;
	decoder->memory = NULL;
	decoder->moved = decoder->over_budget = false;
	decoder->no_memory = decoder->too_deep = false;
	decoder->stack_limit = stack_limit(STACK_HERE);
	window_open(&decoder->xdr, data, record.length);
}

static size_t
decoder_size(const struct dist_decoder *decoder)
{
	return decoder->passed + (size_t)(decoder->end - decoder->start);
}

static enum dist_err
decoder_error(const struct dist_decoder *decoder)
{
	if (decoder->no_memory)
		return dist_error_set_plain(DIST_ENOMEM);
	if (decoder->over_budget)
		return dist_error_set(
			DIST_EDECODE,
			"it cannot be decoded: it would take more memory than "
			"a record of %zu bytes may",
			decoder_size(decoder));
	if (decoder->too_deep)
		return dist_error_set(
			DIST_EDECODE,
			"it cannot be decoded: it is nested too deep, over "
			"%zu KiB of stack",
			DIST_XDR_STACK_MAX / 1024);
	return dist_error_set(
		DIST_EDECODE,
		"it cannot be decoded: its %zu bytes are no such type, which "
		"shows at byte %zu",
		decoder_size(decoder),
		decoder_size(decoder) - dist_decoder_left(decoder));
}

enum dist_err
dist_decoder_get(struct dist_decoder *decoder, xdrproc_t xdr, void *value)
{
	XDR freeing = { .x_op = XDR_FREE };

	decoder->over_budget = decoder->no_memory = decoder->too_deep = false;
	decoder->stack_limit = stack_limit(STACK_HERE);
	if (xdr(&decoder->xdr, value))
		return DIST_OK;

	xdr(&freeing, value);
	return decoder_error(decoder);
}

/*
 * Whether what is next, @length bytes, is most of the memory that the record lies in,
 * so that little has to be copied out of its way and little is wasted.
 */
static bool
decoder_is_mostly(const struct dist_decoder *decoder, size_t length)
{
	uint8_t *memory = *decoder->memory;
	size_t before = (size_t)(decoder->start - memory);
	size_t after = dist_decoder_left(decoder) - length;

	return before + after <= length / 8 &&
	       dist_large_size(memory) - length <= length / 2;
}

/* What was before and behind the next @length bytes moves to @rest. */
static void
decoder_move_rest(struct dist_decoder *decoder, uint8_t *rest, size_t length)
{
	const uint8_t *memory = *decoder->memory;
	size_t before = (size_t)(decoder->start - memory);
	size_t after = dist_decoder_left(decoder) - length;

	memcpy(rest, memory, before);
	memcpy(rest + before, dist_decoder_at(decoder) + length, after);
	decoder->passed += decoder_done(decoder) + length;
	decoder->start = rest + before;
	decoder->end = decoder->start + after;
	window_open(&decoder->xdr, decoder->start, after);
	*decoder->memory = rest;
	decoder->moved = true;
}

void *
dist_decoder_seize(struct dist_decoder *decoder, size_t length, const uint8_t **ret_at)
{
	uint8_t *memory, *rest;

	if (!decoder->memory || decoder->moved || length < DIST_LARGE_MIN ||
	    length > dist_decoder_left(decoder) || length > decoder->budget ||
	    !decoder_is_mostly(decoder, length))
		return NULL;
	memory = *decoder->memory;
	rest = malloc((size_t)(decoder->start - memory) + dist_decoder_left(decoder) -
	              length + 1);
	if (!rest)
		return NULL;
	*ret_at = dist_decoder_at(decoder);
	decoder_move_rest(decoder, rest, length);
	decoder->budget -= length;
	return memory;
}

void *
dist_xdr_allocate(XDR *xdrs, size_t size)
{
	struct dist_decoder *decoder = dist_decoder_of(xdrs);
	void *memory;

	if (decoder && size > decoder->budget) {
		decoder->over_budget = true;
		return NULL;
	}
	memory = dist_large_alloc(size);
	if (!decoder)
		return memory;
	if (memory)
		decoder->budget -= size;
	else
		decoder->no_memory = true;
	return memory;
}
