/*
 * For the _xdr.c files that distgen makes: includes rpc/rpc.h, then maps the XDR
 * routines that take memory to versions that check a count against what the record still
 * holds before memory is taken, and that convert runs of numbers at memory speed. On
 * streams that are not ours (xdrrec_create(), xdrmem_create()) they do what libtirpc's
 * do, and stay bounded where the stream can tell what it holds.
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

DIST_END_DECLS

#ifndef DIST_XDR_NO_MAPPING
#define xdr_array dist_xdr_array
#define xdr_vector dist_xdr_vector
#define xdr_opaque dist_xdr_opaque
#define xdr_bytes dist_xdr_bytes
#define xdr_string dist_xdr_string
#define xdr_wrapstring dist_xdr_wrapstring
#define xdr_pointer dist_xdr_pointer
#define xdr_reference dist_xdr_reference
#endif

#endif
