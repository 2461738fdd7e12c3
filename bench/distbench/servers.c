/* The nodes' own word on their CPU time; see servers.h. */
#include "distbench/servers.h"

#include "measure/clock.h"

#include <stdlib.h>
#include <string.h>

/* --- Asking ----------------------------------------------------------------------- */

static struct server *
servers_grow(struct servers *servers)
{
	struct server *grown =
		realloc(servers->list, (servers->n + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	servers->list = grown;
	return &grown[servers->n++];
}

static bool
node_serves(const struct dist_node_stats *node, const struct servers *servers)
{
	for (size_t i = 0; i < node->n_procedures; i++) {
		if (node->procedures[i]->program == servers->prog &&
		    node->procedures[i]->version == servers->vers)
			return true;
	}
	return false;
}

/* A node that has run for a moment has used some: 0 is one that does not tell. */
static enum dist_err
servers_add(struct servers *servers, const struct dist_node_stats *node)
{
	uint64_t us = dist_counters_value(&node->counters, "user_cpu_us") +
	              dist_counters_value(&node->counters, "system_cpu_us");
	struct server *server;

	if (us == 0)
		return DIST_ENONODE;
	server = servers_grow(servers);
	if (!server)
		return DIST_ENOMEM;
	memcpy(server->instance, node->instance, sizeof(server->instance));
	server->asked_ns = clock_now_ns();
	server->cpu_s = (double)us / 1e6;
	server->serves = node_serves(node, servers);
	return DIST_OK;
}

static enum dist_err
servers_ask_one(const struct dist_node_info *info, void *arg)
{
	struct servers *servers = arg;
	int64_t left_ms = (servers->deadline_ns - clock_now_ns()) / 1000000;
	struct dist_stats *stats;
	enum dist_err err;

	err = dist_stats_fetch(&stats, info->address, left_ms > 0 ? left_ms : 0);
	if (err)
		return err;
	err = servers_add(servers, stats->nodes[0]);
	dist_stats_free(stats);
	return err;
}

bool
servers_ask(struct servers *ret_servers, struct dist_cluster *cluster, rpcprog_t prog,
            rpcvers_t vers, int64_t deadline_ns)
{
	*ret_servers = (struct servers){ .prog = prog,
		                         .vers = vers,
		                         .deadline_ns = deadline_ns };
	return dist_cluster_each_node(cluster, servers_ask_one, ret_servers) == DIST_OK;
}

void
servers_fini(struct servers *servers)
{
	free(servers->list);
	servers->list = NULL;
	servers->n = 0;
}

/* --- Comparing -------------------------------------------------------------------- */

static const struct server *
servers_find(const struct servers *servers, const struct server *like)
{
	for (size_t i = 0; i < servers->n; i++) {
		if (memcmp(servers->list[i].instance, like->instance,
		           sizeof(like->instance)) == 0)
			return &servers->list[i];
	}
	return NULL;
}

/*
 * The nodes are asked one after the other, the first time under load, the second when
 * it is over. So what each used belongs to the time from its first answer to the end.
 */
double
servers_cpu_s(const struct servers *before, const struct servers *after,
              int64_t begin_ns, int64_t end_ns)
{
	double seconds = 0;
	size_t n = 0;

	for (size_t i = 0; i < before->n; i++) {
		if (before->list[i].serves && !servers_find(after, &before->list[i]))
			return -1;
	}
	for (size_t i = 0; i < after->n; i++) {
		const struct server *now = &after->list[i];
		const struct server *then = servers_find(before, now);

		if (!now->serves)
			continue;
		if (!then || then->asked_ns >= end_ns)
			return -1;
		seconds += (now->cpu_s - then->cpu_s) * (double)(end_ns - begin_ns) /
		           (double)(end_ns - then->asked_ns);
		n++;
	}
	return n > 0 ? seconds : -1;
}
