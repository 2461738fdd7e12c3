/*
 * The procedures of tests/unit/json/constructs.x, as a module for distnode: each
 * answers what it was given.
 */
#include "constructs.h"

#include <stdlib.h>
#include <string.h>

/* The arguments are freed when the procedure is over, so the answer is a copy. */
static bool_t
copy(xdrproc_t xdr, void *from, void *to, size_t size)
{
	u_int length = (u_int)xdr_sizeof(xdr, from);
	char *bytes = malloc(length + 1);
	bool_t done;
	XDR stream;

	if (!bytes)
		return FALSE;
	xdrmem_create(&stream, bytes, length, XDR_ENCODE);
	done = xdr(&stream, from);
	memset(to, 0, size);
	xdrmem_create(&stream, bytes, length, XDR_DECODE);
	done = done && xdr(&stream, to);
	free(bytes);
	return done;
}

#define ECHO(name, type, xdr) \
	bool_t name(type value, type *result, struct svc_req *rqstp) \
	{ \
		(void)rqstp; \
		return copy((xdrproc_t)(xdr), &value, result, sizeof(*result)); \
	}

ECHO(con_numbers_1_svc, con_numbers, xdr_con_numbers)
ECHO(con_arrays_1_svc, con_arrays, xdr_con_arrays)
ECHO(con_optional_1_svc, con_optional, xdr_con_optional)
ECHO(con_unions_1_svc, con_unions, xdr_con_unions)
ECHO(con_color_1_svc, con_color, xdr_con_color)
ECHO(con_bool_1_svc, bool_t, xdr_bool)
ECHO(con_big_1_svc, con_big, xdr_con_big)
ECHO(con_names_1_svc, con_names, xdr_con_names)
ECHO(con_string_1_svc, char *, xdr_wrapstring)

bool_t
con_several_1_svc(int first, con_name second, con_ints third, void *result,
                  struct svc_req *rqstp)
{
	(void)result;
	(void)rqstp;
	/* 0 has no answer. */
	return first != 0 && strlen(second) == third.con_ints_len;
}
