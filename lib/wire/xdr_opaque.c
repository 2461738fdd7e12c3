/*
 * Opaque data and strings, RFC 4506 sections 4.9 to 4.11: bytes, padded with zeros to
 * whole words. A length on the wire is a claim, as a count is in xdr_array.c.
 */
#define DIST_XDR_NO_MAPPING
#include <dist/xdr.h>

#include "wire/xdr.h"

#include "base/cleanup.h"
#include "base/copy.h"
#include "base/large.h"
#include "wire/xdr_word.h"

#include <limits.h>
#include <stdlib.h>

/* The first piece of what comes from a stream that cannot tell what it holds. */
#define PIECE_BYTES ((size_t)1024 * 1024)

static size_t
padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Whole words, at least one: the last is zeros where the bytes leave it so. */
static void
opaque_store(uint8_t *to, const char *bytes, size_t length)
{
	dist_store_be32(to + padded(length) - 4, 0);
	dist_copy(to, bytes, length);
}

static bool
opaque_encode(XDR *xdrs, const char *bytes, size_t length)
{
	struct dist_encoder *encoder = dist_encoder_of(xdrs);
	size_t padding = padded(length) - length;
	uint8_t *room;

	if (length == 0)
		return true;
	if (!bytes)
		return false;
	if (!encoder)
		return XDR_PUTBYTES(xdrs, bytes, (u_int)length) &&
		       (padding == 0 || XDR_PUTBYTES(xdrs, "\0\0\0", (u_int)padding));

	room = dist_encoder_reserve(encoder, length + padding);
	if (room)
		opaque_store(room, bytes, length);
	return room != NULL;
}

/* The length and the bytes, in one piece where that can be: most are short. */
static bool
counted_encode(XDR *xdrs, const char *bytes, size_t length)
{
	struct dist_encoder *encoder = dist_encoder_of(xdrs);
	uint8_t *room;

	if (!encoder || length == 0 || !bytes)
		return dist_word_put32(xdrs, (uint32_t)length) &&
		       opaque_encode(xdrs, bytes, length);
	room = dist_encoder_reserve(encoder, 4 + padded(length));
	if (!room)
		return false;
	dist_store_be32(room, (uint32_t)length);
	opaque_store(room + 4, bytes, length);
	return true;
}

static bool
padding_skip(XDR *xdrs, size_t length)
{
	size_t padding = padded(length) - length;
	char thrown_away[4];

	return padding == 0 || XDR_GETBYTES(xdrs, thrown_away, (u_int)padding);
}

static bool
opaque_decode(XDR *xdrs, char *bytes, size_t length)
{
	struct dist_decoder *decoder = dist_decoder_of(xdrs);
	const uint8_t *from;

	if (length == 0)
		return true;
	if (!decoder)
		return XDR_GETBYTES(xdrs, bytes, (u_int)length) &&
		       padding_skip(xdrs, length);

	from = dist_decoder_take(decoder, padded(length));
	if (from)
		dist_copy(bytes, from, length);
	return from != NULL;
}

/* From another's stream, growing as they arrive; *@ret_bytes is the caller's to free.
 */
static bool
opaque_decode_pieces(XDR *xdrs, char **ret_bytes, size_t length, size_t extra)
{
	size_t done = 0, wanted = DIST_MIN(length, PIECE_BYTES);
	char *grown;

	do {
		grown = *ret_bytes ? dist_large_grow(*ret_bytes, done, wanted + extra)
		                   : dist_large_alloc(wanted + extra);
		if (!grown)
			return false;
		*ret_bytes = grown;
		if (wanted > done &&
		    !XDR_GETBYTES(xdrs, grown + done, (u_int)(wanted - done)))
			return false;
		done = wanted;
		wanted = DIST_MIN(length, 2 * wanted);
	} while (done < length);
	return padding_skip(xdrs, length);
}

/* Into the memory that the record lies in; the count before it leaves room for a NUL.
 */
static bool
opaque_decode_in_place(struct dist_decoder *decoder, char **ret_bytes, size_t length)
{
	const uint8_t *from;
	char *memory = dist_decoder_seize(decoder, padded(length), &from);

	if (!memory)
		return false;
	memmove(memory, from, length);
	*ret_bytes = memory;
	return true;
}

/* Into new memory of @length bytes and @extra; nothing is left of it on failure. */
static bool
opaque_decode_new(XDR *xdrs, char **ret_bytes, size_t length, size_t extra)
{
	struct dist_decoder *decoder = dist_decoder_of(xdrs);
	char *bytes = NULL;

	if (!decoder) {
		if (!opaque_decode_pieces(xdrs, &bytes, length, extra)) {
			free(bytes);
			return false;
		}
		*ret_bytes = bytes;
		return true;
	}
	if (padded(length) > dist_decoder_left(decoder))
		return false;
	if (opaque_decode_in_place(decoder, ret_bytes, length))
		return true;
	bytes = dist_xdr_allocate(xdrs, length + extra);
	if (!bytes)
		return false;
	*ret_bytes = bytes;
	return opaque_decode(xdrs, bytes, length);
}

bool_t
dist_xdr_opaque(XDR *xdrs, char *bytes, u_int n_bytes)
{
	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return opaque_encode(xdrs, bytes, n_bytes);
	case XDR_DECODE:
		return opaque_decode(xdrs, bytes, n_bytes);
	case XDR_FREE:
		return TRUE;
	}
	return FALSE;
}

static bool
bytes_decode(XDR *xdrs, char **bytes, u_int *n_bytes, u_int max)
{
	u_int length;

	if (!dist_word_get32(xdrs, &length) || length > max)
		return false;
	*n_bytes = length;
	if (length == 0)
		return true;
	if (*bytes)
		return opaque_decode(xdrs, *bytes, length);
	return opaque_decode_new(xdrs, bytes, length, 0);
}

bool_t
dist_xdr_bytes(XDR *xdrs, char **bytes, u_int *n_bytes, u_int max_bytes)
{
	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return *n_bytes <= max_bytes && counted_encode(xdrs, *bytes, *n_bytes);
	case XDR_DECODE:
		return bytes_decode(xdrs, bytes, n_bytes, max_bytes);
	case XDR_FREE:
		if (*n_bytes < DIST_LARGE_MIN)
			free(*bytes);
		else
			dist_large_free(*bytes);
		*bytes = NULL;
		return TRUE;
	}
	return FALSE;
}

static bool
string_encode(XDR *xdrs, const char *string, u_int max)
{
	size_t length;

	if (!string)
		return false;
	length = strlen(string);
	return length <= max && counted_encode(xdrs, string, length);
}

static bool
string_decode(XDR *xdrs, char **string, u_int max)
{
	u_int length;

	if (!dist_word_get32(xdrs, &length) || length > max || length == UINT_MAX)
		return false;
	if (*string ? !opaque_decode(xdrs, *string, length)
	            : !opaque_decode_new(xdrs, string, length, 1))
		return false;
	(*string)[length] = '\0';
	return true;
}

bool_t
dist_xdr_string(XDR *xdrs, char **string, u_int max_bytes)
{
	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return string_encode(xdrs, *string, max_bytes);
	case XDR_DECODE:
		return string_decode(xdrs, string, max_bytes);
	case XDR_FREE:
		free(*string);
		*string = NULL;
		return TRUE;
	}
	return FALSE;
}

bool_t
dist_xdr_wrapstring(XDR *xdrs, char **string)
{
	return dist_xdr_string(xdrs, string, UINT_MAX);
}
