#include "client/locate.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "client/rpcbind.h"
#include "idl/registry.h"

#include <dist/master.h>
#include <stdio.h>
#include <string.h>

#define RPCBIND_MAX_NS (2000 * DIST_NS_PER_MS)

const char *
dist_located_name(enum dist_located how)
{
	static const char *const names[] = { "given", "rpcbind", "default" };

	return names[how];
}

static void
candidates_add(struct dist_candidates *candidates, const struct dist_sockaddr *address,
               enum dist_located how)
{
	for (unsigned i = 0; i < candidates->n; i++) {
		if (dist_sockaddr_equal(&candidates->list[i].address, address))
			return;
	}
	if (candidates->n < DIST_CANDIDATES_MAX)
		candidates->list[candidates->n++] =
			(struct dist_candidate){ *address, how };
}

static void
candidates_add_all(struct dist_candidates *candidates, struct dist_addresses *addresses,
                   int port, enum dist_located how)
{
	for (unsigned i = 0; i < addresses->n; i++) {
		dist_sockaddr_set_port(&addresses->list[i], (unsigned)port);
		candidates_add(candidates, &addresses->list[i], how);
	}
}

/* Half of what is left until @deadline_ns, at most RPCBIND_MAX_NS from now. */
static int64_t
rpcbind_deadline(int64_t deadline_ns)
{
	int64_t now_ns = dist_clock_ns(), share_ns;

	if (deadline_ns == DIST_NEVER)
		return now_ns + RPCBIND_MAX_NS;
	share_ns = (deadline_ns - now_ns) / 2;
	return now_ns + DIST_MIN(DIST_MAX(share_ns, 0), RPCBIND_MAX_NS);
}

/*
 * Ask rpcbind at each address of the host. The time is shared out evenly, so that a
 * silent address leaves some for the others. An answer outranks "refused" in what is
 * said.
 */
static enum dist_err
ask_rpcbind(struct dist_candidates *candidates, struct dist_addresses *addresses,
            int64_t deadline_ns, const atomic_bool *stop)
{
	int64_t until_ns = rpcbind_deadline(deadline_ns);
	bool knows = false;

	for (unsigned i = 0; i < addresses->n; i++) {
		int64_t now_ns = dist_clock_ns();
		int64_t share_ns = (until_ns - now_ns) / (addresses->n - i);
		struct dist_patience patience = { now_ns + share_ns, stop };
		struct dist_sockaddr found;
		enum dist_err err;

		dist_sockaddr_set_port(&addresses->list[i], DIST_RPCBIND_PORT);
		err = dist_rpcbind_find(&addresses->list[i], DIST_REGISTRY,
		                        DIST_REGISTRY_V1, patience, &found);
		if (err == DIST_ECLOSED || err == DIST_ENOMEM)
			return err;
		if (err && !knows)
			snprintf(candidates->rpcbind_said,
			         sizeof(candidates->rpcbind_said), "rpcbind: %.200s",
			         dist_error_text());
		if (err)
			continue;
		knows = true;
		snprintf(candidates->rpcbind_said, sizeof(candidates->rpcbind_said),
		         "rpcbind told port %u", dist_sockaddr_port(&found));
		candidates_add(candidates, &found, DIST_LOCATED_RPCBIND);
	}
	return DIST_OK;
}

enum dist_err
dist_locate_master(const struct dist_hostport *master, int64_t deadline_ns,
                   const atomic_bool *stop, struct dist_candidates *ret)
{
	struct dist_candidates candidates = { .n = 0 };
	struct dist_addresses addresses;
	const char *host = master->host[0] ? master->host : "localhost";
	enum dist_err err;

	err = dist_resolve(host, master->port < 0 ? 0 : master->port, deadline_ns, stop,
	                   &addresses);
	if (err)
		return err;
	if (master->port >= 0) {
		candidates_add_all(&candidates, &addresses, master->port,
		                   DIST_LOCATED_GIVEN);
	} else {
		err = ask_rpcbind(&candidates, &addresses, deadline_ns, stop);
		if (err)
			return err;
		candidates_add_all(&candidates, &addresses, DIST_MASTER_PORT,
		                   DIST_LOCATED_DEFAULT);
	}
	*ret = candidates;
	return DIST_OK;
}
