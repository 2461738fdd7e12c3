/* distnode: the node of dist/node.h as a daemon, with services from modules. */
#include "config.h"
#include "loader.h"
#include "services.h"

#include "program/daemon.h"
#include "program/options.h"
#include "program/root.h"

#include <unistd.h>

#define DRAIN_TIMEOUT_MS 10000

/* Until a stop signal: true; or until somebody ordered a drain over RPC. */
static bool
wait_for_the_end(struct dist_node *node)
{
	int number = daemon_wait_signal(dist_node_drain_fd(node));

	if (number)
		dist_log(DIST_LOG_NOTICE, "node-stopping", "signal=%s",
		         daemon_signal_name(number));
	else
		dist_log(DIST_LOG_NOTICE, "node-stopping", "order=drain");
	return number != 0;
}

/*
 * Leave without losing a call. dist_node_stop() waits for procedures however long they
 * take, so calls that outlast the drain end with the process.
 */
static void
drain(struct dist_node *node, int64_t timeout_ms)
{
	enum dist_err err;

	if (timeout_ms == 0)
		timeout_ms = DRAIN_TIMEOUT_MS;
	err = dist_node_drain(node, timeout_ms);
	if (!err)
		return;
	dist_log(DIST_LOG_ERROR, "calls-abandoned",
	         "drain_timeout_ms=%lld reason=\"%s\"", (long long)timeout_ms,
	         dist_error_text());
	_exit(PROGRAM_FAILED);
}

static int
serve(const struct config *config, const struct services *services)
{
	struct dist_node *node;
	enum dist_err err;

	err = dist_node_start(&node, services->list, &config->options);
	if (err)
		return daemon_start_failed(err);
	daemon_listening("node-listening", config->options.listen, dist_node_port(node),
	                 dist_node_name(node));
	daemon_stopping("Draining", wait_for_the_end(node));
	drain(node, config->options.drain_timeout_ms);
	dist_node_stop(node);
	return PROGRAM_DONE;
}

static int
load_and_serve(const struct config *config)
{
	struct modules modules = { 0 };
	struct services services = { 0 };
	int status;

	if (modules_load(&modules, config->modules, config->n_modules))
		status = services_gather(&services, config->serial, config->n_serial);
	else
		status = PROGRAM_FAILED;
	if (status == PROGRAM_DONE)
		status = serve(config, &services);
	services_fini(&services);
	modules_fini(&modules);
	return status;
}

/* Modules are loaded as the user that --user names: their code never runs as root. */
static int
bind_and_serve(struct config *config)
{
	struct dist_listeners *listeners;
	int status = root_listen_and_leave(config->user, config->options.listen, 0,
	                                   &listeners);

	config->options.listeners = listeners;
	if (status == PROGRAM_DONE)
		status = load_and_serve(config);
	dist_listeners_free(listeners);
	return status;
}

int
main(int argc, char **argv)
{
	struct config config;
	int status;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	daemon_begin(config.log_level);
	status = bind_and_serve(&config);
	config_fini(&config);
	return status;
}
