/*
 * Bytes as arguments and as a result; see message.h.
 *
 * A stream does not say how much it holds, only that a piece of some length is not
 * there, and then nothing is taken. So pieces grow until one is too long, and shrink to
 * nothing.
 */
#include "reflect/message.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_FIRST 1024
#define PIECE_MAX   (1u << 20)

bool_t
message_arguments(XDR *xdrs, struct dist_json_bytes *arguments)
{
	if (xdrs->x_op != XDR_ENCODE)
		return xdrs->x_op == XDR_FREE;
	if (arguments->length > UINT32_MAX)
		return FALSE;
	return XDR_PUTBYTES(xdrs, arguments->data, (u_int)arguments->length);
}

static bool
make_room(struct dist_json_bytes *result, size_t *room, size_t length)
{
	char *data;

	if (*room - result->length >= length)
		return true;
	*room = 2 * *room + length;
	data = realloc(result->data, *room);
	if (data)
		result->data = data;
	return data != NULL;
}

bool_t
message_result(XDR *xdrs, struct dist_json_bytes *result)
{
	u_int piece = PIECE_FIRST;
	bool shrinking = false;
	size_t room = 0;

	if (xdrs->x_op == XDR_FREE) {
		free(result->data);
		memset(result, 0, sizeof(*result));
		return TRUE;
	}
	if (xdrs->x_op != XDR_DECODE)
		return FALSE;
	while (piece > 0) {
		if (!make_room(result, &room, piece))
			return FALSE;
		if (XDR_GETBYTES(xdrs, result->data + result->length, piece)) {
			result->length += piece;
			if (!shrinking && piece < PIECE_MAX)
				piece *= 2;
		} else {
			shrinking = true;
			piece /= 2;
		}
	}
	return TRUE;
}
