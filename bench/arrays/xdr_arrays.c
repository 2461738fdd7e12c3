/*
 * How fast arrays, and structs alone, are encoded and decoded: by our routines on our
 * streams and on xdrmem's, by libtirpc's on ours and on xdrmem's, and a memcpy() of the
 * same size. All take turns, and the median of each is shown. Ratios are to libtirpc's on
 * xdrmem: over 1 says faster. "xdrmem" are our routines there; "plain" are libtirpc's on
 * our streams, which is what rpcgen's own output has of them.
 *
 *	xdr_arrays [ROUNDS [TYPE]]
 */
#define DIST_XDR_NO_MAPPING
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/large.h"
#include "shapes.h"

#include <dist/xdr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX  1001
#define BYTES_MAX   ((size_t)1024 * 1024)
#define BUDGET      ((size_t)64 * 1024 * 1024)
#define AT_ONCE_MIN ((size_t)1024 * 1024)

/* --- The types -------------------------------------------------------------------- */

/* With libtirpc's routines below: see meson.build. */
extern bool_t theirs_pair(XDR *xdrs, pair *value);
extern bool_t theirs_point(XDR *xdrs, point *value);
extern bool_t theirs_nested(XDR *xdrs, nested *value);
extern bool_t theirs_row(XDR *xdrs, row *value);
extern bool_t theirs_named(XDR *xdrs, named *value);
extern bool_t theirs_blob(XDR *xdrs, blob *value);
extern bool_t theirs_choice(XDR *xdrs, choice *value);
extern bool_t theirs_either(XDR *xdrs, either *value);
extern bool_t theirs_ints(XDR *xdrs, ints *value);

/* Lengths differ from one element to the next, as they do in life. */

static void
named_fill(void *element, u_int nth)
{
	static const char *const names[] = { "Ada", "Grace Hopper", "", "Barbara",
		                             "Edsger Wybe Dijkstra" };

	((named *)element)->name = (char *)names[nth % DIST_ARRAY_SIZE(names)];
}

static void
blob_fill(void *element, u_int nth)
{
	static char bytes[64];
	blob *blob = element;

	blob->bytes.bytes_val = bytes;
	blob->bytes.bytes_len = nth * 29 % sizeof(bytes);
}

static void
choice_fill(void *element, u_int nth)
{
	static pair more;

	((choice *)element)->color = COLOR_BLUE;
	((choice *)element)->more = nth % 3 ? &more : NULL;
}

static void
either_fill(void *element, u_int nth)
{
	((either *)element)->which = (color)(nth % 3);
}

static void
ints_fill(void *element, u_int nth)
{
	static int numbers[3];

	(void)nth;
	((ints *)element)->of.of_val = numbers;
	((ints *)element)->of.of_len = DIST_ARRAY_SIZE(numbers);
}

static const struct type {
	const char *name;
	xdrproc_t ours, theirs; /* NULL: opaque */
	u_int size;
	void (*fill)(void *element, u_int nth); /* NULL: zeros will do */
	bool is_struct;
} types[] = {
#define NUMBER(name, type) \
	{ \
#name, (xdrproc_t)dist_xdr_##name, (xdrproc_t)xdr_##name, sizeof(type) \
	}
#define STRUCT(name, fill) \
	{ \
#name, (xdrproc_t)xdr_##name, (xdrproc_t)theirs_##name, sizeof(name), \
			fill, true \
	}
	NUMBER(int, int),
	NUMBER(u_int, u_int),
	NUMBER(hyper, quad_t),
	NUMBER(float, float),
	NUMBER(double, double),
	{ "opaque", NULL, NULL, 1 },
	NUMBER(short, short),
	NUMBER(char, char),
	NUMBER(bool, bool_t),
	STRUCT(pair, NULL),
	STRUCT(point, NULL),
	STRUCT(nested, NULL),
	STRUCT(row, NULL),
	STRUCT(named, named_fill),
	STRUCT(blob, blob_fill),
	STRUCT(choice, choice_fill),
	STRUCT(either, either_fill),
	STRUCT(ints, ints_fill),
#undef NUMBER
#undef STRUCT
};

/* --- One array -------------------------------------------------------------------- */

/* In memory and on the wire; or a single element, and no array. */
struct work {
	const struct type *type;
	bool alone;
	u_int n;
	char *elements;
	char *wire, *copy;
	size_t wire_bytes;
};

typedef bool_t array_fn(XDR *xdrs, char **elements, u_int *n, u_int max, u_int size,
                        xdrproc_t xdr);
typedef bool_t bytes_fn(XDR *xdrs, char **bytes, u_int *n, u_int max);

struct routines {
	bool ours;
	array_fn *array;
	bytes_fn *bytes;
};

static const struct routines ours = { true, dist_xdr_array, dist_xdr_bytes };
static const struct routines theirs = { false, xdr_array, xdr_bytes };

/* A single element is in memory that is there, and an array in memory that is made. */
static inline bool_t
convert(XDR *xdrs, const struct routines *by, const struct work *work, char **elements)
{
	const struct type *type = work->type;
	xdrproc_t xdr = by->ours ? type->ours : type->theirs;
	u_int n = work->n;

	if (work->alone)
		return xdr(xdrs, *elements);
	if (!xdr)
		return by->bytes(xdrs, elements, &n, ~0u);
	return by->array(xdrs, elements, &n, ~0u, type->size, xdr);
}

static void
must(bool fine)
{
	if (fine)
		return;
	fprintf(stderr, "xdr_arrays: an array was not converted\n");
	exit(1);
}

/* --- What is measured ------------------------------------------------------------- */

static inline void
encode_ours(struct work *work, const struct routines *by)
{
	struct dist_encoder encoder;

	dist_encoder_init(&encoder, work->wire, work->wire_bytes, work->wire_bytes);
	must(convert(&encoder.xdr, by, work, &work->elements));
}

static inline void
encode_memory(struct work *work, const struct routines *by)
{
	XDR xdrs;

	xdrmem_create(&xdrs, work->wire, (u_int)work->wire_bytes, XDR_ENCODE);
	must(convert(&xdrs, by, work, &work->elements));
}

/* Decodes, and frees what that took. */
static inline void
decode(XDR *xdrs, struct work *work, const struct routines *by)
{
	XDR freeing = { .x_op = XDR_FREE };
	char element[128] = { 0 };
	char *elements = work->alone ? element : NULL;

	must(convert(xdrs, by, work, &elements));
	convert(&freeing, by, work, &elements);
}

static inline void
decode_ours(struct work *work, const struct routines *by)
{
	struct dist_bytes bytes = { (uint8_t *)work->wire, work->wire_bytes };
	struct dist_decoder decoder;

	dist_decoder_init(&decoder, bytes, BUDGET);
	decode(&decoder.xdr, work, by);
}

static inline void
decode_memory(struct work *work, const struct routines *by)
{
	XDR xdrs;

	xdrmem_create(&xdrs, work->wire, (u_int)work->wire_bytes, XDR_DECODE);
	decode(&xdrs, work, by);
}

static inline void
copy(struct work *work, const struct routines *by)
{
	(void)by;
	memcpy(work->copy, work->wire, work->wire_bytes);
	__asm__ volatile("" : : "r"(work->copy) : "memory");
}

static const struct way {
	void (*run)(struct work *work, const struct routines *by);
	const struct routines *by;
} ways[] = {
	{ encode_ours, &ours },   { encode_memory, &ours },
	{ encode_ours, &theirs }, { encode_memory, &theirs },
	{ decode_ours, &ours },   { decode_memory, &ours },
	{ decode_ours, &theirs }, { decode_memory, &theirs },
	{ copy, NULL },
};
#define N_WAYS DIST_ARRAY_SIZE(ways)
enum {
	ENCODE,
	ENCODE_MEMORY,
	ENCODE_PLAIN,
	ENCODE_THEIRS,
	DECODE,
	DECODE_MEMORY,
	DECODE_PLAIN,
	DECODE_THEIRS,
	COPY
};

/* --- The measurement -------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds for a run; short ones are run more than once. */
static double
time_of(const struct way *way, struct work *work)
{
	size_t at_once = DIST_MAX(AT_ONCE_MIN / DIST_MAX(work->wire_bytes, 64) / 8, 1);
	int64_t began = dist_clock_ns();

	for (size_t i = 0; i < at_once; i++)
		way->run(work, way->by);
	return (double)(dist_clock_ns() - began) / (double)at_once;
}

static void
measure(struct work *work, unsigned rounds)
{
	static double times[N_WAYS][ROUNDS_MAX];
	double median[N_WAYS];
	char count[16];

	/* To and fro, so that none is always the one behind another. */
	for (unsigned round = 0; round < rounds; round++) {
		for (size_t k = 0; k < N_WAYS; k++) {
			size_t i = round % 2 ? k : N_WAYS - 1 - k;

			times[i][round] = time_of(&ways[i], work);
		}
	}
	for (size_t i = 0; i < N_WAYS; i++) {
		qsort(times[i], rounds, sizeof(double), compare);
		median[i] = times[i][rounds / 2];
	}
	snprintf(count, sizeof(count), work->alone ? "alone" : "%u", work->n);
#define RATE(way)    ((double)work->wire_bytes / median[way])
#define RATIO(a, to) (median[to] / median[a])
	printf("%-8s %8s %8zu %7.2f %6.2f %6.2f %6.2f %7.2f %6.2f %6.2f %6.2f %7.2f\n",
	       work->type->name, count, work->wire_bytes, RATE(ENCODE),
	       RATIO(ENCODE, ENCODE_THEIRS), RATIO(ENCODE_MEMORY, ENCODE_THEIRS),
	       RATIO(ENCODE_PLAIN, ENCODE_THEIRS), RATE(DECODE),
	       RATIO(DECODE, DECODE_THEIRS), RATIO(DECODE_MEMORY, DECODE_THEIRS),
	       RATIO(DECODE_PLAIN, DECODE_THEIRS), RATE(COPY));
	fflush(stdout);
}

/* What libtirpc makes of it is what ours must make of it. */
static void
encode_first(struct work *work)
{
	size_t room = 64 + work->n * ((size_t)work->type->size * 4 + 64);
	XDR xdrs;

	work->wire = malloc(room);
	must(work->wire);
	xdrmem_create(&xdrs, work->wire, (u_int)room, XDR_ENCODE);
	must(convert(&xdrs, &theirs, work, &work->elements));
	work->wire_bytes = xdr_getpos(&xdrs);
	work->copy = malloc(work->wire_bytes);
	must(work->copy);
	memcpy(work->copy, work->wire, work->wire_bytes);
	memset(work->wire, 0xff, work->wire_bytes);
	encode_ours(work, &ours);
	must(memcmp(work->copy, work->wire, work->wire_bytes) == 0);
}

static void
measure_type(const struct type *type, u_int n, bool alone, unsigned rounds)
{
	struct work work = { .type = type, .alone = alone, .n = n };

	work.elements = calloc(n, type->size);
	must(work.elements);
	for (u_int i = 0; i < n && type->fill; i++)
		type->fill(work.elements + (size_t)i * type->size, i);
	encode_first(&work);
	measure(&work, rounds);
	free(work.elements);
	free(work.wire);
	free(work.copy);
}

/* A few, and as many as make some bytes in memory. */
static void
measure_counts(const struct type *type, unsigned rounds)
{
	static const u_int sizes[] = { 64, 4096, 65536, BYTES_MAX };

	if (type->is_struct)
		measure_type(type, 1, true, rounds);
	measure_type(type, 3, false, rounds);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(sizes); i++) {
		if (sizes[i] / type->size > 3)
			measure_type(type, sizes[i] / type->size, false, rounds);
	}
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 101;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr,
		        "usage: xdr_arrays [ROUNDS [TYPE]]   1 to %d rounds, 101\n",
		        ROUNDS_MAX);
		return 2;
	}
	/* As clusters and nodes do: what was freed is kept for a moment. */
	dist_large_begin();
	printf("GB/s of ours, and how many times as fast as libtirpc's\n");
	printf("%-8s %8s %8s %7s %6s %6s %6s %7s %6s %6s %6s %7s\n", "type", "count",
	       "bytes", "encode", "ratio", "xdrmem", "plain", "decode", "ratio",
	       "xdrmem", "plain", "memcpy");
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		if (argc < 3 || strcmp(argv[2], types[i].name) == 0)
			measure_counts(&types[i], (unsigned)rounds);
	}
	dist_large_end();
	return 0;
}
