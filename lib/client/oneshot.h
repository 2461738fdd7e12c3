/*
 * One call on a connection of its own, by the calling thread: for servers that are not
 * ours and are asked now and then, rpcbind above all. libtirpc's own calls to it know
 * no deadline that holds; these hold theirs from connecting to decoding.
 */
#ifndef DIST_CLIENT_ONESHOT_H
#define DIST_CLIENT_ONESHOT_H

#include "wire/uaddr.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dist_oneshot {
	const struct dist_sockaddr *address; /* TCP; NULL: */
	const char *local_path;              /* a local stream socket */
	uint32_t prog, vers;
	int64_t deadline_ns;
	size_t max_record_bytes; /* of the reply; 0: 1 MiB */
	const atomic_bool
		*stop; /* turned true: give up within 50 ms; NULL: no such flag */
};

/*
 * Call @proc. @result is zeroed by the caller, and to be xdr_free()d after DIST_OK.
 *
 * DIST_ECONNECT: not reached; DIST_EDEADLINE; DIST_ECONNRESET: closed without an
 * answer; DIST_ENONODE: it does not serve the program; DIST_ERPC: it answered no
 * otherwise; DIST_EENCODE; DIST_EDECODE; DIST_EPROTO; DIST_ETOOBIG: too large;
 * DIST_ECLOSED: *stop; DIST_ENOMEM; DIST_ESYSTEM. The text names the address.
 */
enum dist_err dist_oneshot_call(const struct dist_oneshot *oneshot, uint32_t proc,
                                xdrproc_t xdr_args, const void *args,
                                xdrproc_t xdr_result, void *result) DIST_MUST_CHECK;

#endif
