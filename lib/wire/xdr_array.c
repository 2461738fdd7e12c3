/*
 * Arrays, RFC 4506 sections 4.12 and 4.13. The count on the wire is a claim; memory is
 * taken only for what can be there. On a stream of ours that is known beforehand: each
 * element is at least a word on the wire. On another's it is not, so the array grows as
 * its elements arrive, and a claim costs twice what arrived at most.
 */
#define DIST_XDR_NO_MAPPING
#include <dist/xdr.h>

#include "wire/xdr.h"

#include "base/cleanup.h"
#include "wire/xdr_swap.h"

#include <limits.h>
#include <stdlib.h>

/* The least that an element takes on the wire: no type of rpcgen's takes less. */
#define ELEMENT_WIRE_MIN 4
/* The first piece of an array whose length nobody can vouch for. */
#define PIECE_BYTES ((size_t)1024 * 1024)
/* What is converted at once on another's stream: less than its buffer holds. */
#define CHUNK_BYTES ((size_t)512)
/* Elements converted one by one where a chunk was not to be had, before the next try.
 */
#define CHUNK_RETRY 16

struct array {
	size_t size; /* of an element in memory */
	xdrproc_t xdr;
	unsigned width; /* of an element that is a number, in both places; 0: not one */
};

/* Numbers of one width, whose wire format is their memory with the bytes swapped. */
static const xdrproc_t words[] = {
	(xdrproc_t)xdr_int,     (xdrproc_t)xdr_u_int,     (xdrproc_t)xdr_float,
	(xdrproc_t)xdr_int32_t, (xdrproc_t)xdr_u_int32_t, (xdrproc_t)xdr_uint32_t,
	(xdrproc_t)xdr_enum,
};
static const xdrproc_t hypers[] = {
	(xdrproc_t)xdr_double,       (xdrproc_t)xdr_quad_t,   (xdrproc_t)xdr_u_quad_t,
	(xdrproc_t)xdr_hyper,        (xdrproc_t)xdr_u_hyper,  (xdrproc_t)xdr_int64_t,
	(xdrproc_t)xdr_u_int64_t,    (xdrproc_t)xdr_uint64_t, (xdrproc_t)xdr_longlong_t,
	(xdrproc_t)xdr_u_longlong_t,
};

static bool
is_among(xdrproc_t xdr, const xdrproc_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == xdr)
			return true;
	}
	return false;
}

static inline struct array
array_of(u_int size, xdrproc_t xdr)
{
	struct array array = { .size = size, .xdr = xdr };

	if (size == 4 && is_among(xdr, words, DIST_ARRAY_SIZE(words)))
		array.width = 4;
	else if (size == 8 && is_among(xdr, hypers, DIST_ARRAY_SIZE(hypers)))
		array.width = 8;
	return array;
}

/* --- Elements -------------------------------------------------------------------- */

static bool
each_element(XDR *xdrs, const struct array *array, char *elements, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!array->xdr(xdrs, elements + i * array->size))
			return false;
	}
	return true;
}

static void
run_swap(unsigned width, void *to, const void *from, size_t n)
{
	if (width == 4)
		dist_swap_words(to, from, n);
	else
		dist_swap_hypers(to, from, n);
}

/* Numbers on another's stream, as many at once as it lends its buffer for. */
static bool
run_by_chunks(XDR *xdrs, const struct array *array, char *elements, size_t n)
{
	size_t chunk;
	void *wire;

	for (; n > 0; n -= chunk, elements += chunk * array->size) {
		chunk = DIST_MIN(n, CHUNK_BYTES / array->width);
		wire = XDR_INLINE(xdrs, (u_int)(chunk * array->width));
		if (!wire) {
			chunk = DIST_MIN(n, CHUNK_RETRY);
			if (!each_element(xdrs, array, elements, chunk))
				return false;
		} else if (xdrs->x_op == XDR_ENCODE) {
			run_swap(array->width, wire, elements, chunk);
		} else {
			run_swap(array->width, elements, wire, chunk);
		}
	}
	return true;
}

/* Numbers, in one go where the stream is ours. */
static bool
run_convert(XDR *xdrs, const struct array *array, char *elements, size_t n)
{
	struct dist_decoder *decoder = dist_decoder_of(xdrs);
	struct dist_encoder *encoder = dist_encoder_of(xdrs);
	const uint8_t *from;
	uint8_t *to;

	if (decoder) {
		from = dist_decoder_take(decoder, n * array->width);
		if (from)
			run_swap(array->width, elements, from, n);
		return from != NULL;
	}
	if (encoder) {
		to = dist_encoder_reserve(encoder, n * array->width);
		if (to)
			run_swap(array->width, to, elements, n);
		return to != NULL;
	}
	return run_by_chunks(xdrs, array, elements, n);
}

static bool
elements_convert(XDR *xdrs, const struct array *array, char *elements, size_t n)
{
	if (array->width && xdrs->x_op == XDR_FREE)
		return true;
	if (array->width)
		return run_convert(xdrs, array, elements, n);
	return each_element(xdrs, array, elements, n);
}

/* --- Arrays ---------------------------------------------------------------------- */

/* The bound of the type, and libtirpc's: an array's bytes are counted by an unsigned.
 */
static bool
is_count_allowed(const struct array *array, u_int n, u_int max)
{
	return n <= max && (uint64_t)n * array->size <= UINT_MAX;
}

/* The count and its numbers in one piece: most arrays are short. */
static bool
array_encode_run(struct dist_encoder *encoder, const struct array *array,
                 const char *elements, u_int n)
{
	uint8_t *to = dist_encoder_reserve(encoder, 4 + (size_t)n * array->width);

	if (!to)
		return false;
	dist_store_be32(to, n);
	run_swap(array->width, to + 4, elements, n);
	return true;
}

static bool
array_encode(XDR *xdrs, const struct array *array, char *elements, u_int n)
{
	struct dist_encoder *encoder = array->width ? dist_encoder_of(xdrs) : NULL;

	if (n > 0 && !elements)
		return false;
	if (encoder)
		return array_encode_run(encoder, array, elements, n);
	return dist_xdr_put_word(xdrs, n) && elements_convert(xdrs, array, elements, n);
}

static bool
array_decode_ours(struct dist_decoder *decoder, const struct array *array,
                  char **elements, u_int n)
{
	size_t wire = array->width ? array->width : ELEMENT_WIRE_MIN;

	if ((uint64_t)n * wire > dist_decoder_left(decoder))
		return false;
	*elements = dist_xdr_allocate(&decoder->xdr, n * array->size);
	if (!*elements)
		return false;
	if (!array->width)
		memset(*elements, 0, n * array->size);
	return elements_convert(&decoder->xdr, array, *elements, n);
}

/* Makes *@elements hold @n_wanted, the new ones zeroed. */
static bool
array_grow(const struct array *array, char **elements, u_int *n_elements,
           size_t n_wanted)
{
	char *grown = realloc(*elements, n_wanted * array->size);

	if (!grown)
		return false;
	memset(grown + *n_elements * array->size, 0,
	       (n_wanted - *n_elements) * array->size);
	*elements = grown;
	*n_elements = (u_int)n_wanted;
	return true;
}

/* *@n_elements is what the array holds at any time, for xdr_free() after a failure. */
static bool
array_decode_pieces(XDR *xdrs, const struct array *array, char **elements,
                    u_int *n_elements, u_int n)
{
	size_t done = 0, wanted = DIST_MAX(PIECE_BYTES / DIST_MAX(array->size, 1), 1);

	*n_elements = 0;
	while (done < n) {
		wanted = DIST_MIN(wanted, n);
		if (!array_grow(array, elements, n_elements, wanted) ||
		    !elements_convert(xdrs, array, *elements + done * array->size,
		                      wanted - done))
			return false;
		done = wanted;
		wanted *= 2;
	}
	return true;
}

static bool
array_decode(XDR *xdrs, const struct array *array, char **elements, u_int *n_elements,
             u_int max)
{
	struct dist_decoder *decoder = dist_decoder_of(xdrs);
	u_int n;

	if (!dist_xdr_get_word(xdrs, &n) || !is_count_allowed(array, n, max))
		return false;
	if (n > 0 && !*elements && !decoder)
		return array_decode_pieces(xdrs, array, elements, n_elements, n);

	if (n == 0 || *elements) {
		*n_elements = n;
		return elements_convert(xdrs, array, *elements, n);
	}
	if (array_decode_ours(decoder, array, elements, n)) {
		*n_elements = n;
		return true;
	}
	*n_elements = *elements ? n : 0;
	return false;
}

static bool
array_free(XDR *xdrs, const struct array *array, char **elements, u_int n)
{
	bool fine;

	if (!*elements)
		return true;
	fine = elements_convert(xdrs, array, *elements, n);
	free(*elements);
	*elements = NULL;
	return fine;
}

bool_t
dist_xdr_array(XDR *xdrs, char **elements, u_int *n_elements, u_int max_elements,
               u_int element_size, xdrproc_t xdr_element)
{
	struct array array = array_of(element_size, xdr_element);

	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return is_count_allowed(&array, *n_elements, max_elements) &&
		       array_encode(xdrs, &array, *elements, *n_elements);
	case XDR_DECODE:
		return array_decode(xdrs, &array, elements, n_elements, max_elements);
	case XDR_FREE:
		return array_free(xdrs, &array, elements, *n_elements);
	}
	return FALSE;
}

bool_t
dist_xdr_vector(XDR *xdrs, char *elements, u_int n_elements, u_int element_size,
                xdrproc_t xdr_element)
{
	struct array array = array_of(element_size, xdr_element);

	return elements_convert(xdrs, &array, elements, n_elements);
}
