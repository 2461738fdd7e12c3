/*
 * distctl ping: ask nodes, or else all of them and the masters, for a sign of life,
 * each directly.
 *
 * Masters serve the node program too, so both are asked the same. The first call opens
 * the connection; the second one is timed.
 */
#include "distctl/config.h"

#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "node.h"
#include "program/clock.h"
#include "program/options.h"

#include <stdio.h>
#include <string.h>

struct ping {
	dist_ping_result result;
	double ms;
};

/* What the answers go to: one of the two. */
struct output {
	struct table table;
	bool as_json;
	json_t *json;
};

static const struct table_column columns[] = {
	{ "NAME", false }, { "ADDRESS", false }, { "MS", true },
	{ "BUSY", true },  { "QUEUED", true },   { "STATE", false },
};

static bool
ping_server(struct ping *ret_ping, struct server *server)
{
	struct ping ping = { .ms = 0 };

	for (int i = 0; i < 2; i++) {
		int64_t begin_ns = program_now_ns();

		memset(&ping.result, 0, sizeof(ping.result));
		if (dist_node_ping_1(&ping.result, server->client) != RPC_SUCCESS)
			return false;
		ping.ms = program_ms_since(begin_ns);
	}
	*ret_ping = ping;
	return true;
}

static json_t *
answer_json(const char *name, const char *address, const char *state,
            const struct ping *ping)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(name));
	json_put(object, "address", json_text(address));
	json_put(object, "ms", json_real(ping->ms));
	json_put(object, "in_flight", json_number(ping->result.in_flight));
	json_put(object, "queued", json_number(ping->result.queued));
	json_put(object, "state", json_string(state));
	return object;
}

static void
add_answer(struct output *output, const char *name, const char *address,
           const struct ping *ping)
{
	const char *state = ping->result.draining ? "draining" : "live";

	if (output->as_json) {
		json_add(output->json, answer_json(name, address, state, ping));
		return;
	}
	table_add(&output->table, "%s", name);
	table_add(&output->table, "%s", address);
	table_add(&output->table, "%.3f", ping->ms);
	table_add(&output->table, "%u", ping->result.in_flight);
	table_add(&output->table, "%u", ping->result.queued);
	table_add(&output->table, "%s", state);
}

static int
ping_address(struct output *output, const char *name, const char *address,
             int64_t timeout_ms)
{
	struct server server;
	struct ping ping;
	int status;

	status = server_open(&server, address, DIST_NODE, DIST_NODE_V1, timeout_ms);
	if (status)
		return status;
	if (ping_server(&ping, &server))
		add_answer(output, name, address, &ping);
	else
		status = program_fail("%s: %s", name, dist_error_text());
	server_close(&server);
	return status;
}

static int
worse(int a, int b)
{
	return a > b ? a : b;
}

/* All of them, also when one does not answer; the worst status, as below. */
static int
ping_masters(struct output *output, const struct masters *masters, int64_t timeout_ms)
{
	int status = PROGRAM_DONE;

	for (size_t i = 0; i < masters->n; i++)
		status = worse(status,
		               ping_address(output, "master", masters->list[i].address,
		                            timeout_ms));
	return status;
}

static int
ping_node(struct output *output, const dist_node_entry *node, int64_t timeout_ms)
{
	char address[TEXT_ADDRESS_MAX];

	if (!node)
		return PROGRAM_FAILED; /* view_find() said so */
	if (node->endpoints.endpoints_len == 0)
		return program_fail("%s: its master knows no address of it",
		                    node->name);
	text_address(&node->endpoints.endpoints_val[0], address);
	return ping_address(output, node->name, address, timeout_ms);
}

static int
ping_nodes(struct output *output, const struct view *view, const struct config *config)
{
	int status = PROGRAM_DONE;

	for (size_t i = 0; i < config->n_names; i++)
		status = worse(status,
		               ping_node(output, view_find(view, config->names[i]),
		                         config->timeout_ms));
	for (size_t i = 0; config->n_names == 0 && i < view->n_nodes; i++)
		status = worse(status,
		               ping_node(output, view->nodes[i], config->timeout_ms));
	return status;
}

/* With no masters to ask, what was given are addresses: of nodes, or of masters. */
static int
ping_addresses(struct output *output, const struct config *config)
{
	int status = PROGRAM_DONE;

	for (size_t i = 0; i < config->n_names; i++)
		status = worse(status,
		               ping_address(output, config->names[i], config->names[i],
		                            config->timeout_ms));
	return status;
}

/* @view: NULL, with no masters. */
static int
ping_view(struct output *output, const struct masters *masters, const struct view *view,
          const struct config *config)
{
	int status = PROGRAM_DONE;

	if (!view)
		return ping_addresses(output, config);
	if (config->n_names == 0)
		status = ping_masters(output, masters, config->timeout_ms);
	return worse(status, ping_nodes(output, view, config));
}

static int
print_answers(const struct output *output)
{
	if (output->as_json)
		return json_print("answers", json_incref(output->json));
	return table_print(&output->table);
}

/* Whoever answered is shown, also when somebody did not. */
static int
ping_and_print(const struct config *config, const struct masters *masters,
               const struct view *view)
{
	struct output output = { .as_json = config->json,
		                 .json = config->json ? json_array() : NULL };
	int status;

	table_init(&output.table, columns, sizeof(columns) / sizeof(columns[0]));
	status = ping_view(&output, masters, view, config);
	status = worse(status, print_answers(&output));
	table_fini(&output.table);
	json_decref(output.json);
	return status;
}

int
ping_run(const struct config *config)
{
	if (!config->masters)
		return ping_and_print(config, NULL, NULL);
	return view_use(config, false, ping_and_print);
}
