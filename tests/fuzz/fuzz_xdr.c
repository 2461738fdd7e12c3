/*
 * Arguments and results of the registry's own protocol, and types that bite: lists,
 * arrays of arrays, numbers of each width. The first byte picks the type. What decodes,
 * encodes to what decodes to the same; another's stream decodes it alike; a failure
 * leaves nothing allocated, which a sanitizer sees. Only what is nested nearly as deep as
 * may be need not encode, since the two ways take different steps of the stack.
 */
#include <dist/xdr.h>

#include "wire/xdr.h"

#include "base/cleanup.h"
#include "fuzz.h"
#include "idl/node.h"
#include "idl/registry.h"

#define ENCODED_MAX ((size_t)64 << 20)

struct list {
	int value;
	struct list *next;
};

static bool_t
xdr_list(XDR *xdrs, struct list *list)
{
	return xdr_int(xdrs, &list->value) &&
	       xdr_pointer(xdrs, (char **)&list->next, sizeof(struct list),
	                   (xdrproc_t)xdr_list);
}

struct numbers {
	u_int n_words, n_hypers, n_doubles, n_shorts, n_bytes;
	int *words;
	quad_t *hypers;
	double *doubles;
	short *shorts;
	char *bytes;
	float fixed[3];
};

static bool_t
xdr_numbers(XDR *xdrs, struct numbers *numbers)
{
	return xdr_array(xdrs, (char **)&numbers->words, &numbers->n_words, ~0u, 4,
	                 (xdrproc_t)xdr_int) &&
	       xdr_array(xdrs, (char **)&numbers->hypers, &numbers->n_hypers, 100, 8,
	                 (xdrproc_t)xdr_quad_t) &&
	       xdr_array(xdrs, (char **)&numbers->doubles, &numbers->n_doubles, ~0u, 8,
	                 (xdrproc_t)xdr_double) &&
	       xdr_array(xdrs, (char **)&numbers->shorts, &numbers->n_shorts, ~0u, 2,
	                 (xdrproc_t)xdr_short) &&
	       xdr_bytes(xdrs, &numbers->bytes, &numbers->n_bytes, ~0u) &&
	       xdr_vector(xdrs, (char *)numbers->fixed, 3, 4, (xdrproc_t)xdr_float);
}

struct nest {
	u_int n;
	struct nest *nests;
};

/* struct nest { nest nests<>; }: as deep as it is long. */
static bool_t
xdr_nest(XDR *xdrs, struct nest *nest)
{
	return xdr_array(xdrs, (char **)&nest->nests, &nest->n, ~0u,
	                 sizeof(struct nest), (xdrproc_t)xdr_nest);
}

static const xdrproc_t types[] = {
	(xdrproc_t)xdr_list,
	(xdrproc_t)xdr_numbers,
	(xdrproc_t)xdr_nest,
	(xdrproc_t)xdr_wrapstring,
	(xdrproc_t)xdr_dist_registration,
	(xdrproc_t)xdr_dist_registered,
	(xdrproc_t)xdr_dist_heartbeat,
	(xdrproc_t)xdr_dist_watch,
	(xdrproc_t)xdr_dist_view,
	(xdrproc_t)xdr_dist_stats_result,
	(xdrproc_t)xdr_dist_ping_result,
};

union value {
	struct list list;
	struct numbers numbers;
	struct nest nest;
	char *text;
	dist_registration registration;
	dist_registered registered;
	dist_heartbeat heartbeat;
	dist_watch watch;
	dist_view view;
	dist_stats_result stats;
	dist_ping_result ping_result;
};

/*
 * @value must encode to the bytes in @expected, or, where it is NULL, gives them. False:
 * it is nested too deep for that.
 */
static bool
encode(xdrproc_t type, union value *value, struct dist_encoder *encoder,
       const struct dist_encoder *expected)
{
	dist_encoder_init(encoder, NULL, 0, ENCODED_MAX);
	if (dist_encoder_put(encoder, type, value) != DIST_OK) {
		FUZZ_CHECK(encoder->too_deep);
		return false;
	}
	if (!expected)
		return true;
	FUZZ_CHECK(dist_encoder_length(encoder) == dist_encoder_length(expected));
	FUZZ_CHECK(dist_encoder_length(encoder) == 0 ||
	           memcmp(encoder->data, expected->data, dist_encoder_length(encoder)) == 0);
	return true;
}

static void
decode_again(xdrproc_t type, const struct dist_encoder *encoded)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;
	union value value;

	memset(&value, 0, sizeof(value));
	dist_decoder_init(&decoder,
	                  (struct dist_bytes){ encoded->data, dist_encoder_length(encoded) },
	                  SIZE_MAX);
	dist_encoder_init(&encoder, NULL, 0, 0);
	if (dist_decoder_get(&decoder, type, &value) != DIST_OK) {
		FUZZ_CHECK(decoder.too_deep);
		return;
	}
	FUZZ_CHECK(dist_decoder_left(&decoder) == 0);
	(void)encode(type, &value, &encoder, encoded);
	xdr_free(type, (char *)&value);
}

/* From a stream of libtirpc's, which has neither bound: so only what is known to be
 * fine. */
static void
decode_elsewhere(xdrproc_t type, const struct dist_encoder *encoded)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	union value value;
	XDR xdrs;

	memset(&value, 0, sizeof(value));
	xdrmem_create(&xdrs, (char *)encoded->data, (u_int)dist_encoder_length(encoded),
	              XDR_DECODE);
	FUZZ_CHECK(type(&xdrs, &value));
	(void)encode(type, &value, &encoder, encoded);
	xdr_free(type, (char *)&value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;
	union value value;
	xdrproc_t type;
	size_t budget;
	bool encodes;

	dist_encoder_init(&encoder, NULL, 0, 0);
	if (size == 0)
		return 0;
	type = types[data[0] % DIST_ARRAY_SIZE(types)];
	budget = dist_decoder_default_budget(size);
	memset(&value, 0, sizeof(value));
	dist_decoder_init(&decoder, (struct dist_bytes){ data + 1, size - 1 }, budget);
	if (dist_decoder_get(&decoder, type, &value))
		return 0;
	FUZZ_CHECK(decoder.budget <= budget);
	encodes = encode(type, &value, &encoder, NULL);
	xdr_free(type, (char *)&value);
	if (!encodes)
		return 0;
	decode_again(type, &encoder);
	decode_elsewhere(type, &encoder);
	return 0;
}
