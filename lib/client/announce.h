/*
 * Keeps the entries of our services in this host's rpcbind: set, set again when rpcbind
 * comes back without them, taken back at the end. A thread looks every 5 s.
 *
 * rpcbind has one entry for a program, version and netid, and keeps it when its process
 * dies. Of several processes that serve the same program on a host one holds it:
 * whoever has bound the program's abstract socket, which the kernel frees when that one
 * ends. The holder replaces an entry only if nothing answers at its address, and
 * rpcbind lets it. What others have set and still serve is left.
 */
#ifndef DIST_CLIENT_ANNOUNCE_H
#define DIST_CLIENT_ANNOUNCE_H

#include "base/cleanup.h"
#include "wire/uaddr.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stdint.h>

struct dist_announce;

/* What is announced; the fields are copied. */
struct dist_announced {
	uint32_t prog, vers;
};

/* Zero always means the default; for tests. */
struct dist_announce_options {
	const char *socket_path; /* of rpcbind; borrowed until stop */
	int64_t look_ms;         /* between two looks; 5000 */
};

/*
 * @addresses  where the services listen; "::" is announced for IPv4 too.
 * Given: dist_announce_stop() it. DIST_ENOMEM, DIST_ESYSTEM (no thread). Whether there
 * is an rpcbind, and what it says, is told by log lines alone.
 */
enum dist_err
dist_announce_start(struct dist_announce **ret_announce,
                    const struct dist_announced *programs, unsigned n_programs,
                    const struct dist_sockaddr *addresses, unsigned n_addresses,
                    const struct dist_announce_options *options) DIST_MUST_CHECK;

/* Take back what is ours, within a second. Taken; NULL is nothing. */
void dist_announce_stop(struct dist_announce *announce);
DIST_DEFINE_FREEP(dist_announce_stop, struct dist_announce *)

#endif
