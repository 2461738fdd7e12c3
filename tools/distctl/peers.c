/*
 * Each peer is asked for its statistics (idl/node.x, which masters serve too), over a
 * connection of its own: that it can be connected to, who it is, its clock and its
 * release, all in one answer.
 */
#include "distctl/peers.h"

#include "distctl/entry.h"
#include "distctl/server.h"
#include "distctl/text.h"
#include "program/clock.h"

#include <dist/stats.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_MAX 64
/* Log lines of two hosts cannot be put in order any more. */
#define CLOCK_FAR_MS 1000
#define SERVICE_MAX  300

/* What one call told. */
struct answer {
	struct dist_stats *stats;
	double ms;
	int64_t ahead_ms, slack_ms;
	uint64_t version, clock_ms;
};

/* --- Asking ----------------------------------------------------------------------- */

/* Its clock was read at some time between the two of ours. */
static void
compare_clocks(struct answer *answer, int64_t before_ms, int64_t after_ms)
{
	int64_t ours_ms = before_ms + (after_ms - before_ms) / 2;

	answer->ahead_ms = (int64_t)(answer->clock_ms - (uint64_t)ours_ms);
	answer->slack_ms = (after_ms - before_ms + 1) / 2 + 1;
}

/* False: dist_error_text() says why. */
static bool
ask(struct answer *answer, const char *address, int64_t timeout_ms)
{
	int64_t before_ms = program_wall_ms();
	int64_t begin_ns = program_now_ns();
	const struct dist_counters *counters;

	memset(answer, 0, sizeof(*answer));
	if (dist_stats_fetch(&answer->stats, address, timeout_ms))
		return false;
	answer->ms = program_ms_since(begin_ns);
	counters = &answer->stats->nodes[0]->counters;
	answer->version = dist_counters_value(counters, "version");
	answer->clock_ms = dist_counters_value(counters, "clock_ms");
	compare_clocks(answer, before_ms, program_wall_ms());
	return true;
}

/* Without memory for it, it is missing in the comparison. */
static void
add_peer(struct peers *peers, const char *name, const struct answer *answer)
{
	struct peer *list = reallocarray(peers->list, peers->n + 1, sizeof(*list));

	if (!list)
		return;
	peers->list = list;
	list[peers->n] = (struct peer){
		.name = strdup(name),
		.version = answer->version,
		.has_clock = answer->clock_ms > 0,
		.ahead_ms = answer->ahead_ms,
		.slack_ms = answer->slack_ms,
	};
	peers->n += list[peers->n].name != NULL;
}

void
peers_take(struct peers *peers, struct peers *others)
{
	struct peer *list;

	list = others->n ? reallocarray(peers->list, peers->n + others->n, sizeof(*list))
	                 : NULL;
	if (list) {
		memcpy(list + peers->n, others->list, others->n * sizeof(*list));
		peers->list = list;
		peers->n += others->n;
		others->n = 0;
	}
	peers_fini(others);
}

void
peers_fini(struct peers *peers)
{
	for (size_t i = 0; i < peers->n; i++)
		free(peers->list[i].name);
	free(peers->list);
}

static const char *
version_text(uint64_t version, char ret[VERSION_MAX])
{
	if (version == 0)
		return "unknown";
	snprintf(ret, VERSION_MAX, "%" PRIu64 ".%" PRIu64 ".%" PRIu64,
	         version / 1000000, version / 1000 % 1000, version % 1000);
	return ret;
}

/* --- Masters ---------------------------------------------------------------------- */

void
peers_check_master(struct peers *peers, const char *name, const char *address)
{
	char version[VERSION_MAX], label[TEXT_ADDRESS_MAX + 16];
	struct answer answer;

	if (!ask(&answer, address, peers->timeout_ms)) {
		diagnosis_add(peers->diagnosis, VERDICT_WRONG, "master", name,
		              "see its log",
		              "it answers, but does not tell what it counts: %s",
		              dist_error_text());
		return;
	}
	diagnosis_add(peers->diagnosis, VERDICT_OK, "master", name, NULL,
	              "answers at %s in %.1f ms, version %s", address, answer.ms,
	              version_text(answer.version, version));
	snprintf(label, sizeof(label), "master %s", address);
	add_peer(peers, label, &answer);
	dist_stats_free(answer.stats);
}

/* --- Nodes ------------------------------------------------------------------------ */

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0;
}

static void
add_unreached(struct peers *peers, const char *name, const char *address)
{
	const char *advice =
		dist_error_last() == DIST_EDEADLINE
			? "look whether it is stopped, its host overloaded, or a firewall "
			  "drops what is sent there"
		: is_loopback(address)
			? "an address of loopback is its own host's alone: start it with "
			  "--listen, or call from there"
			: "its master can call it and this host cannot: look for a "
			  "firewall in between, or give it an address that both reach "
			  "with --advertise";

	diagnosis_add(peers->diagnosis, VERDICT_WRONG, "node", name, advice,
	              "cannot be called: %s", dist_error_text());
}

static void
service_text(const dist_service_entry *service, char ret[SERVICE_MAX])
{
	if (*service->prog_name)
		snprintf(ret, SERVICE_MAX, "%s/%u", service->prog_name, service->vers);
	else
		snprintf(ret, SERVICE_MAX, "0x%08x/%u", service->prog, service->vers);
}

/* Its procedure 0, which every program has and which does nothing (RFC 5531 section 12).
 */
static bool
call_null(const char *address, const dist_service_entry *service, int64_t timeout_ms)
{
	const struct timeval unused = { .tv_sec = 25 };
	enum clnt_stat stat = RPC_FAILED;
	struct server server;

	if (server_open(&server, address, service->prog, service->vers, timeout_ms))
		return false;
	stat = clnt_call(server.client, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                 (xdrproc_t)xdr_void, NULL, unused);
	server_close(&server);
	return stat == RPC_SUCCESS;
}

/* How many of its services answer; each that does not is told of. */
static unsigned
check_services(struct peers *peers, const dist_node_entry *node, const char *address)
{
	char service[SERVICE_MAX];
	unsigned n = 0;

	for (u_int i = 0; i < node->services.services_len; i++) {
		const dist_service_entry *entry = &node->services.services_val[i];

		if (call_null(address, entry, peers->timeout_ms)) {
			n++;
			continue;
		}
		service_text(entry, service);
		diagnosis_add(peers->diagnosis, VERDICT_WRONG, "service", node->name,
		              "see its log, and what it is busy with in 'distctl stats'",
		              "%s does not answer: %s", service, dist_error_text());
	}
	return n;
}

static bool
is_other(const struct answer *answer, const dist_node_entry *node)
{
	return memcmp(answer->stats->nodes[0]->instance, node->instance,
	              DIST_ID_SIZE) != 0;
}

static void
judge_node(struct peers *peers, const dist_node_entry *node, const char *address,
           const struct answer *answer)
{
	unsigned n_services;

	if (is_other(answer, node)) {
		diagnosis_add(peers->diagnosis, VERDICT_WRONG, "node", node->name,
		              "two hosts may have this address, or the node started anew "
		              "and its former run is listed until its lease ends",
		              "another process answers at %s", address);
		return;
	}
	add_peer(peers, node->name, answer);
	if (node->state == DIST_NODE_DRAINING) {
		diagnosis_add(peers->diagnosis, VERDICT_OK, "node", node->name, NULL,
		              "answers at %s in %.1f ms, and is draining", address,
		              answer->ms);
		return;
	}
	n_services = check_services(peers, node, address);
	if (n_services == node->services.services_len)
		diagnosis_add(peers->diagnosis, VERDICT_OK, "node", node->name, NULL,
		              "answers at %s in %.1f ms, and so do its services: %u",
		              address, answer->ms, n_services);
}

void
peers_check_node(struct peers *peers, const dist_node_entry *node)
{
	char address[TEXT_ADDRESS_MAX];
	struct answer answer;

	entry_first_address(node, address);
	if (node->endpoints.endpoints_len == 0)
		diagnosis_add(peers->diagnosis, VERDICT_WRONG, "node", node->name,
		              "start it anew", "its master knows no address of it");
	else if (!ask(&answer, address, peers->timeout_ms))
		add_unreached(peers, node->name, address);
	else {
		judge_node(peers, node, address, &answer);
		dist_stats_free(answer.stats);
	}
}

/* --- Compared --------------------------------------------------------------------- */

void
peers_check_clocks(const struct peers *peers)
{
	size_t n_near = 0;

	for (size_t i = 0; i < peers->n; i++) {
		const struct peer *peer = &peers->list[i];
		int64_t off_ms = llabs(peer->ahead_ms);

		if (!peer->has_clock)
			continue;
		if (off_ms <= CLOCK_FAR_MS + peer->slack_ms) {
			n_near++;
			continue;
		}
		diagnosis_add(peers->diagnosis, VERDICT_WARNING, "clock", peer->name,
		              "have both hosts set their clocks by NTP; calls and leases "
		              "do not go by it, but log lines cannot be compared",
		              "is %.1f s %s this host's", (double)off_ms / 1e3,
		              peer->ahead_ms > 0 ? "ahead of" : "behind");
	}
	if (n_near > 0)
		diagnosis_add(peers->diagnosis, VERDICT_OK, "clock", "this host", NULL,
		              "within a second of %zu of %zu masters and nodes", n_near,
		              peers->n);
}

/* The first of its version. */
static bool
is_first(const struct peers *peers, size_t place)
{
	for (size_t i = 0; i < place; i++) {
		if (peers->list[i].version == peers->list[place].version)
			return false;
	}
	return true;
}

static size_t
count_version(const struct peers *peers, uint64_t version)
{
	size_t n = 0;

	for (size_t i = 0; i < peers->n; i++)
		n += peers->list[i].version == version;
	return n;
}

/* A line for each other version, which names one that has it. */
void
peers_check_versions(const struct peers *peers)
{
	char version[VERSION_MAX];
	const char *text;

	for (size_t i = 0; i < peers->n; i++) {
		size_t n = count_version(peers, peers->list[i].version);

		if (!is_first(peers, i))
			continue;
		text = version_text(peers->list[i].version, version);
		if (strcmp(text, DIST_VERSION) == 0)
			diagnosis_add(peers->diagnosis, VERDICT_OK, "version",
			              "this distctl", NULL,
			              "%s, as %zu of %zu masters and nodes", text, n,
			              peers->n);
		else
			diagnosis_add(peers->diagnosis, VERDICT_WARNING, "version",
			              peers->list[i].name,
			              "bring all to one release when you can",
			              "%s, as %zu of %zu masters and nodes; this distctl "
			              "is %s",
			              text, n, peers->n, DIST_VERSION);
	}
}
