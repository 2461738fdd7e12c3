/* Where a call goes; see target.h. */
#include "distctl/target.h"

#include "distctl/masters.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/options.h"

#include <stdlib.h>
#include <string.h>

/* @masters or @servers is NULL. */
static int
open_cluster(struct target *target, const struct config *config, const char *masters,
             const char *servers, rpcprog_t prog, rpcvers_t vers)
{
	const struct dist_cluster_options options = {
		.open_timeout_ms = config->timeout_ms,
		.connect_timeout_ms = config->timeout_ms,
		.servers = servers,
	};
	const struct dist_call_options calls = {
		.timeout_ms = config->timeout_given ? config->timeout_ms : 0,
		.idempotent = config->idempotent,
	};
	enum dist_err err;

	err = dist_cluster_open(&target->cluster, masters, &options);
	if (err == DIST_EADDRESS)
		return program_wrong_usage("%s", dist_error_text());
	if (err)
		return program_fail("%s", dist_error_text());
	target->client = dist_client_create_with(target->cluster, prog, vers, &calls);
	if (target->client)
		return PROGRAM_DONE;
	return program_fail("%s", dist_error_text());
}

/* The address of the node that --node names; NULL, with a sentence: there is none. */
static char *
find_node(struct target *target, const struct view *view, const char *name)
{
	const dist_node_entry *entry = view_find(view, name);
	char address[TEXT_ADDRESS_MAX], *copy;

	if (!entry)
		return NULL;
	if (entry->endpoints.endpoints_len == 0) {
		program_fail("%s: its master knows no address of it", entry->name);
		return NULL;
	}
	text_address(&entry->endpoints.endpoints_val[0], address);
	target->node = strdup(entry->name);
	copy = strdup(address);
	if (target->node && copy)
		return copy;
	free(copy);
	program_fail("out of memory");
	return NULL;
}

static int
open_node(struct target *target, const struct config *config, rpcprog_t prog,
          rpcvers_t vers)
{
	struct masters masters;
	struct view view;
	char *address;
	int status;

	status = masters_open(&masters, config);
	if (status)
		return status;
	status = view_get(&view, &masters, false);
	address = status ? NULL : find_node(target, &view, config->node);
	view_fini(&view);
	masters_close(&masters);
	if (!address)
		return PROGRAM_FAILED;
	status = open_cluster(target, config, NULL, address, prog, vers);
	free(address);
	return status;
}

int
target_open(struct target *target, const struct config *config, rpcprog_t prog,
            rpcvers_t vers)
{
	int status;

	memset(target, 0, sizeof(*target));
	if (config->node)
		status = open_node(target, config, prog, vers);
	else
		status = open_cluster(target, config,
		                      config->address ? NULL : config->masters,
		                      config->address, prog, vers);
	if (status)
		target_close(target);
	return status;
}

void
target_close(struct target *target)
{
	if (target->client)
		clnt_destroy(target->client);
	dist_cluster_close(target->cluster);
	free(target->node);
}

const char *
target_node_name(const struct target *target)
{
	const struct dist_node_info *node = dist_last_node(target->client);

	return target->node ? target->node : node ? node->name : "";
}

const char *
target_node_address(const struct target *target)
{
	const struct dist_node_info *node = dist_last_node(target->client);

	return node ? node->address : "";
}
