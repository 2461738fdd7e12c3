/* distmaster: the registry of dist/master.h as a daemon. */
#include "config.h"

#include "program/daemon.h"
#include "program/options.h"

static int
start_failed(enum dist_err err)
{
	if (err == DIST_EADDRESS)
		return program_wrong_usage("%s", dist_error_text());
	return program_fail("%s", dist_error_text());
}

int
main(int argc, char **argv)
{
	struct dist_master *master;
	struct config config;
	enum dist_err err;
	int status, number;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	daemon_begin(config.log_level);

	err = dist_master_start(&master, &config.options);
	if (err)
		return start_failed(err);
	daemon_listening("master-listening", config.options.listen,
	                 dist_master_port(master), NULL);
	number = daemon_wait_signal(-1);
	dist_log(DIST_LOG_NOTICE, "master-stopping", "signal=%s nodes=%u",
	         daemon_signal_name(number), dist_master_n_nodes(master));
	daemon_stopping("Stopping");
	dist_master_stop(master);
	return PROGRAM_DONE;
}
