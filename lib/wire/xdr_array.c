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
#include "base/large.h"
#include "wire/xdr_swap.h"
#include "wire/xdr_word.h"

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

/* --- Which are numbers ------------------------------------------------------------ */

/* Ours, to which <dist/xdr.h> maps, and libtirpc's. */
#define ROUTINES(name) (xdrproc_t) dist_xdr_##name, (xdrproc_t)xdr_##name

/* Numbers of one width, whose wire format is their memory with the bytes swapped. */
static const xdrproc_t words[] = {
	ROUTINES(int),       ROUTINES(u_int),    ROUTINES(float), ROUTINES(int32_t),
	ROUTINES(u_int32_t), ROUTINES(uint32_t), ROUTINES(enum),
};
static const xdrproc_t hypers[] = {
	ROUTINES(double),       ROUTINES(quad_t),   ROUTINES(u_quad_t),
	ROUTINES(hyper),        ROUTINES(u_hyper),  ROUTINES(int64_t),
	ROUTINES(u_int64_t),    ROUTINES(uint64_t), ROUTINES(longlong_t),
	ROUTINES(u_longlong_t),
};

/*
 * Where they lie is known from the start of the program on, so a short array of structs
 * is not compared with each of them. Before that, all elements are converted one by one.
 */
#define N_SLOTS 128
static struct slot {
	xdrproc_t xdr;
	unsigned width;
} slots[N_SLOTS];

static inline unsigned
slot_of(xdrproc_t xdr)
{
	return (unsigned)((uint64_t)(uintptr_t)xdr * 0x9e3779b97f4a7c15u >> 57);
}

static void
slot_fill(xdrproc_t xdr, unsigned width)
{
	unsigned i = slot_of(xdr);

	while (slots[i].xdr)
		i = (i + 1) % N_SLOTS;
	slots[i] = (struct slot){ xdr, width };
}

static __attribute__((constructor)) void
slots_fill(void)
{
	for (size_t i = 0; i < DIST_ARRAY_SIZE(words); i++)
		slot_fill(words[i], 4);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(hypers); i++)
		slot_fill(hypers[i], 8);
}

/* The width of the number that @xdr is for; 0: it is for something else. */
static inline unsigned
number_width(xdrproc_t xdr)
{
	unsigned i = slot_of(xdr);

	while (slots[i].xdr != xdr) {
		if (!slots[i].xdr)
			return 0;
		i = (i + 1) % N_SLOTS;
	}
	return slots[i].width;
}

static inline struct array
array_of(u_int size, xdrproc_t xdr)
{
	struct array array = { .size = size, .xdr = xdr };
	unsigned width = xdr ? number_width(xdr) : 0;

	if (width == size)
		array.width = width;
	return array;
}

/* --- Elements -------------------------------------------------------------------- */

static bool
each_element(XDR *xdrs, const struct array *array, char *elements, size_t n)
{
	xdrproc_t xdr = array->xdr;
	size_t size = array->size;

	for (; n > 0; n--, elements += size) {
		if (!xdr(xdrs, elements))
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
	return dist_word_put32(xdrs, n) && elements_convert(xdrs, array, elements, n);
}

/* Numbers, into the memory that their record lies in. */
static bool
array_decode_in_place(struct dist_decoder *decoder, const struct array *array,
                      char **elements, u_int n)
{
	const uint8_t *from;
	void *memory = dist_decoder_seize(decoder, (size_t)n * array->width, &from);

	if (!memory)
		return false;
	run_swap(array->width, memory, from, n);
	*elements = memory;
	return true;
}

static bool
array_decode_ours(struct dist_decoder *decoder, const struct array *array,
                  char **elements, u_int n)
{
	size_t wire = array->width ? array->width : ELEMENT_WIRE_MIN;

	if ((uint64_t)n * wire > dist_decoder_left(decoder))
		return false;
	if (array->width && array_decode_in_place(decoder, array, elements, n))
		return true;
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
	size_t used = *n_elements * array->size, size = n_wanted * array->size;
	char *grown = *elements ? dist_large_grow(*elements, used, size)
	                        : dist_large_alloc(size);

	if (!grown)
		return false;
	memset(grown + used, 0, size - used);
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

	if (!dist_word_get32(xdrs, &n) || !is_count_allowed(array, n, max))
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
	if ((size_t)n * array->size < DIST_LARGE_MIN)
		free(*elements);
	else
		dist_large_free(*elements);
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
