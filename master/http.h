/*
 * The master over HTTP, for people and for monitoring. What comes in this way changes
 * nothing, but for a call, which needs a token.
 *
 *	/         the page that shows the cluster live
 *	/events   what the page listens to (feed.h)
 *	/metrics  for Prometheus (metrics.h)
 *	/nodes    JSON (nodes.h)
 *	/healthz  200: the master is alive
 *	/readyz   200: it can be relied on
 *	/call/PROGRAM/VERSION/PROCEDURE
 *	          a procedure, with JSON, if calls may be made (gateway.h)
 */
#ifndef MASTER_HTTP_H
#define MASTER_HTTP_H

#include "token.h"

#include <dist/master.h>
#include <stdbool.h>

#define HTTP_HOSTS_MAX 16

struct http;

struct http_options {
	const char
		*hosts[HTTP_HOSTS_MAX]; /* names it may be called by, besides its own */
	unsigned n_hosts;
	int64_t stats_ms; /* how often the master asks its nodes */
	const struct token *token; /* of those who may call; NULL: nobody may */
};

/*
 * Serve on @listener, taken. @master and the hosts are borrowed until http_stop(),
 * given. NULL after a sentence on stderr.
 */
struct http *http_start(struct dist_master *master, int listener,
                        const struct http_options *options);
/* Taken; NULL is nothing. */
void http_stop(struct http *http);

#endif
