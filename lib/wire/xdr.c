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

#include <stdlib.h>

/* The smallest piece of heap an encoder moves to. */
#define ENCODER_FIRST_HEAP ((size_t)512)

/* The real stack also where a sanitizer keeps locals elsewhere. */
#define STACK_HERE ((const char *)__builtin_frame_address(0))

/* The stack grows down on all that Linux runs on; above its start nothing is deep. */
static bool
stack_is_deep(const char *start, const char *here)
{
	return here < start && (size_t)(start - here) > DIST_XDR_STACK_MAX;
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

static bool
encoder_grow(struct dist_encoder *encoder, size_t needed)
{
	size_t capacity = DIST_MAX(2 * encoder->capacity, ENCODER_FIRST_HEAP);
	uint8_t *data;

	capacity = DIST_MIN(DIST_MAX(capacity, needed), encoder->max);
	data = realloc(encoder->on_heap ? encoder->data : NULL, capacity);
	if (!data) {
		encoder->no_memory = true;
		return false;
	}
	if (!encoder->on_heap && encoder->length > 0)
		memcpy(data, encoder->data, encoder->length);
	encoder->data = data;
	encoder->capacity = capacity;
	encoder->on_heap = true;
	return true;
}

uint8_t *
dist_encoder_reserve(struct dist_encoder *encoder, size_t length)
{
	uint8_t *room;

	if (length > encoder->capacity - encoder->length) {
		if (length > encoder->max - encoder->length) {
			encoder->too_big = true;
			return NULL;
		}
		if (!encoder_grow(encoder, encoder->length + length))
			return NULL;
	}
	room = encoder->data + encoder->length;
	encoder->length += length;
	return room;
}

/* The same for the stream's functions, which may have come far down the stack. */
static uint8_t *
encoder_room(XDR *xdrs, size_t length, const char *here)
{
	struct dist_encoder *encoder = (struct dist_encoder *)xdrs;

	if (stack_is_deep(encoder->stack_start, here)) {
		encoder->too_deep = true;
		return NULL;
	}
	return dist_encoder_reserve(encoder, length);
}

static bool_t
encoder_putlong(XDR *xdrs, const long *value)
{
	uint8_t *room = encoder_room(xdrs, 4, STACK_HERE);

	if (!room)
		return FALSE;
	dist_store_be32(room, (uint32_t)*value);
	return TRUE;
}

static bool_t
encoder_putbytes(XDR *xdrs, const char *bytes, u_int length)
{
	uint8_t *room = encoder_room(xdrs, length, STACK_HERE);

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
	uint8_t *room = encoder_room(xdrs, length, STACK_HERE);

	if (room && !aligned(room)) {
		encoder->length -= length;
		return NULL;
	}
	return (int32_t *)(void *)room;
}

static u_int
encoder_getpostn(XDR *xdrs)
{
	return (u_int)((struct dist_encoder *)xdrs)->length;
}

/* Back to patch a word, and forward again: x_handy remembers how far it was. */
static bool_t
encoder_setpostn(XDR *xdrs, u_int position)
{
	struct dist_encoder *encoder = (struct dist_encoder *)xdrs;

	if (encoder->length > xdrs->x_handy)
		xdrs->x_handy = (u_int)encoder->length;
	if (position > xdrs->x_handy)
		return FALSE;
	encoder->length = position;
	return TRUE;
}

static const struct xdr_ops encoder_ops = {
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
	*encoder = (struct dist_encoder){
		.xdr = { .x_op = XDR_ENCODE, .x_ops = &encoder_ops },
		.data = first,
		.capacity = DIST_MIN(first_size, max),
		.max = DIST_MIN(max, (size_t)UINT32_MAX),
		.stack_start = STACK_HERE,
	};
}

void
dist_encoder_fini(struct dist_encoder *encoder)
{
	if (encoder->on_heap)
		free(encoder->data);
	encoder->data = NULL;
	encoder->on_heap = false;
	encoder->length = encoder->capacity = 0;
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
	size_t before = encoder->length;
	enum dist_err err;

	encoder->no_memory = encoder->too_big = encoder->too_deep = false;
	encoder->stack_start = STACK_HERE;
	if (xdr(&encoder->xdr, (void *)value))
		return DIST_OK;

	err = encoder_error(encoder);
	encoder->length = before;
	return err;
}

/* --- Decoding -------------------------------------------------------------------- */

/* The next bytes, for the stream's functions, which may have come far down the stack.
 */
static const uint8_t *
decoder_bytes(XDR *xdrs, size_t length, const char *here)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	if (stack_is_deep(decoder->stack_start, here)) {
		decoder->too_deep = true;
		return NULL;
	}
	return dist_decoder_take(decoder, length);
}

/* Not sign-extended: so do libtirpc's streams, and IXDR_GET_LONG. */
static bool_t
decoder_getlong(XDR *xdrs, long *value)
{
	const uint8_t *bytes = decoder_bytes(xdrs, 4, STACK_HERE);

	if (!bytes)
		return FALSE;
	*value = (long)dist_load_be32(bytes);
	return TRUE;
}

static bool_t
decoder_getbytes(XDR *xdrs, char *to, u_int length)
{
	const uint8_t *bytes = decoder_bytes(xdrs, length, STACK_HERE);

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

	if (!aligned(decoder->at))
		return NULL;
	return (int32_t *)(uintptr_t)decoder_bytes(xdrs, length, STACK_HERE);
}

static u_int
decoder_getpostn(XDR *xdrs)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	return (u_int)(decoder->at - decoder->start);
}

static bool_t
decoder_setpostn(XDR *xdrs, u_int position)
{
	struct dist_decoder *decoder = (struct dist_decoder *)xdrs;

	if (position > (size_t)(decoder->end - decoder->start))
		return FALSE;
	decoder->at = decoder->start + position;
	return TRUE;
}

static const struct xdr_ops decoder_ops = {
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

	*decoder = (struct dist_decoder){
		.xdr = { .x_op = XDR_DECODE, .x_ops = &decoder_ops },
		.start = data,
		.at = data,
		.end = data + record.length,
		.budget = budget,
		.stack_start = STACK_HERE,
	};
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
			(size_t)(decoder->end - decoder->start));
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
		(size_t)(decoder->end - decoder->start),
		(size_t)(decoder->at - decoder->start));
}

enum dist_err
dist_decoder_get(struct dist_decoder *decoder, xdrproc_t xdr, void *value)
{
	XDR freeing = { .x_op = XDR_FREE };

	decoder->over_budget = decoder->no_memory = decoder->too_deep = false;
	decoder->stack_start = STACK_HERE;
	if (xdr(&decoder->xdr, value))
		return DIST_OK;

	xdr(&freeing, value);
	return decoder_error(decoder);
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
	memory = malloc(DIST_MAX(size, 1));
	if (!decoder)
		return memory;
	if (memory)
		decoder->budget -= size;
	else
		decoder->no_memory = true;
	return memory;
}

/* Where memory is freed there is no stream: then not even x_ops is set. */

struct dist_decoder *
dist_decoder_of(XDR *xdrs)
{
	if (xdrs->x_op != XDR_DECODE || xdrs->x_ops != &decoder_ops)
		return NULL;
	return (struct dist_decoder *)xdrs;
}

struct dist_encoder *
dist_encoder_of(XDR *xdrs)
{
	if (xdrs->x_op != XDR_ENCODE || xdrs->x_ops != &encoder_ops)
		return NULL;
	return (struct dist_encoder *)xdrs;
}
