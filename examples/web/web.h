/*
 * web: a program that embeds a master, and answers over HTTP with what its nodes
 * compute.
 *
 *	web.c         options, start and stop
 *	socket.c      the HTTP socket
 *	http.c        requests come in here, replies go out
 *	sum.c         /sum: one call
 *	palindrome.c  /palindrome: many calls at once, and one reply
 *	nodes.c       /nodes: who is there
 *
 * One thread does all HTTP and never waits for a node: a request that needs one starts
 * its calls and suspends its connection. When a call has ended, the cluster runs the
 * callback that dist_waiter_then() was given, which sends the reply and resumes. So any
 * number of requests are under way at the same time.
 */
#ifndef EXAMPLES_WEB_WEB_H
#define EXAMPLES_WEB_WEB_H

#include <dist/dist.h>
#include <jansson.h>
#include <microhttpd.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct web {
	/* Set before the first request, then read-only. */
	struct dist_cluster *cluster;
	CLIENT *arith;
	CLIENT *palindrome;
	sigset_t signals; /* one of them ends the program */

	/* Guards all below, and is held while a request starts its calls. */
	pthread_mutex_t lock;
	pthread_cond_t quiet; /* n_requests is 0 */
	unsigned n_requests;  /* begun, and not yet sent */
	bool stopping;        /* no request touches the cluster any more */
};

/* --- http.c --------------------------------------------------------------- */

/* Serve HTTP on @listener, taken. Given: MHD_stop_daemon() it. NULL: no memory. */
struct MHD_Daemon *web_start_http(struct web *web, int listener);

/*
 * Take no new connection; a request on an old one is told that the server stops.
 * Given: what was listened on, to close() after MHD_stop_daemon(); or -1.
 */
int web_stop_requests(struct web *web, struct MHD_Daemon *daemon);

/* Wait until each request has its reply, some seconds at most. */
void web_wait_requests(struct web *web);

/*
 * Reply with @body, which is taken; NULL, as jansson gives for want of memory, is an
 * error of its own. On a connection that is suspended, from any thread, before
 * MHD_resume_connection(); or in a handler.
 */
enum MHD_Result web_reply(struct MHD_Connection *connection, unsigned status,
                          json_t *body);

/* Reply with {"error": @sentence}. */
enum MHD_Result web_reply_error(struct MHD_Connection *connection, unsigned status,
                                const char *sentence);

/* The HTTP status that tells of a call that failed: 502, 503 or 504. */
unsigned web_status(enum clnt_stat stat);

/* --- The pages: handlers, with web->lock held ------------------------------ */

typedef enum MHD_Result web_page(struct web *web, struct MHD_Connection *connection);

web_page web_sum;
web_page web_palindrome;
web_page web_nodes;

/* --- socket.c ------------------------------------------------------------- */

/*
 * Listen on "ADDR:PORT" or ":PORT"; IPv6 in brackets. Returns a descriptor, and prints
 * its address to @ret_address, or -1 after a line on stderr that says what to do.
 */
int web_listen(const char *text, char *ret_address, size_t address_size);

#endif
