/*
 * One thread of libmicrohttpd does all of it. Answers are made of what the board saw
 * last, so that no request costs the registry anything.
 */
#include "http.h"

#include "board.h"
#include "feed.h"
#include "host.h"
#include "metrics.h"
#include "nodes.h"
#include "page.h"
#include "program/options.h"
#include "text.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX  256u
#define CONNECTION_BYTES ((size_t)32 * 1024) /* of headers, and for answers */
#define IDLE_SECONDS     30u
#define LARGE_BYTES      ((size_t)1024 * 1024)
#define LARGE_MAX        8u

/* Answers of more than LARGE_BYTES that are being sent; the HTTP thread's alone. */
static unsigned n_large;

struct http {
	/* Set by http_start(), then read-only. */
	struct http_options options;
	struct dist_master *master;
	struct feed *feed;
	struct board *board;
	struct MHD_Daemon *daemon;
};

/* --- Answers ------------------------------------------------------------------ */

/* What a browser may do with an answer of ours: nothing but show it. */
static struct MHD_Response *
add_headers(struct MHD_Response *response)
{
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy",
	                        "same-origin");
	MHD_add_response_header(response, "Content-Security-Policy", page_policy);
	return response;
}

/* For MHD: an answer was sent, or its connection lost. */
static void
on_large_sent(void *data)
{
	free(data);
	n_large--;
}

/*
 * An answer that may be of many megabytes. Who takes it slowly holds it, so there are
 * not many at a time. @text is taken.
 */
static struct MHD_Response *
large_response(struct text *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer_with_free_callback(
			text->length, text->data, on_large_sent);

	if (response)
		n_large++;
	return response;
}

/* @text is taken. */
static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned status, const char *type,
      struct text *text)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result result;

	if (!text->failed && text->data)
		response = text->length > LARGE_BYTES
		                   ? large_response(text)
		                   : MHD_create_response_from_buffer(
					     text->length, text->data,
					     MHD_RESPMEM_MUST_FREE);
	if (!response) {
		text_free(text);
		return MHD_NO; /* without memory the connection ends */
	}
	add_headers(response);
	MHD_add_response_header(response, "Content-Type", type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, "Retry-After", "1");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
reply_sentence(struct MHD_Connection *connection, unsigned status, const char *sentence)
{
	struct text text = { 0 };

	text_print(&text, "%s\n", sentence);
	return reply(connection, status, "text/plain; charset=utf-8", &text);
}

/* --- What can be asked for ---------------------------------------------------- */

static enum MHD_Result
answer_page(struct http *http, struct MHD_Connection *connection)
{
	struct text text = { 0 };

	(void)http;
	text_add_bytes(&text, page_html, page_html_length);
	return reply(connection, MHD_HTTP_OK, "text/html; charset=utf-8", &text);
}

static struct MHD_Response *
add_feed_headers(struct MHD_Response *response)
{
	add_headers(response);
	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	MHD_add_response_header(response, "X-Accel-Buffering", "no");
	return response;
}

static enum MHD_Result
answer_events(struct http *http, struct MHD_Connection *connection)
{
	if (!feed_has_room(http->feed))
		return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		                      "too many pages are open already");
	return feed_reply(http->feed, connection, add_feed_headers);
}

static enum MHD_Result
reply_too_many(struct MHD_Connection *connection)
{
	return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
	                      "too many large answers are being read already");
}

static enum MHD_Result
answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	struct text text = { 0 };

	if (n_large >= LARGE_MAX)
		return reply_too_many(connection);
	metrics_print(&text, board_lock(http->board));
	board_unlock(http->board);
	return reply(connection, MHD_HTTP_OK,
	             "text/plain; version=0.0.4; charset=utf-8", &text);
}

static enum MHD_Result
answer_nodes(struct http *http, struct MHD_Connection *connection)
{
	const struct board_view *view;
	struct text text = { 0 };

	if (n_large >= LARGE_MAX)
		return reply_too_many(connection);
	view = board_lock(http->board);
	if (view->overview)
		nodes_print(&text, view->overview);
	board_unlock(http->board);
	if (!text.length)
		return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		                      "the master has just started");
	return reply(connection, MHD_HTTP_OK, "application/json", &text);
}

static enum MHD_Result
answer_why(struct MHD_Connection *connection, const char *why_not)
{
	return reply_sentence(connection,
	                      why_not ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
	                      why_not ? why_not : "ok");
}

static enum MHD_Result
answer_healthz(struct http *http, struct MHD_Connection *connection)
{
	return answer_why(connection, board_why_unhealthy(http->board));
}

static enum MHD_Result
answer_readyz(struct http *http, struct MHD_Connection *connection)
{
	return answer_why(connection, board_why_not_ready(http->board));
}

/* All of them only look; whatever is to change something must ask for a token first. */
static const struct {
	const char *path;
	enum MHD_Result (*answer)(struct http *http, struct MHD_Connection *connection);
} routes[] = {
	{ "/", answer_page },           { "/events", answer_events },
	{ "/metrics", answer_metrics }, { "/nodes", answer_nodes },
	{ "/healthz", answer_healthz }, { "/readyz", answer_readyz },
};

/* --- Requests ----------------------------------------------------------------- */

/* True: it was refused, and answered. */
static bool
request_refuse(struct http *http, struct MHD_Connection *connection, const char *method,
               enum MHD_Result *ret_result)
{
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

	if (!host_is_ours(host, http->options.hosts, http->options.n_hosts)) {
		*ret_result = reply_sentence(
			connection, MHD_HTTP_MISDIRECTED_REQUEST,
			"this is not the host of that name; if it is, start distmaster with "
			"--http-host NAME");
		return true;
	}
	if (!strcmp(method, MHD_HTTP_METHOD_GET) ||
	    !strcmp(method, MHD_HTTP_METHOD_HEAD))
		return false;
	*ret_result = reply_sentence(
		connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		"only GET and HEAD are answered: nothing can be changed here");
	return true;
}

static enum MHD_Result
request_route(struct http *http, struct MHD_Connection *connection, const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (!strcmp(path, routes[i].path))
			return routes[i].answer(http, connection);
	return reply_sentence(connection, MHD_HTTP_NOT_FOUND,
	                      "there are /, /metrics, /nodes, /healthz and /readyz");
}

/*
 * For MHD: each request when its headers are there, and again for each piece of a body
 * and at the end. Who is answered at once sends no body any more, and loses the
 * connection.
 */
static enum MHD_Result
request_step(void *arg, struct MHD_Connection *connection, const char *path,
             const char *method, const char *version, const char *upload,
             size_t *upload_size, void **request)
{
	struct http *http = arg;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	if (*request) {
		if (*upload_size) { /* a GET with a body: it means nothing */
			*upload_size = 0;
			return MHD_YES;
		}
		return request_route(http, connection, path);
	}
	*request = http;
	return request_refuse(http, connection, method, &result) ? result : MHD_YES;
}

/* --- Start and stop ----------------------------------------------------------- */

static bool
http_open(struct http *http, int listener)
{
	struct board_options options = { .master = http->master,
		                         .stats_ms = http->options.stats_ms };

	http->feed = feed_new();
	if (!http->feed)
		return false;
	options.feed = http->feed;
	http->board = board_start(&options);
	if (!http->board)
		return false;
	http->daemon = MHD_start_daemon(
		MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		request_step, http, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
	return http->daemon != NULL;
}

struct http *
http_start(struct dist_master *master, int listener, const struct http_options *options)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http) {
		http->master = master;
		http->options = *options;
	}
	if (http && http_open(http, listener))
		return http;
	close(listener);
	http_stop(http);
	program_fail("the HTTP server could not be started");
	return NULL;
}

/*
 * The board resumes connections, so it stops before their daemon does; and requests
 * look at it until that has stopped.
 */
void
http_stop(struct http *http)
{
	if (!http)
		return;
	if (http->feed)
		feed_stop(http->feed);
	board_stop(http->board);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	board_free(http->board);
	feed_free(http->feed);
	free(http);
}
