/* Optional data, RFC 4506 section 4.19, and what it is built of: a thing elsewhere. */
#define DIST_XDR_NO_MAPPING
#include <dist/xdr.h>

#include "wire/xdr.h"

#include "wire/xdr_word.h"

#include <stdlib.h>

static bool
reference_decode(XDR *xdrs, char **object, u_int size, xdrproc_t xdr)
{
	if (!*object) {
		*object = dist_xdr_allocate(xdrs, size);
		if (!*object)
			return false;
		memset(*object, 0, size);
	}
	return xdr(xdrs, *object);
}

static bool
reference_free(XDR *xdrs, char **object, xdrproc_t xdr)
{
	bool fine;

	if (!*object)
		return true;
	fine = xdr(xdrs, *object);
	free(*object);
	*object = NULL;
	return fine;
}

bool_t
dist_xdr_reference(XDR *xdrs, char **object, u_int object_size, xdrproc_t xdr_object)
{
	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return *object && xdr_object(xdrs, *object);
	case XDR_DECODE:
		return reference_decode(xdrs, object, object_size, xdr_object);
	case XDR_FREE:
		return reference_free(xdrs, object, xdr_object);
	}
	return FALSE;
}

static bool
pointer_encode(XDR *xdrs, char *object, xdrproc_t xdr)
{
	if (!dist_word_put32(xdrs, object != NULL))
		return false;
	return !object || xdr(xdrs, object);
}

static bool
pointer_decode(XDR *xdrs, char **object, u_int size, xdrproc_t xdr)
{
	u_int is_there;

	if (!dist_word_get32(xdrs, &is_there))
		return false;
	if (is_there)
		return reference_decode(xdrs, object, size, xdr);
	*object = NULL;
	return true;
}

bool_t
dist_xdr_pointer(XDR *xdrs, char **object, u_int object_size, xdrproc_t xdr_object)
{
	switch (xdrs->x_op) {
	case XDR_ENCODE:
		return pointer_encode(xdrs, *object, xdr_object);
	case XDR_DECODE:
		return pointer_decode(xdrs, object, object_size, xdr_object);
	case XDR_FREE:
		return reference_free(xdrs, object, xdr_object);
	}
	return FALSE;
}
