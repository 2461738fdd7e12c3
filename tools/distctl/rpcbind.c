/*
 * libtirpc's struct and numbers are used, its calls are not (they wait as they please),
 * and neither are its XDR routines for strings: they take what memory a count claims.
 */
#include "distctl/rpcbind.h"

#include "distctl/server.h"
#include "distctl/text.h"
#include "registry.h"

#include <dist/xdr.h>
#include <rpc/rpcb_prot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX 512 /* any of rpcbind's strings */

static bool_t
xdr_text(XDR *xdrs, char **text)
{
	return xdr_string(xdrs, text, STRING_MAX);
}

static bool_t
xdr_mapping(XDR *xdrs, struct rpcb *map)
{
	return xdr_u_int32_t(xdrs, &map->r_prog) && xdr_u_int32_t(xdrs, &map->r_vers) &&
	       xdr_text(xdrs, &map->r_netid) && xdr_text(xdrs, &map->r_addr) &&
	       xdr_text(xdrs, &map->r_owner);
}

/* The port of a universal address; 0: it is none. */
static unsigned
port_of(const char *uaddr, const char *netid)
{
	dist_endpoint endpoint = { (char *)netid, (char *)uaddr };
	char address[TEXT_ADDRESS_MAX];
	const char *colon;

	text_address(&endpoint, address);
	if (strcmp(address, uaddr) == 0)
		return 0;
	colon = strrchr(address, ':');
	return (unsigned)strtoul(colon + 1, NULL, 10);
}

static enum rpcbind_answer
answer_of(const char *uaddr, const char *netid, unsigned *ret_port,
          char ret_says[RPCBIND_SAYS_MAX])
{
	if (!uaddr[0]) {
		snprintf(ret_says, RPCBIND_SAYS_MAX, "it knows no master");
		return RPCBIND_UNKNOWN;
	}
	*ret_port = port_of(uaddr, netid);
	if (*ret_port > 0)
		return RPCBIND_TELLS;
	snprintf(ret_says, RPCBIND_SAYS_MAX, "it tells \"%s\", which is no address",
	         uaddr);
	return RPCBIND_ODD;
}

static enum rpcbind_answer
failure_of(enum clnt_stat stat, char ret_says[RPCBIND_SAYS_MAX])
{
	snprintf(ret_says, RPCBIND_SAYS_MAX, "%s", dist_error_text());
	switch (dist_error_last()) {
	case DIST_EDEADLINE:
		return RPCBIND_SILENT;
	case DIST_ECONNECT:
	case DIST_ENONODE:
		return RPCBIND_ABSENT;
	default:
		return stat == RPC_TIMEDOUT ? RPCBIND_SILENT : RPCBIND_ODD;
	}
}

static enum rpcbind_answer
ask(struct server *rpcbind, const char *netid, unsigned *ret_port,
    char ret_says[RPCBIND_SAYS_MAX])
{
	const struct timeval unused = { .tv_sec = 25 };
	struct rpcb map = { .r_prog = DIST_REGISTRY,
		            .r_vers = DIST_REGISTRY_V1,
		            .r_netid = (char *)netid,
		            .r_addr = (char *)"",
		            .r_owner = (char *)"" };
	enum rpcbind_answer answer;
	enum clnt_stat stat;
	char *uaddr = NULL;

	stat = clnt_call(rpcbind->client, RPCBPROC_GETADDR, (xdrproc_t)xdr_mapping,
	                 (void *)&map, (xdrproc_t)xdr_text, (void *)&uaddr, unused);
	if (stat != RPC_SUCCESS)
		return failure_of(stat, ret_says);
	answer = answer_of(uaddr, netid, ret_port, ret_says);
	free(uaddr);
	return answer;
}

enum rpcbind_answer
rpcbind_ask(const char *address, const char *netid, int64_t timeout_ms,
            unsigned *ret_port, char ret_says[RPCBIND_SAYS_MAX])
{
	char where[TEXT_ADDRESS_MAX];
	enum rpcbind_answer answer;
	struct server rpcbind;

	*ret_port = 0;
	ret_says[0] = '\0';
	snprintf(where, sizeof(where), "%s:%d", address, 111);
	if (server_open(&rpcbind, where, RPCBPROG, RPCBVERS, timeout_ms)) {
		snprintf(ret_says, RPCBIND_SAYS_MAX, "it was not asked");
		return RPCBIND_ODD;
	}
	answer = ask(&rpcbind, netid, ret_port, ret_says);
	server_close(&rpcbind);
	return answer;
}
