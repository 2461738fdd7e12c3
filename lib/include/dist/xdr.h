/*
 * The XDR routines of the files that distgen makes, bounded and fast.
 *
 * NAME_xdr.c includes this in place of rpc/rpc.h, which it includes, then maps the XDR
 * routines that take memory to versions that check a count against what the record still
 * holds before memory is taken, and that convert runs of numbers at memory speed; and
 * those for numbers to versions that know the streams of this library. On streams that
 * are not ours (xdrrec_create(), xdrmem_create()) they do what libtirpc's do, and stay
 * bounded where the stream can tell what it holds.
 *
 * The wire format is the same: RFC 4506.
 */
#ifndef DIST_XDR_H
#define DIST_XDR_H

#include <dist/macros.h>
#include <rpc/rpc.h>

DIST_BEGIN_DECLS

/* RFC 4506 section 4.13: as xdr_array(3). */
DIST_PUBLIC bool_t dist_xdr_array(XDR *xdrs, char **elements, u_int *n_elements,
                                  u_int max_elements, u_int element_size,
                                  xdrproc_t xdr_element);
/* Section 4.12: as xdr_vector(3). */
DIST_PUBLIC bool_t dist_xdr_vector(XDR *xdrs, char *elements, u_int n_elements,
                                   u_int element_size, xdrproc_t xdr_element);
/* Section 4.9: as xdr_opaque(3), which pads into a static variable: a data race. */
DIST_PUBLIC bool_t dist_xdr_opaque(XDR *xdrs, char *bytes, u_int n_bytes);
/* Section 4.10: as xdr_bytes(3). */
DIST_PUBLIC bool_t dist_xdr_bytes(XDR *xdrs, char **bytes, u_int *n_bytes,
                                  u_int max_bytes);
/* Section 4.11: as xdr_string(3). */
DIST_PUBLIC bool_t dist_xdr_string(XDR *xdrs, char **string, u_int max_bytes);
/* As xdr_wrapstring(3), for a string that is a procedure's whole argument or result. */
DIST_PUBLIC bool_t dist_xdr_wrapstring(XDR *xdrs, char **string);
/* Section 4.19: as xdr_pointer(3). */
DIST_PUBLIC bool_t dist_xdr_pointer(XDR *xdrs, char **object, u_int object_size,
                                    xdrproc_t xdr_object);
/* As xdr_reference(3). */
DIST_PUBLIC bool_t dist_xdr_reference(XDR *xdrs, char **object, u_int object_size,
                                      xdrproc_t xdr_object);

/*
 * Sections 4.1 to 4.7: as xdr_int(3) and the others of these names. On streams of ours a
 * member of a struct costs no call through the stream's table.
 */
DIST_PUBLIC bool_t dist_xdr_int(XDR *xdrs, int *number);
DIST_PUBLIC bool_t dist_xdr_u_int(XDR *xdrs, u_int *number);
DIST_PUBLIC bool_t dist_xdr_long(XDR *xdrs, long *number);
DIST_PUBLIC bool_t dist_xdr_u_long(XDR *xdrs, u_long *number);
DIST_PUBLIC bool_t dist_xdr_short(XDR *xdrs, short *number);
DIST_PUBLIC bool_t dist_xdr_u_short(XDR *xdrs, u_short *number);
DIST_PUBLIC bool_t dist_xdr_char(XDR *xdrs, char *number);
DIST_PUBLIC bool_t dist_xdr_u_char(XDR *xdrs, u_char *number);
DIST_PUBLIC bool_t dist_xdr_hyper(XDR *xdrs, quad_t *number);
DIST_PUBLIC bool_t dist_xdr_u_hyper(XDR *xdrs, u_quad_t *number);
DIST_PUBLIC bool_t dist_xdr_quad_t(XDR *xdrs, quad_t *number);
DIST_PUBLIC bool_t dist_xdr_u_quad_t(XDR *xdrs, u_quad_t *number);
DIST_PUBLIC bool_t dist_xdr_longlong_t(XDR *xdrs, quad_t *number);
DIST_PUBLIC bool_t dist_xdr_u_longlong_t(XDR *xdrs, u_quad_t *number);
DIST_PUBLIC bool_t dist_xdr_float(XDR *xdrs, float *number);
DIST_PUBLIC bool_t dist_xdr_double(XDR *xdrs, double *number);
DIST_PUBLIC bool_t dist_xdr_bool(XDR *xdrs, bool_t *number);
DIST_PUBLIC bool_t dist_xdr_enum(XDR *xdrs, enum_t *number);

/*
 * The same for types of C's own names, of which a .x file may define any itself: then
 * rpcgen makes that routine anew.
 */
DIST_PUBLIC bool_t dist_xdr_int8_t(XDR *xdrs, int8_t *number);
DIST_PUBLIC bool_t dist_xdr_u_int8_t(XDR *xdrs, uint8_t *number);
DIST_PUBLIC bool_t dist_xdr_uint8_t(XDR *xdrs, uint8_t *number);
DIST_PUBLIC bool_t dist_xdr_int16_t(XDR *xdrs, int16_t *number);
DIST_PUBLIC bool_t dist_xdr_u_int16_t(XDR *xdrs, uint16_t *number);
DIST_PUBLIC bool_t dist_xdr_uint16_t(XDR *xdrs, uint16_t *number);
DIST_PUBLIC bool_t dist_xdr_int32_t(XDR *xdrs, int32_t *number);
DIST_PUBLIC bool_t dist_xdr_u_int32_t(XDR *xdrs, uint32_t *number);
DIST_PUBLIC bool_t dist_xdr_uint32_t(XDR *xdrs, uint32_t *number);
DIST_PUBLIC bool_t dist_xdr_int64_t(XDR *xdrs, int64_t *number);
DIST_PUBLIC bool_t dist_xdr_u_int64_t(XDR *xdrs, uint64_t *number);
DIST_PUBLIC bool_t dist_xdr_uint64_t(XDR *xdrs, uint64_t *number);

DIST_END_DECLS

#include <dist/xdr_inline.h>

#ifndef DIST_XDR_NO_MAPPING

/* The address of such a function is that of the library's. */
#if defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__) && !defined(__cplusplus)
#define DIST_XDR_PUT_INLINE(name, type, bits, to_wire, from_wire) \
	extern __inline__ __attribute__((__gnu_inline__)) bool_t dist_xdr_##name( \
		XDR *xdrs, type *number) \
	{ \
		DIST_XDR_NUMBER_BODY(type, bits, to_wire, from_wire) \
	}

DIST_XDR_NUMBERS(DIST_XDR_PUT_INLINE)
DIST_XDR_SIZED_NUMBERS(DIST_XDR_PUT_INLINE)

#undef XDR_INLINE
#define XDR_INLINE(xdrs, length) dist_xdr_words(xdrs, length)
#endif

/* What rpcgen makes calls them by the names that libtirpc has for its own. */
#define xdr_array        dist_xdr_array
#define xdr_vector       dist_xdr_vector
#define xdr_opaque       dist_xdr_opaque
#define xdr_bytes        dist_xdr_bytes
#define xdr_string       dist_xdr_string
#define xdr_wrapstring   dist_xdr_wrapstring
#define xdr_pointer      dist_xdr_pointer
#define xdr_reference    dist_xdr_reference
#define xdr_int          dist_xdr_int
#define xdr_u_int        dist_xdr_u_int
#define xdr_long         dist_xdr_long
#define xdr_u_long       dist_xdr_u_long
#define xdr_short        dist_xdr_short
#define xdr_u_short      dist_xdr_u_short
#define xdr_char         dist_xdr_char
#define xdr_u_char       dist_xdr_u_char
#define xdr_hyper        dist_xdr_hyper
#define xdr_u_hyper      dist_xdr_u_hyper
#define xdr_quad_t       dist_xdr_quad_t
#define xdr_u_quad_t     dist_xdr_u_quad_t
#define xdr_longlong_t   dist_xdr_longlong_t
#define xdr_u_longlong_t dist_xdr_u_longlong_t
#define xdr_float        dist_xdr_float
#define xdr_double       dist_xdr_double
#define xdr_bool         dist_xdr_bool
#define xdr_enum         dist_xdr_enum
#define xdr_int8_t       dist_xdr_int8_t
#define xdr_u_int8_t     dist_xdr_u_int8_t
#define xdr_uint8_t      dist_xdr_uint8_t
#define xdr_int16_t      dist_xdr_int16_t
#define xdr_u_int16_t    dist_xdr_u_int16_t
#define xdr_uint16_t     dist_xdr_uint16_t
#define xdr_int32_t      dist_xdr_int32_t
#define xdr_u_int32_t    dist_xdr_u_int32_t
#define xdr_uint32_t     dist_xdr_uint32_t
#define xdr_int64_t      dist_xdr_int64_t
#define xdr_u_int64_t    dist_xdr_u_int64_t
#define xdr_uint64_t     dist_xdr_uint64_t
#endif

#endif
