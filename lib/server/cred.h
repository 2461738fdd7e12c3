/*
 * AUTH_SYS credentials (RFC 5531 appendix A), as svc_req.rq_clntcred has them.
 * libtirpc's _authenticate() would do, if it did not print a line on stdout for each
 * broken one.
 */
#ifndef DIST_SERVER_CRED_H
#define DIST_SERVER_CRED_H

#include "base/bytes.h"

#include <rpc/rpc.h>
#include <stdbool.h>

#define DIST_CRED_MACHINE_MAX 255
#define DIST_CRED_GROUPS_MAX  16

struct dist_cred {
	struct authunix_parms parms; /* first: what rq_clntcred points at */
	char machine[DIST_CRED_MACHINE_MAX + 1];
	gid_t groups[DIST_CRED_GROUPS_MAX];
};

/* False: @body is no AUTH_SYS credential, to be answered AUTH_BADCRED. */
bool dist_cred_read(struct dist_bytes body, struct dist_cred *ret_cred);

#endif
