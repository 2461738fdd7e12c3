/* The XDR routines of a call whose arguments and result are bytes already. */
#ifndef REFLECT_MESSAGE_H
#define REFLECT_MESSAGE_H

#include "json/convert.h"

#include <rpc/rpc.h>

/* Encodes them as they are. */
bool_t message_arguments(XDR *xdrs, struct dist_json_bytes *arguments);

/* Decodes all that the record has left: zeroed before, free() .data. */
bool_t message_result(XDR *xdrs, struct dist_json_bytes *result);

#endif
