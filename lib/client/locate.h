/*
 * Where the masters on a host may be. With a port given, there. Without, rpcbind on
 * that host is asked for the registry program, and port 3000 is tried after what it
 * says.
 */
#ifndef DIST_CLIENT_LOCATE_H
#define DIST_CLIENT_LOCATE_H

#include "io/resolve.h"
#include "wire/uaddr.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DIST_CANDIDATES_MAX (2 * DIST_RESOLVE_MAX)

/* How we came to know of an address. */
enum dist_located {
	DIST_LOCATED_GIVEN,   /* the port was given */
	DIST_LOCATED_RPCBIND, /* rpcbind told it */
	DIST_LOCATED_DEFAULT, /* port 3000, as nothing else is known */
};

/* "given", "rpcbind", "default"; for log lines. Static. */
const char *dist_located_name(enum dist_located how);

struct dist_candidate {
	struct dist_sockaddr address;
	enum dist_located how;
};

struct dist_candidates {
	struct dist_candidate list[DIST_CANDIDATES_MAX]; /* in the order to be tried */
	unsigned n;                                      /* at least 1 */
	/* What rpcbind said, to begin the sentence of a failure with; "" when not
	 * asked. */
	char rpcbind_said[256];
};

/*
 * Where a master at @master may be. rpcbind is given at most half of the time there is,
 * and 2 seconds.
 *
 * DIST_ERESOLVE; DIST_ECLOSED: *@stop turned true; DIST_ENOMEM, DIST_ESYSTEM. That
 * rpcbind is absent, silent or ignorant is no error.
 */
enum dist_err dist_locate_master(const struct dist_hostport *master,
                                 int64_t deadline_ns, const atomic_bool *stop,
                                 struct dist_candidates *ret) DIST_MUST_CHECK;

#endif
