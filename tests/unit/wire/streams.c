#include "wire/streams.h"

#include "wire/xdr.h"

#include "base/cleanup.h"
#include "support/check.h"

#include <stdlib.h>

/* What an xdrrec stream writes to and reads from, in pieces that cut everywhere. */
struct pipe {
	uint8_t bytes[2 * WIRE_MAX];
	size_t length, at;
};

static int
pipe_read(void *arg, void *to, int length)
{
	struct pipe *pipe = arg;
	size_t n = DIST_MIN((size_t)length, DIST_MIN(pipe->length - pipe->at, 1237));

	memcpy(to, pipe->bytes + pipe->at, n);
	pipe->at += n;
	return n > 0 ? (int)n : -1;
}

static int
pipe_write(void *arg, void *from, int length)
{
	struct pipe *pipe = arg;

	memcpy(pipe->bytes + pipe->length, from, (size_t)length);
	pipe->length += (size_t)length;
	return length;
}

/* The record in @pipe, its fragments joined. */
static size_t
pipe_join(const struct pipe *pipe, uint8_t *to)
{
	size_t length = 0, at = 0, fragment;

	while (at < pipe->length) {
		fragment = dist_load_be32(pipe->bytes + at) & 0x7fffffff;
		memcpy(to + length, pipe->bytes + at + 4, fragment);
		length += fragment;
		at += 4 + fragment;
	}
	return length;
}

static size_t
encode_ours(convert_fn *convert, void *value, uint8_t *wire, bool unaligned)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;

	dist_encoder_init(&encoder, wire + unaligned, 64, WIRE_MAX);
	assert_true(convert(&encoder.xdr, value));
	memmove(wire, encoder.data, dist_encoder_length(&encoder));
	return dist_encoder_length(&encoder);
}

static size_t
encode_memory(convert_fn *convert, void *value, uint8_t *wire, bool unaligned)
{
	size_t length;
	XDR xdrs;

	xdrmem_create(&xdrs, (char *)wire + unaligned, WIRE_MAX, XDR_ENCODE);
	assert_true(convert(&xdrs, value));
	length = xdr_getpos(&xdrs);
	memmove(wire, wire + unaligned, length);
	return length;
}

static size_t
encode_record(convert_fn *convert, void *value, uint8_t *wire)
{
	struct pipe pipe = { .length = 0 };
	XDR xdrs;

	xdrrec_create(&xdrs, 1000, 1000, &pipe, pipe_read, pipe_write);
	xdrs.x_op = XDR_ENCODE;
	assert_true(convert(&xdrs, value));
	assert_true(xdrrec_endofrecord(&xdrs, TRUE));
	xdr_destroy(&xdrs);
	return pipe_join(&pipe, wire);
}

static size_t
encode_stdio(convert_fn *convert, void *value, uint8_t *wire)
{
	FILE *file = fmemopen(wire, WIRE_MAX, "w");
	size_t length;
	XDR xdrs;

	assert_non_null(file);
	xdrstdio_create(&xdrs, file, XDR_ENCODE);
	assert_true(convert(&xdrs, value));
	length = xdr_getpos(&xdrs);
	xdr_destroy(&xdrs);
	assert_int_equal(fclose(file), 0);
	return length;
}

size_t
encode(enum stream stream, convert_fn *convert, void *value, uint8_t *wire)
{
	switch (stream) {
	case OURS:
	case OURS_UNALIGNED:
		return encode_ours(convert, value, wire, stream == OURS_UNALIGNED);
	case MEMORY:
	case MEMORY_UNALIGNED:
		return encode_memory(convert, value, wire, stream == MEMORY_UNALIGNED);
	case RECORD:
		return encode_record(convert, value, wire);
	case STDIO:
		return encode_stdio(convert, value, wire);
	case N_STREAMS:
		break;
	}
	fail();
	return 0;
}

static bool
decode_ours(convert_fn *convert, void *value, const uint8_t *wire, size_t length)
{
	struct dist_decoder decoder;

	dist_decoder_init(&decoder, (struct dist_bytes){ wire, length }, SIZE_MAX);
	return convert(&decoder.xdr, value);
}

static bool
decode_memory(convert_fn *convert, void *value, uint8_t *wire, size_t length)
{
	XDR xdrs;

	xdrmem_create(&xdrs, (char *)wire, (u_int)length, XDR_DECODE);
	return convert(&xdrs, value);
}

static bool
decode_record(convert_fn *convert, void *value, const uint8_t *wire, size_t length)
{
	struct pipe pipe = { .length = 4 + length };
	bool fine;
	XDR xdrs;

	dist_store_be32(pipe.bytes, 0x80000000u | (uint32_t)length);
	memcpy(pipe.bytes + 4, wire, length);
	xdrrec_create(&xdrs, 1000, 1000, &pipe, pipe_read, pipe_write);
	xdrs.x_op = XDR_DECODE;
	assert_true(xdrrec_skiprecord(&xdrs));
	fine = convert(&xdrs, value);
	xdr_destroy(&xdrs);
	return fine;
}

/* fmemopen() of no bytes is an error; of a byte more, not to be read, it is not. */
static bool
decode_stdio(convert_fn *convert, void *value, uint8_t *wire, size_t length)
{
	FILE *file = fmemopen(wire, length > 0 ? length : 1, "r");
	bool fine;
	XDR xdrs;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, length > 0 ? SEEK_SET : SEEK_END), 0);
	xdrstdio_create(&xdrs, file, XDR_DECODE);
	fine = convert(&xdrs, value);
	xdr_destroy(&xdrs);
	fclose(file);
	return fine;
}

bool
decode(enum stream stream, convert_fn *convert, void *value, const uint8_t *wire,
       size_t length)
{
	bool unaligned = stream == OURS_UNALIGNED || stream == MEMORY_UNALIGNED;
	uint8_t *memory = malloc(unaligned + length + !length), *at;
	bool fine = false;

	assert_non_null(memory);
	at = memory + unaligned;
	memcpy(at, wire, length);
	switch (stream) {
	case OURS:
	case OURS_UNALIGNED:
		fine = decode_ours(convert, value, at, length);
		break;
	case MEMORY:
	case MEMORY_UNALIGNED:
		fine = decode_memory(convert, value, at, length);
		break;
	case RECORD:
		fine = decode_record(convert, value, at, length);
		break;
	case STDIO:
		fine = decode_stdio(convert, value, at, length);
		break;
	case N_STREAMS:
		fail();
	}
	free(memory);
	return fine;
}
