/*
 * What we ask of rpcbind (RFC 1833, version 3): where a program is, and what it has
 * registered on this host. Deadlines hold, see client/oneshot.h.
 */
#ifndef DIST_CLIENT_RPCBIND_H
#define DIST_CLIENT_RPCBIND_H

#include "wire/uaddr.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DIST_RPCBIND_PORT 111
/* The local socket: it tells rpcbind who we are, so that no other user can unset it. */
#define DIST_RPCBIND_SOCKET "/run/rpcbind.sock"

/* How long, and until when, one question may take. */
struct dist_patience {
	int64_t deadline_ns;
	const atomic_bool *stop; /* NULL: no such flag */
};

/*
 * Ask the rpcbind at @rpcbind where @prog and @vers are reached over TCP of the same
 * family. *ret has the host that was asked, and the port that it told: rpcbind speaks
 * for its own host alone.
 *
 * DIST_ENONODE: not registered there; DIST_EADDRESS: what it told is no address. Else as
 * dist_oneshot_call().
 */
enum dist_err dist_rpcbind_find(const struct dist_sockaddr *rpcbind, uint32_t prog,
                                uint32_t vers, struct dist_patience patience,
                                struct dist_sockaddr *ret) DIST_MUST_CHECK;

/* An entry of rpcbind's. */
struct dist_rpcbind_entry {
	uint32_t prog, vers;
	char netid[16];
	char uaddr[128];
	char owner[64]; /* a user's number or name */
};

/*
 * All entries for @prog and @vers of the rpcbind behind the local socket at @path.
 * @ret_entries has room for @max; *ret_n counts those there are, at most @max.
 * As dist_oneshot_call().
 */
enum dist_err dist_rpcbind_entries(const char *path, uint32_t prog, uint32_t vers,
                                   struct dist_patience patience,
                                   struct dist_rpcbind_entry *ret_entries, unsigned max,
                                   unsigned *ret_n) DIST_MUST_CHECK;

/* Set or unset an entry there; its owner is whoever we are. DIST_EREFUSED: rpcbind said
 * no (there is another, or it is another user's). Else as dist_oneshot_call(). */
enum dist_err dist_rpcbind_set(const char *path, const struct dist_rpcbind_entry *entry,
                               struct dist_patience patience) DIST_MUST_CHECK;
enum dist_err dist_rpcbind_unset(const char *path,
                                 const struct dist_rpcbind_entry *entry,
                                 struct dist_patience patience) DIST_MUST_CHECK;

#endif
