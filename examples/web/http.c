#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long web_wait_requests() waits, and how long a client may be silent. */
#define WEB_WAIT_SECONDS 5
#define WEB_IDLE_SECONDS 30u

/* --- Replies -------------------------------------------------------------- */

/* @text is borrowed, and copied. */
static enum MHD_Result
reply_text(struct MHD_Connection *connection, unsigned status, const char *type,
           const char *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
web_reply(struct MHD_Connection *connection, unsigned status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	enum MHD_Result result;

	if (!text)
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	result = reply_text(connection, status, "application/json",
	                    text ? text : "{\"error\":\"out of memory\"}");
	free(text);
	json_decref(body);
	return result;
}

enum MHD_Result
web_reply_error(struct MHD_Connection *connection, unsigned status,
                const char *sentence)
{
	return web_reply(connection, status, json_pack("{s:s}", "error", sentence));
}

unsigned
web_status(enum clnt_stat stat)
{
	switch (stat) {
	case RPC_PROGNOTREGISTERED: /* no live node */
	case RPC_CANTSEND:          /* all are busy, or none can be reached */
	case RPC_FAILED:            /* the cluster was closed: the program stops */
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	case RPC_TIMEDOUT:
		return MHD_HTTP_GATEWAY_TIMEOUT;
	default:
		return MHD_HTTP_BAD_GATEWAY;
	}
}

/* --- Requests ------------------------------------------------------------- */

static const char index_text[] =
	"/sum               three random numbers, added by one node\n"
	"/palindrome?n=N    binary palindromes from 0 to N, counted by all nodes\n"
	"/nodes             the nodes, as JSON\n";

static enum MHD_Result
web_index(struct web *web, struct MHD_Connection *connection)
{
	(void)web;
	return reply_text(connection, MHD_HTTP_OK, "text/plain; charset=utf-8",
	                  index_text);
}

static const struct {
	const char *path;
	web_page *page;
} pages[] = {
	{ "/", web_index },
	{ "/sum", web_sum },
	{ "/palindrome", web_palindrome },
	{ "/nodes", web_nodes },
};

static enum MHD_Result
request_route(struct web *web, struct MHD_Connection *connection, const char *path,
              const char *method)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return web_reply_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		                       "only GET is answered here");
	if (web->stopping)
		return web_reply_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		                       "this server is stopping");
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(path, pages[i].path))
			return pages[i].page(web, connection);
	return web_reply_error(connection, MHD_HTTP_NOT_FOUND,
	                       "there are /sum, /palindrome?n=N and /nodes");
}

/* For MHD: each request once, when its headers are there. */
static enum MHD_Result
request_begin(void *arg, struct MHD_Connection *connection, const char *path,
              const char *method, const char *version, const char *upload,
              size_t *upload_size, void **request)
{
	struct web *web = arg;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	(void)upload_size;
	if (*request) /* it was resumed without a reply, which then had no memory */
		return MHD_NO;

	pthread_mutex_lock(&web->lock);
	*request = web;
	web->n_requests++;
	result = request_route(web, connection, path, method);
	pthread_mutex_unlock(&web->lock);
	return result;
}

/* For MHD: the reply was sent, or the connection lost. */
static void
request_end(void *arg, struct MHD_Connection *connection, void **request,
            enum MHD_RequestTerminationCode how)
{
	struct web *web = arg;

	(void)connection;
	(void)how;
	if (!*request)
		return;
	*request = NULL;
	pthread_mutex_lock(&web->lock);
	if (--web->n_requests == 0)
		pthread_cond_signal(&web->quiet);
	pthread_mutex_unlock(&web->lock);
}

/* --- Start and stop ------------------------------------------------------- */

struct MHD_Daemon *
web_start_http(struct web *web, int listener)
{
	struct MHD_Daemon *daemon;

	daemon = MHD_start_daemon(
		MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		request_begin, web, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_NOTIFY_COMPLETED, request_end, web,
		MHD_OPTION_CONNECTION_TIMEOUT, WEB_IDLE_SECONDS, MHD_OPTION_END);
	if (!daemon)
		close(listener);
	return daemon;
}

int
web_stop_requests(struct web *web, struct MHD_Daemon *daemon)
{
	int listener = MHD_quiesce_daemon(daemon);

	/* Not closed: MHD's thread may be about to look at it once more. */
	if (listener >= 0)
		shutdown(listener, SHUT_RDWR);
	pthread_mutex_lock(&web->lock);
	web->stopping = true;
	pthread_mutex_unlock(&web->lock);
	return listener;
}

void
web_wait_requests(struct web *web)
{
	struct timespec until;
	int timed_out = 0;

	clock_gettime(CLOCK_REALTIME,
	              &until); /* the clock of a plain condition variable */
	until.tv_sec += WEB_WAIT_SECONDS;

	pthread_mutex_lock(&web->lock);
	while (web->n_requests && !timed_out)
		timed_out = pthread_cond_timedwait(&web->quiet, &web->lock, &until);
	pthread_mutex_unlock(&web->lock);
}
