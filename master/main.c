/* distmaster: the registry of dist/master.h as a daemon. */
#include "config.h"

#include "events.h"
#include "http.h"
#include "socket.h"
#include "token.h"

#include "program/daemon.h"
#include "program/options.h"
#include "program/root.h"

#include <string.h>
#include <unistd.h>

/*
 * The HTTP port is opened while we may still be root. Nothing of the log is lost to the
 * page: it is kept from here on.
 */
static int
http_listen(const struct config *config, int *ret_listener,
            char ret_address[SOCKET_ADDRESS_MAX])
{
	*ret_listener = -1;
	if (!config->http)
		return PROGRAM_DONE;
#ifdef HAVE_HTTP
	bool usage;

	events_begin(config->log_level);
	*ret_listener = socket_listen(config->http, ret_address, &usage);
	if (*ret_listener >= 0)
		return PROGRAM_DONE;
	return usage ? PROGRAM_WRONG_USAGE : PROGRAM_FAILED;
#else
	(void)ret_address;
	return program_wrong_usage("--http: this distmaster was built without HTTP");
#endif
}

/* The token of those who may call: it, too, may be root's to read. */
static int
http_read_token(const struct config *config, struct token *ret_token)
{
	if (!config->http_call)
		return PROGRAM_DONE;
#ifdef HAVE_CALLS
	const char *why_not = token_read(ret_token, config->http_token_file);

	return why_not ? program_fail("--http-token-file %s: %s",
	                              config->http_token_file, why_not)
	               : PROGRAM_DONE;
#else
	(void)ret_token;
	return program_wrong_usage("--http-call: this distmaster was built without it");
#endif
}

#ifdef HAVE_HTTP
/* @listener is taken. NULL: a sentence said why. */
static struct http *
http_serve(struct dist_master *master, const struct config *config, int listener,
           const char *address, const struct token *token)
{
	struct http_options options = { .n_hosts = config->n_http_hosts,
		                        .stats_ms = config->options.stats_ms,
		                        .token = config->http_call ? token : NULL };
	struct http *http;

	memcpy(options.hosts, config->http_hosts, sizeof(options.hosts));
	http = http_start(master, listener, &options);
	if (http)
		dist_log(DIST_LOG_NOTICE, "http-listening", "address=%s", address);
	return http;
}
#endif

static void
wait_for_the_end(const struct config *config, struct dist_master *master)
{
	int number;

	daemon_listening("master-listening", config->options.listen,
	                 dist_master_port(master), NULL);
	number = daemon_wait_signal(-1);
	dist_log(DIST_LOG_NOTICE, "master-stopping", "signal=%s nodes=%u",
	         daemon_signal_name(number), dist_master_n_nodes(master));
	daemon_stopping("Stopping", true);
}

/* @listener is taken; -1: no HTTP. */
static int
serve(const struct config *config, int listener, const char *http_address,
      const struct token *token)
{
	struct dist_master *master;
	int status = PROGRAM_DONE;
	enum dist_err err;

	err = dist_master_start(&master, &config->options);
	if (err) {
		if (listener >= 0)
			close(listener);
		return daemon_start_failed(err);
	}
#ifdef HAVE_HTTP
	struct http *http = NULL;

	if (listener >= 0) {
		http = http_serve(master, config, listener, http_address, token);
		status = http ? PROGRAM_DONE : PROGRAM_FAILED;
	}
	if (status == PROGRAM_DONE)
		wait_for_the_end(config, master);
	http_stop(http);
#else
	(void)http_address;
	(void)token;
	wait_for_the_end(config, master);
#endif
	dist_master_stop(master);
	return status;
}

int
main(int argc, char **argv)
{
	char http_address[SOCKET_ADDRESS_MAX] = "";
	struct dist_listeners *listeners = NULL;
	struct token token = { .length = 0 };
	struct config config;
	int status, listener;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	daemon_begin(config.log_level);
	status = http_listen(&config, &listener, http_address);
	if (status == PROGRAM_DONE)
		status = http_read_token(&config, &token);
	if (status == PROGRAM_DONE)
		status = root_listen_and_leave(config.user, config.options.listen,
		                               DIST_MASTER_PORT, &listeners);
	config.options.listeners = listeners;
	if (status == PROGRAM_DONE)
		status = serve(&config, listener, http_address, &token);
	else if (listener >= 0)
		close(listener);
	dist_listeners_free(listeners);
	return status;
}
