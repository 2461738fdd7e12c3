/* distmaster's command line. */
#ifndef MASTER_CONFIG_H
#define MASTER_CONFIG_H

#include <dist/log.h>
#include <dist/master.h>
#include <stdbool.h>

#define CONFIG_HOSTS_MAX 16

struct config {
	struct dist_master_options options; /* its strings are argv's */
	enum dist_log_level log_level;
	const char *http; /* where to serve HTTP; NULL: nowhere */
	const char *http_hosts[CONFIG_HOSTS_MAX];
	unsigned n_http_hosts;
	bool http_call;
	const char *http_token_file; /* with .http_call */
	const char *user; /* who to be instead of root; NULL: whoever we are */
};

/*
 * True: @ret_config is filled in, start. False: --help or --version was printed, or a
 * sentence about wrong usage; exit with @ret_status.
 */
bool config_parse(struct config *ret_config, int argc, char **argv, int *ret_status);

#endif
