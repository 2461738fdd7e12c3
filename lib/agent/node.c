/* A node: a server, its agents at the masters, and its entries in rpcbind. */
#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/snapshot.h"
#include "client/announce.h"
#include "server/stats.h"

#include <dist/node.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define HEARTBEAT_MS     1000
#define HEARTBEAT_MIN_MS 10
#define HEARTBEAT_MAX_MS 86400000 /* a day: no master grants a lease as long */
#define DRAIN_MS         10000
#define LEAVE_MAX_MS     2000 /* for masters that do not answer */

struct dist_node {
	/* Set by dist_node_start(), then read-only. */
	pid_t process; /* that started it */
	struct dist_node_options options;
	struct dist_self self;
	struct dist_server *server;
	struct dist_runtime *runtime;
	struct dist_registrar registrar;
	int drain_fd;

	atomic_bool drain_asked;
	/* The address that a master sees, for a node without a name of its own. Set
	 * once. */
	_Atomic(char *) learned_name;
	char first_name[DIST_HOST_MAX + 16]; /* until then */

	struct dist_mutex lock; /* guards the rest */
	bool drained;
	struct dist_announce *announce;
};

/* --- What the agents and the server tell -------------------------------------- */

static void
node_on_drain(void *arg)
{
	struct dist_node *node = arg;
	uint64_t one = 1;

	if (atomic_exchange(&node->drain_asked, true))
		return;
	dist_log_notice("drain-asked", "name=\"%s\"", dist_node_name(node));
	while (write(node->drain_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void
node_on_seen(const char *address, void *arg)
{
	struct dist_node *node = arg;
	char *name = strdup(address), *none = NULL;

	if (!name || !atomic_compare_exchange_strong(&node->learned_name, &none, name))
		free(name);
}

/* --- Start -------------------------------------------------------------------- */

static enum dist_err
options_check(struct dist_node_options *options)
{
	if (options->heartbeat_ms < 0 || options->drain_timeout_ms < 0)
		return dist_error_set(
			DIST_EINVAL,
			"heartbeat_ms and drain_timeout_ms are not negative");
	if (!options->heartbeat_ms)
		options->heartbeat_ms = HEARTBEAT_MS;
	if (options->heartbeat_ms < HEARTBEAT_MIN_MS ||
	    options->heartbeat_ms > HEARTBEAT_MAX_MS)
		return dist_error_set(DIST_EINVAL, "heartbeat_ms is from %u to %u",
		                      HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS);
	if (!options->drain_timeout_ms)
		options->drain_timeout_ms = DRAIN_MS;
	return DIST_OK;
}

static enum dist_err
node_make_server(struct dist_node *node, const struct dist_service *const *services,
                 uint8_t instance[16])
{
	const struct dist_node_options *options = &node->options;
	struct dist_server_options server = {
		.listen = options->listen ? options->listen : "localhost:0",
		.listeners = options->listeners,
		.name = "node",
		.workers = options->workers,
		.queue = options->queue,
		.queue_bytes = options->queue_bytes,
		.max_calls_per_connection = options->max_calls_per_connection,
		.max_record_bytes = options->max_record_bytes,
		.max_decode_bytes = options->max_decode_bytes,
		.max_buffered_bytes = options->max_buffered_bytes,
		.max_connections = options->max_connections,
		.max_connections_per_peer = options->max_connections_per_peer,
		.idle_timeout_ms = options->idle_timeout_ms,
		.header_timeout_ms = options->header_timeout_ms,
		.record_timeout_ms = options->record_timeout_ms,
		.reply_timeout_ms = options->reply_timeout_ms,
		.spin_us = options->spin_us,
		.on_drain = node_on_drain,
		.arg = node,
	};
	enum dist_err err;

	if (getrandom(instance, 16, 0) != 16)
		return dist_error_set(DIST_ESYSTEM, "no random numbers to be had");
	memcpy(server.instance, instance, sizeof(server.instance));
	err = dist_server_open(&node->server, &server);
	for (; !err && *services; services++)
		err = dist_server_add(node->server, *services);
	return err;
}

/* The name that a node without one has before a master has told its address. */
static void
node_set_first_name(struct dist_node *node)
{
	const struct dist_sockaddr *address = &node->self.addresses[0];
	char text[DIST_ADDRESS_TEXT_MAX], host[DIST_HOST_MAX] = "localhost";

	if (node->options.name) {
		snprintf(node->first_name, sizeof(node->first_name), "%s",
		         node->self.name);
	} else if (!dist_sockaddr_is_any(address)) {
		snprintf(node->first_name, sizeof(node->first_name), "%s",
		         dist_sockaddr_format(address, text));
	} else {
		(void)gethostname(host, sizeof(host) - 1);
		snprintf(node->first_name, sizeof(node->first_name), "%s:%u", host,
		         dist_sockaddr_port(address));
	}
}

static enum dist_err
node_describe(struct dist_node *node, const struct dist_service *const *services,
              const uint8_t instance[16])
{
	const struct dist_listeners *listeners = dist_server_listeners(node->server);
	struct dist_server_load load;
	enum dist_err err;

	dist_server_load(node->server, &load);
	err = dist_self_init(&node->self, instance, services, &node->options, listeners,
	                     load.capacity);
	if (!err)
		node_set_first_name(node);
	return err;
}

static enum dist_err
node_register(struct dist_node *node, const struct dist_hostport *masters,
              size_t n_masters)
{
	struct dist_registrar *registrar = &node->registrar;
	enum dist_err err;

	if (!n_masters)
		return DIST_OK;
	err = dist_runtime_start(&node->runtime, "agent");
	if (err)
		return err;
	registrar->self = &node->self;
	registrar->server = node->server;
	registrar->runtime = node->runtime;
	registrar->heartbeat_ms = node->options.heartbeat_ms;
	registrar->on_drain = node_on_drain;
	registrar->on_seen = node_on_seen;
	registrar->arg = node;
	return dist_registrar_start(registrar, masters, n_masters);
}

static void
free_programs(struct dist_announced **programs)
{
	free(*programs);
}

static enum dist_err
node_announce(struct dist_node *node)
{
	const struct dist_listeners *listeners = dist_server_listeners(node->server);
	unsigned n = node->self.as.services.services_len;
	struct dist_sockaddr addresses[DIST_LISTENERS_MAX];
	DIST_CLEANUP(free_programs) struct dist_announced *programs = NULL;

	if (node->options.no_rpcbind)
		return DIST_OK;
	programs = calloc(n, sizeof(*programs));
	if (!programs)
		return dist_error_set_plain(DIST_ENOMEM);
	for (unsigned i = 0; i < n; i++)
		programs[i] = (struct dist_announced){ node->self.services[i].prog,
			                               node->self.services[i].vers };
	for (unsigned i = 0; i < listeners->n; i++)
		addresses[i] = dist_socket_local(listeners->fds[i]);
	return dist_announce_start(&node->announce, programs, n, addresses,
	                           listeners->n, NULL);
}

static enum dist_err
node_build(struct dist_node *node, const struct dist_service *const *services,
           const struct dist_hostport *masters, size_t n_masters)
{
	uint8_t instance[16];
	enum dist_err err;

	node->drain_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (node->drain_fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno,
		                            "no descriptor to be had");
	err = node_make_server(node, services, instance);
	if (!err)
		err = node_describe(node, services, instance);
	if (!err)
		err = dist_self_check_masters(&node->self, &node->options, masters,
		                              n_masters);
	if (!err)
		err = dist_server_start(node->server);
	if (!err)
		err = node_register(node, masters, n_masters);
	if (!err)
		err = node_announce(node);
	return err;
}

/* --- Services on offer -------------------------------------------------------- */

/* A growing array, ended by NULL. */
struct offered {
	const struct dist_service **list;
	size_t n;
};

static void
offered_fini(struct offered *offered)
{
	free(offered->list);
}

static enum dist_err
offered_add(const struct dist_service *service, void *arg)
{
	struct offered *offered = arg;
	const struct dist_service **list;

	list = reallocarray(offered->list, offered->n + 2, sizeof(*list));
	if (!list)
		return dist_error_set_plain(DIST_ENOMEM);
	list[offered->n++] = service;
	list[offered->n] = NULL;
	offered->list = list;
	return DIST_OK;
}

/* --- The public functions ----------------------------------------------------- */

static void
node_free(struct dist_node *node)
{
	dist_announce_stop(node->announce);
	dist_registrar_stop(&node->registrar);
	dist_server_stop(node->server);
	if (node->runtime)
		dist_runtime_stop(node->runtime);
	dist_self_fini(&node->self);
	free(atomic_load(&node->learned_name));
	if (node->drain_fd >= 0)
		close(node->drain_fd);
	dist_mutex_fini(&node->lock);
	free(node);
}
DIST_DEFINE_FREEP(node_free, struct dist_node *)

static void
free_masters(struct dist_hostport **masters)
{
	free(*masters);
}

static enum dist_err
node_start(struct dist_node **ret_node, const struct dist_service *const *services,
           const struct dist_node_options *options, size_t options_size)
{
	DIST_CLEANUP(node_freep) struct dist_node *node = NULL;
	DIST_CLEANUP(free_masters) struct dist_hostport *masters = NULL;
	size_t n_masters = 0;
	enum dist_err err;

	node = calloc(1, sizeof(*node));
	if (!node)
		return dist_error_set_plain(DIST_ENOMEM);
	node->process = getpid();
	dist_mutex_init(&node->lock, DIST_RANK_AGENT);
	node->drain_fd = -1;
	err = dist_options_copy(&node->options, sizeof(node->options), options,
	                        options_size);
	if (!err)
		err = options_check(&node->options);
	if (!err && node->options.masters)
		err = dist_hostport_parse_list(node->options.masters, &masters,
		                               &n_masters);
	if (!err)
		err = node_build(node, services, masters, n_masters);
	if (!err)
		*ret_node = DIST_TAKE(node);
	return err;
}

enum dist_err
dist_node_start_sized(struct dist_node **ret_node,
                      const struct dist_service *const *services,
                      const struct dist_node_options *options, size_t options_size)
{
	DIST_CLEANUP(offered_fini) struct offered offered = { .list = NULL };
	static const struct dist_service *const none[] = { NULL };
	enum dist_err err;

	if (services)
		return node_start(ret_node, services, options, options_size);
	err = dist_service_each(offered_add, &offered);
	if (err)
		return err;
	return node_start(ret_node, offered.list ? offered.list : none, options,
	                  options_size);
}

unsigned
dist_node_port(struct dist_node *node)
{
	return dist_server_listeners(node->server)->port;
}

const char *
dist_node_name(struct dist_node *node)
{
	const char *learned = atomic_load(&node->learned_name);

	return learned && !node->options.name ? learned : node->first_name;
}

/* In the child of a fork its threads are not there, and its locks may be held. */
static enum dist_err
node_check_process(const struct dist_node *node)
{
	return node->process == getpid() ? DIST_OK : dist_error_set_plain(DIST_EFORKED);
}

enum dist_err
dist_node_wait_registered(struct dist_node *node, unsigned n_masters,
                          int64_t timeout_ms)
{
	enum dist_err err = node_check_process(node);

	if (err || !n_masters)
		return err;
	if (!node->registrar.n_agents)
		return dist_error_set(DIST_EINVAL, "the node has no masters");
	return dist_registrar_wait(&node->registrar, n_masters, timeout_ms);
}

/* The first one takes rpcbind's entries back; nobody is to be sent here any more. */
static void
node_begin_drain(struct dist_node *node)
{
	struct dist_announce *announce;

	dist_lock(&node->lock);
	node->drained = true;
	announce = DIST_TAKE(node->announce);
	dist_unlock(&node->lock);
	dist_announce_stop(announce);
}

enum dist_err
dist_node_drain(struct dist_node *node, int64_t timeout_ms)
{
	int64_t deadline_ns = dist_deadline_in_ms(timeout_ms);
	int64_t leave_ns = dist_deadline_in_ms(LEAVE_MAX_MS);
	enum dist_err err = node_check_process(node);

	if (err)
		return err;
	node_begin_drain(node);
	dist_registrar_leave(&node->registrar, DIST_MIN(deadline_ns, leave_ns));
	if (deadline_ns != DIST_NEVER)
		timeout_ms = dist_deadline_poll_ms(deadline_ns);
	return dist_server_drain(node->server, timeout_ms);
}

bool
dist_node_drain_asked(struct dist_node *node)
{
	return atomic_load(&node->drain_asked);
}

enum dist_err
dist_node_stats(struct dist_stats **ret_stats, struct dist_node *node)
{
	char address[DIST_ADDRESS_TEXT_MAX];
	struct dist_snapshot snapshot;
	enum dist_err err = node_check_process(node);

	if (err)
		return err;
	dist_sockaddr_format(&node->self.addresses[0], address);
	dist_snapshot_init(&snapshot);
	dist_snapshot_node(&snapshot, dist_node_name(node), address,
	                   (const uint8_t *)node->self.as.instance);
	dist_server_stats_add(node->server, &snapshot);
	return dist_snapshot_finish(&snapshot, ret_stats);
}

int
dist_node_drain_fd(struct dist_node *node)
{
	return node->drain_fd;
}

void
dist_node_stop(struct dist_node *node)
{
	bool drained;

	if (!node || node_check_process(node))
		return;
	dist_lock(&node->lock);
	drained = node->drained;
	dist_unlock(&node->lock);
	if (!drained && dist_node_drain(node, node->options.drain_timeout_ms))
		dist_log_warning("drain-incomplete", "name=\"%s\" why=\"%s\"",
		                 dist_node_name(node), dist_error_text());
	node_free(node);
}
