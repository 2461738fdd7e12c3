/* One server, called directly; see server.h. */
#include "distctl/server.h"

#include "program/options.h"

#include <stdlib.h>
#include <string.h>

int
server_open(struct server *server, const char *address, rpcprog_t prog, rpcvers_t vers,
            int64_t timeout_ms)
{
	const struct dist_cluster_options servers = {
		.servers = address,
		.connect_timeout_ms = timeout_ms,
	};
	/* Of several addresses one gets all calls. */
	const struct dist_call_options calls = { .timeout_ms = timeout_ms,
		                                 .affinity = 1 };
	enum dist_err err;

	memset(server, 0, sizeof(*server));
	err = dist_cluster_open(&server->cluster, NULL, &servers);
	if (err == DIST_EADDRESS)
		return program_wrong_usage("%s", dist_error_text());
	if (err)
		return program_fail("%s", dist_error_text());
	server->address = strdup(address);
	server->client = dist_client_create_with(server->cluster, prog, vers, &calls);
	if (server->address && server->client)
		return PROGRAM_DONE;
	server_close(server);
	return program_fail("out of memory");
}

void
server_close(struct server *server)
{
	if (server->client)
		clnt_destroy(server->client);
	dist_cluster_close(server->cluster);
	free(server->address);
	memset(server, 0, sizeof(*server));
}
