/*
 * Finding masters for programs that speak with them themselves: each place where one
 * may be is called, in the order of client/locate.h, until one answers.
 */
#include "base/clock.h"
#include "base/error.h"
#include "client/locate.h"
#include "client/oneshot.h"
#include "idl/registry.h"

#include <dist/cluster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "HOST[:PORT]" with room for brackets, a colon, a port and a NUL. */
#define MASTER_TEXT_MAX (DIST_HOST_MAX + 10)

static void
master_format(const struct dist_hostport *master, char ret[MASTER_TEXT_MAX])
{
	bool v6 = strchr(master->host, ':') != NULL;
	int length;

	length = snprintf(ret, MASTER_TEXT_MAX, "%s%s%s", v6 ? "[" : "", master->host,
	                  v6 ? "]" : "");
	if (master->port >= 0)
		snprintf(ret + length, MASTER_TEXT_MAX - (size_t)length, ":%d",
		         master->port);
}

/* An even share of the time that is left, so that a silent place leaves some to others.
 */
static int64_t
share_deadline(int64_t deadline_ns, unsigned n_left)
{
	int64_t now_ns = dist_clock_ns();

	if (deadline_ns == DIST_NEVER)
		return DIST_NEVER;
	return now_ns + (deadline_ns - now_ns) / n_left;
}

/* Whether a master answers at one of @candidates: the first that does. */
static enum dist_err
try_candidates(const struct dist_candidates *candidates, int64_t deadline_ns,
               struct dist_sockaddr *ret_address)
{
	enum dist_err err = DIST_ENOMASTER;

	for (unsigned i = 0; i < candidates->n; i++) {
		struct dist_oneshot ping = {
			.address = &candidates->list[i].address,
			.prog = DIST_REGISTRY,
			.vers = DIST_REGISTRY_V1,
			.deadline_ns = share_deadline(deadline_ns, candidates->n - i),
		};

		err = dist_oneshot_call(&ping, NULLPROC, (xdrproc_t)xdr_void, NULL,
		                        (xdrproc_t)xdr_void, NULL);
		if (!err) {
			*ret_address = candidates->list[i].address;
			return DIST_OK;
		}
		if (err == DIST_ENOMEM)
			return err;
	}
	return err;
}

/* DIST_ENOMASTER with a sentence that tells all that was tried. */
static enum dist_err
find_master(const struct dist_hostport *master, const char *text, int64_t timeout_ms,
            struct dist_sockaddr *ret_address)
{
	int64_t deadline_ns = dist_deadline_in_ms(timeout_ms);
	struct dist_candidates candidates;
	const char *said;
	enum dist_err err;

	err = dist_locate_master(master, deadline_ns, NULL, &candidates);
	if (err == DIST_ENOMEM)
		return err;
	if (err)
		return dist_error_set(DIST_ENOMASTER, "no master answers at %s: %s",
		                      text, dist_error_text());
	err = try_candidates(&candidates, deadline_ns, ret_address);
	if (!err || err == DIST_ENOMEM)
		return err;
	said = candidates.rpcbind_said;
	return dist_error_set(DIST_ENOMASTER, "no master answers at %s: %s%s%s", text,
	                      said, *said ? "; " : "", dist_error_text());
}

static enum dist_err
find_and_tell(const struct dist_hostport *master, int64_t timeout_ms,
              dist_master_found_fn *fn, void *arg)
{
	char text[MASTER_TEXT_MAX], found[DIST_ADDRESS_TEXT_MAX];
	struct dist_sockaddr address;
	enum dist_err err;

	master_format(master, text);
	err = find_master(master, text, timeout_ms, &address);
	if (err == DIST_ENOMEM)
		return err;
	return fn(text, err ? NULL : dist_sockaddr_format(&address, found), arg);
}

enum dist_err
dist_masters_find(const char *masters, int64_t timeout_ms, dist_master_found_fn *fn,
                  void *arg)
{
	struct dist_hostport *list;
	enum dist_err err;
	size_t n;

	err = dist_hostport_parse_list(masters, &list, &n);
	if (err)
		return err;
	for (size_t i = 0; !err && i < n; i++)
		err = find_and_tell(&list[i], timeout_ms, fn, arg);
	free(list);
	return err;
}
