/*
 * Numbers of RFC 4506, sections 4.1 to 4.7, on the streams of this library, for
 * <dist/xdr.h>, which includes this. An optimizing compiler puts them into the code that
 * rpcgen made, so that a member of a struct costs a handful of instructions and no call.
 * Whatever is not the common case is called for: another's stream, one that has to grow, an
 * error. Where nothing is optimized, the library's function of the same name is.
 *
 * Not for use by itself. A stream's position is x_private; what lies before x_base may be
 * read or written without a question.
 */
#ifndef DIST_XDR_INLINE_H
#define DIST_XDR_INLINE_H

#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdint.h>
#include <string.h>

#ifndef __cplusplus /* for which rpcgen's code is not */

/* Always put where it is used: there is no such function in the library. */
#define DIST_XDR_HERE \
	extern __inline__ __attribute__((__gnu_inline__, __always_inline__))

/* The wire is big-endian. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DIST_XDR_BE32(word) __builtin_bswap32(word)
#define DIST_XDR_BE64(word) __builtin_bswap64(word)
#else
#define DIST_XDR_BE32(word) (word)
#define DIST_XDR_BE64(word) (word)
#endif

/* What a stream of the library is known by, one for each direction. */
extern DIST_PUBLIC const struct xdr_ops dist_xdr_encoder_ops;
extern DIST_PUBLIC const struct xdr_ops dist_xdr_decoder_ops;

/* By the stream's table of functions, for any stream. */
struct dist_xdr_word {
	uint64_t value;
	bool_t fine; /* else there was none */
};
DIST_PUBLIC bool_t dist_xdr_put32(XDR *xdrs, uint32_t word);
DIST_PUBLIC bool_t dist_xdr_put64(XDR *xdrs, uint64_t word);
DIST_PUBLIC struct dist_xdr_word dist_xdr_get32(XDR *xdrs);
DIST_PUBLIC struct dist_xdr_word dist_xdr_get64(XDR *xdrs);

/* Passes the next @length bytes of @xdrs; whether that was so easy. */
DIST_XDR_HERE int
dist_xdr_step(XDR *xdrs, const struct xdr_ops *ops, size_t length, void **ret_at)
{
	char *at = (char *)xdrs->x_private;

	if (__builtin_expect(xdrs->x_ops != ops, 0) ||
	    __builtin_expect((size_t)(xdrs->x_base - at) < length, 0))
		return 0;
	xdrs->x_private = at + length;
	*ret_at = at;
	return 1;
}

DIST_XDR_HERE int
dist_xdr_step_put32(XDR *xdrs, uint32_t word)
{
	void *at;

	if (!dist_xdr_step(xdrs, &dist_xdr_encoder_ops, sizeof(word), &at))
		return 0;
	word = DIST_XDR_BE32(word);
	memcpy(at, &word, sizeof(word));
	return 1;
}

DIST_XDR_HERE int
dist_xdr_step_put64(XDR *xdrs, uint64_t word)
{
	void *at;

	if (!dist_xdr_step(xdrs, &dist_xdr_encoder_ops, sizeof(word), &at))
		return 0;
	word = DIST_XDR_BE64(word);
	memcpy(at, &word, sizeof(word));
	return 1;
}

DIST_XDR_HERE int
dist_xdr_step_get32(XDR *xdrs, uint32_t *ret_word)
{
	void *at;

	if (!dist_xdr_step(xdrs, &dist_xdr_decoder_ops, sizeof(*ret_word), &at))
		return 0;
	memcpy(ret_word, at, sizeof(*ret_word));
	*ret_word = DIST_XDR_BE32(*ret_word);
	return 1;
}

DIST_XDR_HERE int
dist_xdr_step_get64(XDR *xdrs, uint64_t *ret_word)
{
	void *at;

	if (!dist_xdr_step(xdrs, &dist_xdr_decoder_ops, sizeof(*ret_word), &at))
		return 0;
	memcpy(ret_word, at, sizeof(*ret_word));
	*ret_word = DIST_XDR_BE64(*ret_word);
	return 1;
}

/* As xdr_inline(3); what it gives is passed. rpcgen's code writes whole words there. */
DIST_XDR_HERE int32_t *
dist_xdr_words(XDR *xdrs, u_int length)
{
	const struct xdr_ops *ops =
		xdrs->x_op == XDR_ENCODE ? &dist_xdr_encoder_ops : &dist_xdr_decoder_ops;
	void *at;

	if (((uintptr_t)xdrs->x_private & 3) == 0 &&
	    dist_xdr_step(xdrs, ops, length, &at))
		return (int32_t *)at;
	return xdrs->x_ops->x_inline(xdrs, length);
}

/* --- What a number is on the wire ------------------------------------------------- */

#define DIST_XDR_SAME(value)  (value)
#define DIST_XDR_TRUTH(value) ((value) ? TRUE : FALSE)

DIST_XDR_HERE uint32_t
dist_xdr_float_bits(float number)
{
	uint32_t bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

DIST_XDR_HERE float
dist_xdr_bits_float(uint32_t bits)
{
	float number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

DIST_XDR_HERE uint64_t
dist_xdr_double_bits(double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

DIST_XDR_HERE double
dist_xdr_bits_double(uint64_t bits)
{
	double number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

/* Name, type, bits on the wire, and the ways there and back. */
#define DIST_XDR_NUMBERS(X) \
	X(int, int, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_int, u_int, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(long, long, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_long, u_long, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(short, short, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_short, u_short, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(char, char, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_char, u_char, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(enum, enum_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(bool, bool_t, 32, DIST_XDR_TRUTH, DIST_XDR_TRUTH) \
	X(float, float, 32, dist_xdr_float_bits, dist_xdr_bits_float) \
	X(hyper, quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_hyper, u_quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(quad_t, quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_quad_t, u_quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(longlong_t, quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_longlong_t, u_quad_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(double, double, 64, dist_xdr_double_bits, dist_xdr_bits_double)

/* Of C's own names, which a .x file may define itself. */
#define DIST_XDR_SIZED_NUMBERS(X) \
	X(int8_t, int8_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_int8_t, uint8_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(uint8_t, uint8_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(int16_t, int16_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_int16_t, uint16_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(uint16_t, uint16_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(int32_t, int32_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_int32_t, uint32_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(uint32_t, uint32_t, 32, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(int64_t, int64_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(u_int64_t, uint64_t, 64, DIST_XDR_SAME, DIST_XDR_SAME) \
	X(uint64_t, uint64_t, 64, DIST_XDR_SAME, DIST_XDR_SAME)

/* --- A routine -------------------------------------------------------------------- */

/* The slow ways end by themselves, so that the fast ones save no registers for them. */
#define DIST_XDR_NUMBER_BODY(type, bits, to_wire, from_wire) \
	uint##bits##_t word; \
	struct dist_xdr_word far; \
\
	if (xdrs->x_op == XDR_ENCODE) { \
		word = (uint##bits##_t)to_wire(*number); \
		if (dist_xdr_step_put##bits(xdrs, word)) \
			return TRUE; \
		return dist_xdr_put##bits(xdrs, word); \
	} \
	if (xdrs->x_op == XDR_DECODE) { \
		if (dist_xdr_step_get##bits(xdrs, &word)) { \
			*number = (type)from_wire(word); \
			return TRUE; \
		} \
		far = dist_xdr_get##bits(xdrs); \
		if (far.fine) \
			*number = (type)from_wire((uint##bits##_t)far.value); \
		return far.fine; \
	} \
	return xdrs->x_op == XDR_FREE;

#endif

#endif
