/*
 * web: the main program. See web.h for the whole.
 *
 *	web --http :8080 --listen :3000
 *	distnode --masters HOST arith.so palindrome.so        on each machine
 *	curl 'http://HOST:8080/palindrome?n=2000'
 */
#include "web/web.h"

#include "arith.h"
#include "palindrome.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A caller over HTTP does not wait for ever. */
#define WEB_CALL_TIMEOUT_MS 60000

struct arguments {
	const char *http;
	struct dist_master_options master;
};

/* --- Run ------------------------------------------------------------------ */

/*
 * What ends the program. Blocked before there are threads, so that sigwait() gets it.
 */
static void
signals_block(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

static bool
web_complain(void)
{
	fprintf(stderr, "web: %s\n", dist_error_text());
	return false;
}

/* Serves until a signal comes; then finishes what is under way. */
static bool
web_serve(struct web *web, unsigned master_port, int listener, const char *address)
{
	struct MHD_Daemon *daemon = web_start_http(web, listener);
	int signal_number, stopped_listener;

	if (!daemon) {
		fprintf(stderr, "web: the HTTP server could not be started\n");
		return false;
	}
	dist_log(DIST_LOG_NOTICE, "web-listening", "address=%s master_port=%u", address,
	         master_port);
	sigwait(&web->signals, &signal_number);
	dist_log(DIST_LOG_NOTICE, "web-stopping", "signal=%d", signal_number);

	/*
	 * First what is under way may finish; then closing the cluster ends the rest,
	 * each request with a reply of its own. MHD wants no suspended connection at
	 * its stop.
	 */
	stopped_listener = web_stop_requests(web, daemon);
	web_wait_requests(web);
	dist_cluster_close(web->cluster);
	web->cluster = NULL;
	web_wait_requests(web);
	MHD_stop_daemon(daemon);
	if (stopped_listener >= 0)
		close(stopped_listener);
	return true;
}

static bool
web_open_clients(struct web *web)
{
	/* Adding and counting twice does no harm: a lost node's calls go elsewhere. */
	struct dist_call_options options = {
		.timeout_ms = WEB_CALL_TIMEOUT_MS,
		.idempotent = true,
	};

	web->arith =
		dist_client_create_with(web->cluster, ARITH_PROG, ARITH_V1, &options);
	web->palindrome = dist_client_create_with(web->cluster, PALINDROME_PROG,
	                                          PALINDROME_V1, &options);
	return web->arith && web->palindrome;
}

static void
web_close(struct web *web)
{
	if (web->palindrome)
		clnt_destroy(web->palindrome);
	if (web->arith)
		clnt_destroy(web->arith);
	dist_cluster_close(web->cluster);
	pthread_cond_destroy(&web->quiet);
	pthread_mutex_destroy(&web->lock);
}

/* @listener is taken. */
static bool
web_run(struct dist_master *master, const sigset_t *signals, int listener,
        const char *address)
{
	struct web web = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.quiet = PTHREAD_COND_INITIALIZER,
		.signals = *signals,
	};
	bool all_well;

	if (dist_cluster_of(&web.cluster, master, NULL) || !web_open_clients(&web)) {
		close(listener);
		all_well = web_complain();
	} else {
		all_well = web_serve(&web, dist_master_port(master), listener, address);
	}
	web_close(&web);
	return all_well;
}

/* --- The command line ----------------------------------------------------- */

static const char web_help[] =
	"Usage: web [--http ADDR:PORT] [--listen ADDR:PORT] [--no-rpcbind]\n"
	"A master with a web server: nodes join it, and do the work behind its pages.\n"
	"\n"
	"  --http ADDR:PORT    where to serve HTTP, port 0 for any; 127.0.0.1:8080\n"
	"  --listen ADDR:PORT  where nodes join; port 3000, from this host only\n"
	"  --no-rpcbind        tell rpcbind nothing\n"
	"  --help              print this\n"
	"  --version           print the version\n"
	"\n"
	"Pages: /sum, /palindrome?n=N, /nodes\n";

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "http", required_argument, NULL, 'w' },
		{ "listen", required_argument, NULL, 'l' },
		{ "no-rpcbind", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			arguments->http = optarg;
			break;
		case 'l':
			arguments->master.listen = optarg;
			break;
		case 'r':
			arguments->master.no_rpcbind = true;
			break;
		case 'h':
			fputs(web_help, stdout);
			exit(0);
		case 'V':
			puts("web " EXAMPLES_VERSION);
			exit(0);
		default:
			fputs("Try 'web --help'\n", stderr);
			exit(2);
		}
	}
	if (optind == argc)
		return;
	fprintf(stderr, "web: it takes no arguments: %s\nTry 'web --help'\n",
	        argv[optind]);
	exit(2);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = { .http = "127.0.0.1:8080" };
	struct dist_master *master;
	char address[512];
	sigset_t signals;
	enum dist_err err;
	bool all_well;
	int listener;

	arguments_parse(&arguments, argc, argv);
	dist_log_set_sink(dist_log_to_stderr, NULL, DIST_LOG_NOTICE);
	signals_block(&signals);

	listener = web_listen(arguments.http, address, sizeof(address));
	if (listener < 0)
		return 1;
	err = dist_master_start(&master, &arguments.master);
	if (err) {
		close(listener);
		web_complain();
		if (err != DIST_EADDRESS && err != DIST_EINVAL)
			return 1;
		fputs("Try 'web --help'\n", stderr);
		return 2;
	}
	all_well = web_run(master, &signals, listener, address);
	dist_master_stop(master);
	return all_well ? 0 : 1;
}
