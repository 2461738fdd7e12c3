/* What is served, and its interfaces; see live.h. */
#include "distctl/live.h"

#include "distctl/text.h"
#include "program/options.h"

#include <stdlib.h>
#include <string.h>

/* Nodes that are asked for one interface before it is said that there is none. */
#define NODES_MAX 3

/* --- What is served --------------------------------------------------------------- */

static bool
is_asked_for(const struct dist_spec_part *part, const char *name, uint32_t number)
{
	const struct dist_spec_value value = { .known = true, .magnitude = number };

	return dist_spec_part_is(part, name, &value);
}

struct wanted {
	const struct dist_spec_part *program, *version;
};

/* False: no memory. */
static bool
add_service(struct live *live, const struct wanted *wanted, uint32_t prog,
            const char *prog_name, uint32_t vers, const char *vers_name)
{
	struct live_service *list;

	if (!is_asked_for(wanted->program, prog_name, prog) ||
	    !is_asked_for(wanted->version, vers_name, vers))
		return true;
	for (size_t i = 0; i < live->n_services; i++) {
		if (live->services[i].prog == prog && live->services[i].vers == vers)
			return true;
	}
	list = reallocarray(live->services, live->n_services + 1, sizeof(*list));
	if (!list)
		return false;
	live->services = list;
	list[live->n_services++] = (struct live_service){
		.prog = prog,
		.vers = vers,
		.prog_name = prog_name,
		.vers_name = vers_name,
	};
	return true;
}

static bool
add_services_of(struct live *live, const struct wanted *wanted,
                const dist_node_entry *node)
{
	for (u_int i = 0; i < node->services.services_len; i++) {
		const dist_service_entry *one = &node->services.services_val[i];

		if (!add_service(live, wanted, one->prog, one->prog_name, one->vers,
		                 one->vers_name))
			return false;
	}
	return true;
}

static int
list_view(struct live *live, const struct wanted *wanted)
{
	int status = masters_open(&live->masters, live->config);

	if (!status)
		status = view_get(&live->view, &live->masters, false);
	if (!status && live->config->node) {
		live->node = view_find(&live->view, live->config->node);
		if (!live->node)
			return PROGRAM_FAILED;
	}
	if (status)
		return status;
	for (size_t i = 0; i < live->view.n_nodes; i++) {
		const dist_node_entry *node = live->view.nodes[i];

		if (live->node ? node != live->node : node->state != DIST_NODE_LIVE)
			continue;
		if (!add_services_of(live, wanted, node))
			return program_fail("out of memory");
	}
	return PROGRAM_DONE;
}

/* What the library says names the address already. */
static int
fail_at(const char *address, const char *why)
{
	if (strncmp(why, address, strlen(address)) == 0)
		return program_fail("%s", why);
	return program_fail("%s: %s", address, why);
}

static int
list_server(struct live *live, const struct wanted *wanted)
{
	const char *address = live->config->address;
	char why[REFLECT_WHY_MAX];
	enum clnt_stat stat;
	int status;

	status = server_open(&live->server, address, DIST_NODE, DIST_NODE_V1,
	                     live->config->timeout_ms);
	if (status)
		return status;
	stat = dist_node_interfaces_1(&live->interfaces, live->server.client);
	if (stat != RPC_SUCCESS) {
		memset(&live->interfaces, 0, sizeof(live->interfaces));
		reflect_say_why(stat, why);
		return fail_at(address, why);
	}
	for (u_int i = 0; i < live->interfaces.entries.entries_len; i++) {
		const dist_interface_entry *one =
			&live->interfaces.entries.entries_val[i];

		if (!add_service(live, wanted, one->prog, one->prog_name, one->vers,
		                 one->vers_name))
			return program_fail("out of memory");
	}
	return PROGRAM_DONE;
}

static int
compare_services(const void *left, const void *right)
{
	const struct live_service *a = left, *b = right;

	if (a->prog != b->prog)
		return a->prog < b->prog ? -1 : 1;
	return a->vers < b->vers ? -1 : a->vers > b->vers;
}

static int
refuse_empty(const struct live *live, const struct wanted *wanted)
{
	const struct dist_spec_part *program = wanted->program,
				    *version = wanted->version;
	const char *where = live->config->address ? live->config->address
	                    : live->config->node  ? live->config->node
	                                          : NULL;

	if (!program->text)
		return where ? program_fail("%s has no interface to hand out", where)
		             : program_fail("no live node serves a program: start "
		                            "distnode with a module");
	return program_fail("%s%s '%.*s%s%.*s'%s", where ? where : "no live node",
	                    live->config->address ? " hands out no interface of"
	                    : where               ? " does not serve"
	                                          : " serves",
	                    (int)program->length, program->text,
	                    version->text ? "/" : "", (int)version->length,
	                    version->text ? version->text : "",
	                    live->config->address ? ": give a FILE.x"
	                    : where               ? ": see 'distctl nodes'"
	                                          : ": see 'distctl services'");
}

/* --- Their interfaces ------------------------------------------------------------- */

/* One that came with another program may have this one in it. */
static bool
find_known(struct live *live, struct live_service *service)
{
	struct live_spec *one;

	for (one = live->specs; one; one = one->next) {
		service->spec = &one->reflected.spec;
		if (dist_spec_find_served(service->spec, service->prog, service->vers,
		                          &service->served))
			return true;
	}
	service->spec = NULL;
	return false;
}

static bool
fetch(struct live *live, struct live_service *service, CLIENT *client, char *why)
{
	struct live_spec *one = calloc(1, sizeof(*one));

	if (!one) {
		strcpy(why, "out of memory");
		return false;
	}
	if (reflect_fetch(&one->reflected, client, service->prog, service->vers, why) !=
	    REFLECT_TAKEN) {
		free(one);
		return false;
	}
	one->next = live->specs;
	live->specs = one;
	service->spec = &one->reflected.spec;
	service->served = one->reflected.served;
	return true;
}

static void
say(const char *name, const struct live_service *service, const char *why)
{
	char *clean = text_clean(service->prog_name);

	program_fail("%s: %s/%u: %s", name, clean && *clean ? clean : "a program",
	             service->vers, why);
	free(clean);
}

/* @tell: it is the last one that is asked. */
static bool
fetch_from(struct live *live, struct live_service *service, const dist_node_entry *node,
           bool tell)
{
	char address[TEXT_ADDRESS_MAX], why[REFLECT_WHY_MAX];
	struct server server;
	bool done;

	if (node->endpoints.endpoints_len == 0)
		return false;
	text_address(&node->endpoints.endpoints_val[0], address);
	if (server_open(&server, address, DIST_NODE, DIST_NODE_V1,
	                live->config->timeout_ms))
		return false;
	done = fetch(live, service, server.client, why);
	if (!done && tell)
		say(node->name, service, why);
	server_close(&server);
	return done;
}

static bool
serves(const dist_node_entry *node, const struct live_service *service)
{
	for (u_int i = 0; i < node->services.services_len; i++) {
		if (node->services.services_val[i].prog == service->prog &&
		    node->services.services_val[i].vers == service->vers)
			return true;
	}
	return false;
}

/* The nodes of the view to ask: up to NODES_MAX. Returns how many there are. */
static size_t
choose_nodes(const struct live *live, const struct live_service *service,
             const dist_node_entry *ret_nodes[NODES_MAX])
{
	size_t n = 0;

	if (live->node) {
		ret_nodes[0] = live->node;
		return 1;
	}
	for (size_t i = 0; i < live->view.n_nodes && n < NODES_MAX; i++) {
		const dist_node_entry *node = live->view.nodes[i];

		if (node->state == DIST_NODE_LIVE && serves(node, service))
			ret_nodes[n++] = node;
	}
	return n;
}

static void
learn_from_server(struct live *live, struct live_service *service)
{
	char why[REFLECT_WHY_MAX];

	if (!fetch(live, service, live->server.client, why))
		say(live->config->address, service, why);
}

static void
learn(struct live *live, struct live_service *service)
{
	const dist_node_entry *nodes[NODES_MAX];
	size_t n;

	if (find_known(live, service))
		return;
	if (live->config->address) {
		learn_from_server(live, service);
		return;
	}
	n = choose_nodes(live, service, nodes);
	for (size_t i = 0; i < n; i++) {
		if (fetch_from(live, service, nodes[i], i + 1 == n))
			return;
	}
}

/* --- Both ------------------------------------------------------------------------- */

int
live_open(struct live *live, const struct config *config,
          const struct dist_spec_part *program, const struct dist_spec_part *version)
{
	const struct wanted wanted = { program, version };
	int status;

	memset(live, 0, sizeof(*live));
	live->config = config;
	status = config->address ? list_server(live, &wanted) : list_view(live, &wanted);
	if (status)
		return status;
	if (live->n_services == 0)
		return refuse_empty(live, &wanted);
	qsort(live->services, live->n_services, sizeof(*live->services),
	      compare_services);
	for (size_t i = 0; i < live->n_services; i++)
		learn(live, &live->services[i]);
	return PROGRAM_DONE;
}

void
live_close(struct live *live)
{
	struct live_spec *one, *next;

	for (one = live->specs; one; one = next) {
		next = one->next;
		dist_spec_fini(&one->reflected.spec);
		free(one);
	}
	free(live->services);
	xdr_free((xdrproc_t)xdr_dist_interfaces_result, &live->interfaces);
	server_close(&live->server);
	view_fini(&live->view);
	masters_close(&live->masters);
}

/* The next one after @before of a service that is called @part; NULL: none. */
static const struct dist_spec_procedure *
next_procedure(const struct live_service *service,
               const struct dist_spec_procedure *before, const struct dist_spec_part *part)
{
	const struct dist_spec_procedure *one;

	if (!service->served.version)
		return NULL;
	one = before ? before->next : service->served.version->procedures;
	while (one && !dist_spec_part_is(part, one->name, &one->number))
		one = one->next;
	return one;
}

static size_t
count_procedures(struct procedure *ret_procedure, const struct live *live,
                 const struct dist_spec_part *part)
{
	const struct dist_spec_procedure *one;
	size_t n = 0;

	for (size_t i = 0; i < live->n_services; i++) {
		const struct live_service *service = &live->services[i];

		for (one = NULL; (one = next_procedure(service, one, part)); n++)
			ret_procedure->found = (struct dist_spec_found){
				service->served.program,
				service->served.version,
				one,
			};
	}
	return n;
}

static bool
knows_any(const struct live *live)
{
	for (size_t i = 0; i < live->n_services; i++) {
		if (live->services[i].spec)
			return true;
	}
	return false;
}

int
live_find(struct procedure *ret_procedure, const struct live *live,
          const struct dist_spec_part *part)
{
	const struct dist_spec_found *found = &ret_procedure->found;
	size_t n = count_procedures(ret_procedure, live, part);

	if (n == 0 && !knows_any(live))
		return program_fail("no interface was handed out: give a FILE.x");
	if (n == 0)
		return program_wrong_usage("the program has no procedure '%.*s'",
		                           (int)part->length, part->text);
	if (n > 1)
		return program_wrong_usage("%s has %zu procedures '%.*s': say "
		                           "PROGRAM/VERSION/PROCEDURE",
		                           found->program->name, n,
		                           (int)part->length, part->text);
	return interface_number(ret_procedure);
}
