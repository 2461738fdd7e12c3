/* Interfaces out of nodes, for the gateway: over a connection of its own, which is seldom. */
#include "gateway_internal.h"

#include "node.h"
#include "program/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nodes that are asked for one, and how long each of their answers may take. */
#define NODES_MAX  2
#define TIMEOUT_MS 1000

/* That there is none is believed for so long; and that nobody could be asked. */
#define NOTHING_NS ((int64_t)2000000000)
#define UNKNOWN_NS ((int64_t)1000000000)

struct candidate {
	char name[256], address[160];
	uint8_t instance[16];
};

struct candidates {
	struct candidate list[NODES_MAX];
	unsigned n;
	uint64_t epoch;
};

static bool
serves(const struct dist_overview_node *node, uint32_t prog, uint32_t vers)
{
	for (size_t i = 0; i < node->n_services; i++) {
		if (node->services[i].program == prog &&
		    node->services[i].version == vers)
			return true;
	}
	return false;
}

/* Of this moment, which may be ahead of the board. False: no memory. */
static bool
choose(struct candidates *candidates, struct dist_master *master, uint32_t prog,
       uint32_t vers)
{
	struct dist_overview *overview;

	if (dist_master_overview(&overview, master))
		return false;
	candidates->n = 0;
	candidates->epoch = overview->epoch;
	for (size_t i = 0; i < overview->n_nodes; i++) {
		const struct dist_overview_node *node = &overview->nodes[i];
		struct candidate *one = &candidates->list[candidates->n];

		if (candidates->n == NODES_MAX)
			break;
		if (node->state != DIST_OVERVIEW_LIVE || !serves(node, prog, vers))
			continue;
		snprintf(one->name, sizeof(one->name), "%s", node->name);
		snprintf(one->address, sizeof(one->address), "%s", node->address);
		memcpy(one->instance, node->instance, sizeof(one->instance));
		candidates->n++;
	}
	dist_overview_free(overview);
	return true;
}

/* Why there is none; rather of who may have one than of who says that it has not. */
static void
keep_why(struct interface *interface, const struct candidate *candidate,
         enum reflect_outcome outcome, const char *why)
{
	if (interface->is_unknown && outcome == REFLECT_NONE)
		return;
	interface->is_unknown = outcome != REFLECT_NONE;
	snprintf(interface->why, sizeof(interface->why), "%.100s: %.600s",
	         candidate->name, why);
}

/* True: @interface has it. False: ->why says why not. */
static bool
fetch_over(struct interface *interface, CLIENT *client, const struct candidate *candidate)
{
	char why[REFLECT_WHY_MAX];
	enum reflect_outcome outcome =
		reflect_fetch(&interface->reflected, client, interface->prog,
	                      interface->vers, why);

	if (outcome != REFLECT_TAKEN) {
		keep_why(interface, candidate, outcome, why);
		return false;
	}
	interface->is_there = true;
	interface->bytes =
		DIST_SPEC_MEMORY_MAX - interface->reflected.spec.arena.left;
	memcpy(interface->instance, interface->reflected.instance,
	       sizeof(interface->instance));
	return true;
}

static bool
fetch_from(struct interface *interface, const struct candidate *candidate)
{
	const struct dist_cluster_options options = {
		.servers = candidate->address,
		.connect_timeout_ms = TIMEOUT_MS,
	};
	const struct dist_call_options calls = { .timeout_ms = TIMEOUT_MS };
	struct dist_cluster *cluster = NULL;
	CLIENT *client = NULL;
	bool done = false;

	if (!dist_cluster_open(&cluster, NULL, &options))
		client = dist_client_create_with(cluster, DIST_NODE, DIST_NODE_V1,
		                                 &calls);
	if (client) {
		done = fetch_over(interface, client, candidate);
		clnt_destroy(client);
	} else {
		keep_why(interface, candidate, REFLECT_NOT_ASKED, dist_error_text());
	}
	dist_cluster_close(cluster);
	return done;
}

void
gateway_fetch_interface(struct gateway *gateway, uint32_t prog, uint32_t vers)
{
	struct interface *interface = calloc(1, sizeof(*interface));
	struct candidates candidates;

	if (!interface || !choose(&candidates, gateway->options.master, prog, vers)) {
		free(interface);
		return; /* it is looked for again, until time is up */
	}
	interface->refs = 1;
	interface->prog = prog;
	interface->vers = vers;
	interface->epoch = candidates.epoch;
	interface->is_unknown = candidates.n == 0;
	snprintf(interface->why, sizeof(interface->why),
	         "there is no live node to ask for the interface");
	for (unsigned i = 0; i < candidates.n; i++) {
		if (fetch_from(interface, &candidates.list[i]))
			break;
	}
	interface->asked_ns = program_now_ns();
	pthread_mutex_lock(&gateway->lock);
	interfaces_add(&gateway->interfaces, interface);
	pthread_mutex_unlock(&gateway->lock);
}

/* --- Looking it up ------------------------------------------------------------ */

static bool
is_live(const struct dist_overview *overview, const struct interface *interface)
{
	for (size_t i = 0; i < overview->n_nodes; i++) {
		const struct dist_overview_node *node = &overview->nodes[i];

		if (node->state == DIST_OVERVIEW_LIVE &&
		    memcmp(node->instance, interface->instance,
		           sizeof(interface->instance)) == 0)
			return serves(node, interface->prog, interface->vers);
	}
	return false;
}

/* The board shows no change since its node was seen to live, or it still does. */
static bool
is_current(struct gateway *gateway, struct interface *interface)
{
	const struct dist_overview *overview;
	bool current;

	if (!interface->is_there)
		return program_now_ns() - interface->asked_ns <
		       (interface->is_unknown ? UNKNOWN_NS : NOTHING_NS);
	overview = board_lock(gateway->options.board)->overview;
	current = !overview || overview->epoch <= interface->epoch ||
	          is_live(overview, interface);
	if (current && overview && overview->epoch > interface->epoch)
		interface->epoch = overview->epoch;
	board_unlock(gateway->options.board);
	return current;
}

bool
gateway_find_interface_locked(struct gateway_request *request)
{
	struct gateway *gateway = request->gateway;
	struct interface *interface =
		interfaces_find(&gateway->interfaces, request->prog, request->vers);

	if (!interface)
		return false;
	if (!is_current(gateway, interface)) {
		interfaces_drop(&gateway->interfaces, interface);
		interface_unref(interface);
		return false;
	}
	request->interface = interface;
	return true;
}
