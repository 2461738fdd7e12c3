/* distmaster: the registry of dist/master.h as a daemon. */
#include "config.h"

#include "program/daemon.h"
#include "program/options.h"
#include "program/root.h"

static int
serve(const struct config *config)
{
	struct dist_master *master;
	enum dist_err err;
	int number;

	err = dist_master_start(&master, &config->options);
	if (err)
		return daemon_start_failed(err);
	daemon_listening("master-listening", config->options.listen,
	                 dist_master_port(master), NULL);
	number = daemon_wait_signal(-1);
	dist_log(DIST_LOG_NOTICE, "master-stopping", "signal=%s nodes=%u",
	         daemon_signal_name(number), dist_master_n_nodes(master));
	daemon_stopping("Stopping");
	dist_master_stop(master);
	return PROGRAM_DONE;
}

int
main(int argc, char **argv)
{
	struct dist_listeners *listeners;
	struct config config;
	int status;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	daemon_begin(config.log_level);
	status = root_listen_and_leave(config.user, config.options.listen,
	                               DIST_MASTER_PORT, &listeners);
	config.options.listeners = listeners;
	if (status == PROGRAM_DONE)
		status = serve(&config);
	dist_listeners_free(listeners);
	return status;
}
