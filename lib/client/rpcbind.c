/*
 * libtirpc's structs and numbers are used, its calls are not (they wait as they
 * please), and neither are its XDR routines for strings: they take what memory a count
 * claims.
 */
#include "client/rpcbind.h"
#include "base/error.h"
#include "client/oneshot.h"

#include <dist/xdr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX  512  /* any of rpcbind's strings */
#define ENTRIES_MAX 4096 /* a list longer than that is no list of rpcbind's */

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

static struct dist_oneshot
question(const struct dist_sockaddr *address, const char *path,
         struct dist_patience patience)
{
	return (struct dist_oneshot){
		.address = address,
		.local_path = path,
		.prog = RPCBPROG,
		.vers = RPCBVERS,
		.deadline_ns = patience.deadline_ns,
		.stop = patience.stop,
	};
}

/* --- Where a program is ------------------------------------------------------- */

enum dist_err
dist_rpcbind_find(const struct dist_sockaddr *rpcbind, uint32_t prog, uint32_t vers,
                  struct dist_patience patience, struct dist_sockaddr *ret)
{
	struct dist_oneshot oneshot = question(rpcbind, NULL, patience);
	const char *netid = dist_sockaddr_netid(rpcbind);
	struct rpcb map = { .r_prog = prog,
		            .r_vers = vers,
		            .r_netid = (char *)netid,
		            .r_addr = "",
		            .r_owner = "" };
	struct dist_sockaddr told;
	char *uaddr = NULL;
	enum dist_err err;

	err = dist_oneshot_call(&oneshot, RPCBPROC_GETADDR, (xdrproc_t)xdr_mapping,
	                        &map, (xdrproc_t)xdr_text, &uaddr);
	if (err)
		return err;
	if (!uaddr[0])
		err = dist_error_set(DIST_ENONODE,
		                     "program %#x is not registered there", prog);
	else
		err = dist_uaddr_parse(netid, uaddr, &told);
	free(uaddr);
	if (err)
		return err;
	*ret = *rpcbind;
	dist_sockaddr_set_port(ret, dist_sockaddr_port(&told));
	return DIST_OK;
}

/* --- What is registered here -------------------------------------------------- */

/* DUMP's linked list, decoded in a loop, and only what is looked for is kept. */
struct harvest {
	uint32_t prog, vers;
	struct dist_rpcbind_entry *entries;
	unsigned n, max;
};

static void
harvest_add(struct harvest *harvest, const struct rpcb *map)
{
	struct dist_rpcbind_entry *entry;

	if (map->r_prog != harvest->prog || map->r_vers != harvest->vers ||
	    harvest->n == harvest->max)
		return;
	entry = &harvest->entries[harvest->n++];
	entry->prog = map->r_prog;
	entry->vers = map->r_vers;
	snprintf(entry->netid, sizeof(entry->netid), "%s", map->r_netid);
	snprintf(entry->uaddr, sizeof(entry->uaddr), "%s", map->r_addr);
	snprintf(entry->owner, sizeof(entry->owner), "%s", map->r_owner);
}

static bool_t
xdr_harvest(XDR *xdrs, struct harvest *harvest)
{
	bool_t more = FALSE;

	if (xdrs->x_op == XDR_FREE)
		return TRUE;
	for (unsigned n = 0; n < ENTRIES_MAX; n++) {
		struct rpcb map = { 0 };
		bool_t decoded;

		if (!xdr_bool(xdrs, &more))
			return FALSE;
		if (!more)
			return TRUE;
		decoded = xdr_mapping(xdrs, &map);
		if (decoded)
			harvest_add(harvest, &map);
		xdr_free((xdrproc_t)xdr_mapping, &map);
		if (!decoded)
			return FALSE;
	}
	return FALSE;
}

enum dist_err
dist_rpcbind_entries(const char *path, uint32_t prog, uint32_t vers,
                     struct dist_patience patience,
                     struct dist_rpcbind_entry *ret_entries, unsigned max,
                     unsigned *ret_n)
{
	struct dist_oneshot oneshot = question(NULL, path, patience);
	struct harvest harvest = {
		.prog = prog, .vers = vers, .entries = ret_entries, .max = max
	};
	enum dist_err err;

	err = dist_oneshot_call(&oneshot, RPCBPROC_DUMP, (xdrproc_t)xdr_void, NULL,
	                        (xdrproc_t)xdr_harvest, &harvest);
	if (!err)
		*ret_n = harvest.n;
	return err;
}

static enum dist_err
change_entry(const char *path, const struct dist_rpcbind_entry *entry, uint32_t proc,
             struct dist_patience patience)
{
	struct dist_oneshot oneshot = question(NULL, path, patience);
	struct rpcb map = { .r_prog = entry->prog,
		            .r_vers = entry->vers,
		            .r_netid = (char *)entry->netid,
		            .r_addr = (char *)entry->uaddr,
		            .r_owner = "" };
	bool_t done = FALSE;
	enum dist_err err;

	err = dist_oneshot_call(&oneshot, proc, (xdrproc_t)xdr_mapping, &map,
	                        (xdrproc_t)xdr_bool, &done);
	if (err)
		return err;
	if (!done)
		return dist_error_set(DIST_EREFUSED, "rpcbind refused");
	return DIST_OK;
}

enum dist_err
dist_rpcbind_set(const char *path, const struct dist_rpcbind_entry *entry,
                 struct dist_patience patience)
{
	return change_entry(path, entry, RPCBPROC_SET, patience);
}

enum dist_err
dist_rpcbind_unset(const char *path, const struct dist_rpcbind_entry *entry,
                   struct dist_patience patience)
{
	return change_entry(path, entry, RPCBPROC_UNSET, patience);
}
