/*
 * One thread of libmicrohttpd does all of it. Answers are made of what the board saw
 * last, so that no request costs the registry anything.
 */
#include "http.h"

#include "board.h"
#include "callers.h"
#include "feed.h"
#ifdef HAVE_CALLS
#include "gateway.h"
#endif
#include "guests.h"
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
#define CONNECTIONS_PAST 16u /* of these: newcomers until those have gone that make room */
#define CONNECTION_BYTES ((size_t)32 * 1024) /* of headers, and for answers */
#define IDLE_SECONDS     30u
#define LARGE_BYTES      ((size_t)1024 * 1024)
#define LARGE_MAX        8u
#define TOO_MANY_LARGE   "too many large answers are being read already"

/* Answers of more than LARGE_BYTES that are being sent; the HTTP thread's alone. */
static unsigned n_large;

struct http {
	/* Set by http_start(), then read-only. */
	struct http_options options;
	struct dist_master *master;
	struct feed *feed;
	struct board *board;
	struct gateway *gateway; /* NULL: nobody may call */
	struct MHD_Daemon *daemon;

	struct guests guests; /* the HTTP thread's */
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
large_response(struct MHD_Connection *connection, struct text *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer_with_free_callback(
			text->length, text->data, on_large_sent);

	if (response) {
		n_large++;
		guest_take_large(connection);
	}
	return response;
}

/* Whether there are as many as there may be; then one that is taken too slowly ends. */
static bool
has_too_many_large(struct http *http)
{
	if (n_large < LARGE_MAX)
		return false;
	guests_end_large(&http->guests);
	return true;
}

/* @methods: what Allow says, where another one was used. @text is taken. */
static enum MHD_Result
reply_to(const char *methods, struct MHD_Connection *connection, unsigned status,
         const char *type, struct text *text)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result result;

	if (!text->failed && text->data)
		response = text->length > LARGE_BYTES
		                   ? large_response(connection, text)
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
		MHD_add_response_header(response, "Allow", methods);
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, "Retry-After", "1");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned status, const char *type,
      struct text *text)
{
	return reply_to("GET, HEAD", connection, status, type, text);
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
	if (!feed_make_room(http->feed, connection))
		return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		                      "too many pages are open already");
	guest_keep(connection);
	return feed_reply(http->feed, connection, add_feed_headers);
}

static enum MHD_Result
reply_too_many(struct MHD_Connection *connection)
{
	return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE, TOO_MANY_LARGE);
}

static enum MHD_Result
answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	struct text text = { 0 };

	if (has_too_many_large(http))
		return reply_too_many(connection);
	metrics_print(&text, board_lock(http->board));
	board_unlock(http->board);
	return reply(connection, MHD_HTTP_OK,
	             "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void
print_nodes(struct text *text, const struct board_view *view)
{
	nodes_print(text, view->overview);
}

static void
print_callers(struct text *text, const struct board_view *view)
{
	callers_print(text, view->overview, view->callers);
}

static enum MHD_Result
answer_view(struct http *http, struct MHD_Connection *connection,
            void (*print)(struct text *text, const struct board_view *view))
{
	const struct board_view *view;
	struct text text = { 0 };

	if (has_too_many_large(http))
		return reply_too_many(connection);
	view = board_lock(http->board);
	if (view->overview)
		print(&text, view);
	board_unlock(http->board);
	if (!text.length)
		return reply_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		                      "the master has just started");
	return reply(connection, MHD_HTTP_OK, "application/json", &text);
}

static enum MHD_Result
answer_nodes(struct http *http, struct MHD_Connection *connection)
{
	return answer_view(http, connection, print_nodes);
}

static enum MHD_Result
answer_callers(struct http *http, struct MHD_Connection *connection)
{
	return answer_view(http, connection, print_callers);
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

/* All of them only look; what changes something asks for a token first, see gateway.h. */
static const struct {
	const char *path;
	enum MHD_Result (*answer)(struct http *http, struct MHD_Connection *connection);
} routes[] = {
	{ "/", answer_page },           { "/events", answer_events },
	{ "/metrics", answer_metrics }, { "/nodes", answer_nodes },
	{ "/callers", answer_callers }, { "/healthz", answer_healthz },
	{ "/readyz", answer_readyz },
};

/* --- Requests ----------------------------------------------------------------- */

/* True: it was refused, and answered. */
static bool
request_refuse_host(struct http *http, struct MHD_Connection *connection,
                    enum MHD_Result *ret_result)
{
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

	if (host_is_ours(host, http->options.hosts, http->options.n_hosts))
		return false;
	*ret_result = reply_sentence(
		connection, MHD_HTTP_MISDIRECTED_REQUEST,
		"this is not the host of that name; if it is, start distmaster with "
		"--http-host NAME");
	return true;
}

static bool
request_refuse_method(struct MHD_Connection *connection, const char *method,
                      enum MHD_Result *ret_result)
{
	if (!strcmp(method, MHD_HTTP_METHOD_GET) ||
	    !strcmp(method, MHD_HTTP_METHOD_HEAD))
		return false;
	*ret_result = reply_sentence(
		connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		"only GET and HEAD are answered: nothing can be changed here");
	return true;
}

/* A body that means nothing may have no end. */
static bool
request_refuse_body(struct MHD_Connection *connection, enum MHD_Result *ret_result)
{
	const char *length = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if ((!length || !strtoull(length, NULL, 10)) &&
	    !MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                 MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return false;
	*ret_result = reply_sentence(connection, MHD_HTTP_CONTENT_TOO_LARGE,
	                             "a request that only looks has no body");
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

#ifdef HAVE_CALLS
/* Whether it is a call, and calls may be made. */
static bool
request_is_call(const struct http *http, const char *path)
{
	return http->gateway && gateway_owns(path);
}

static enum MHD_Result
call_reply(struct MHD_Connection *connection, struct gateway_answer *answer)
{
	return reply_to("POST", connection, answer->status, "application/json",
	                &answer->text);
}

static enum MHD_Result
call_begin(struct http *http, struct MHD_Connection *connection, const char *path,
           const char *method, void **request)
{
	struct gateway_answer answer;

	*request = gateway_request_new(http->gateway, connection, path, method,
	                               &answer);
	if (*request && has_too_many_large(http)) { /* its own may be, too */
		gateway_request_free(*request);
		*request = NULL;
		answer = gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                        TOO_MANY_LARGE);
	}
	return *request ? MHD_YES : call_reply(connection, &answer);
}

static enum MHD_Result
call_step(struct MHD_Connection *connection, const char *upload, size_t *upload_size,
          struct gateway_request *request)
{
	struct gateway_answer answer;
	bool taken;

	if (*upload_size) {
		taken = gateway_request_add(request, upload, *upload_size);
		*upload_size = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	if (!gateway_request_go(request, &answer)) {
		guest_keep(connection);
		return MHD_YES; /* suspended; it comes again */
	}
	guest_touch(connection);
	return call_reply(connection, &answer);
}

#endif

/* For MHD: a request is over, however it ended. */
static void
request_end(void *arg, struct MHD_Connection *connection, void **request,
            enum MHD_RequestTerminationCode code)
{
	guest_touch(connection);
	(void)arg;
	(void)code;
#ifdef HAVE_CALLS
	if (*request && *request != arg)
		gateway_request_free(*request);
#endif
	*request = NULL;
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
#ifdef HAVE_CALLS
	if (*request && *request != http)
		return call_step(connection, upload, upload_size, *request);
#endif
	if (*request)
		return request_route(http, connection, path);
	guest_touch(connection);
	if (request_refuse_host(http, connection, &result))
		return result;
#ifdef HAVE_CALLS
	if (request_is_call(http, path))
		return call_begin(http, connection, path, method, request);
#endif
	*request = http;
	if (request_refuse_method(connection, method, &result) ||
	    request_refuse_body(connection, &result))
		return result;
	return MHD_YES;
}

/* --- Start and stop ----------------------------------------------------------- */

static bool
http_open_gateway(struct http *http)
{
#ifdef HAVE_CALLS
	const struct gateway_options options = {
		.master = http->master,
		.board = http->board,
		.token = http->options.token,
	};

	if (!options.token)
		return true;
	http->gateway = gateway_start(&options);
	return http->gateway != NULL;
#else
	(void)http;
	return true;
#endif
}

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
	if (!http->board || !http_open_gateway(http))
		return false;
	http->daemon = MHD_start_daemon(
		MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		request_step, http, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_NOTIFY_CONNECTION, guests_notify, &http->guests,
		MHD_OPTION_NOTIFY_COMPLETED, request_end, http, MHD_OPTION_END);
	return http->daemon != NULL;
}

struct http *
http_start(struct dist_master *master, int listener, const struct http_options *options)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http) {
		http->master = master;
		http->options = *options;
		guests_init(&http->guests, CONNECTIONS_MAX - CONNECTIONS_PAST);
	}
	if (http && http_open(http, listener))
		return http;
	close(listener);
	http_stop(http);
	program_fail("the HTTP server could not be started");
	return NULL;
}

/*
 * The board and the gateway resume connections, so they stop before their daemon does; and
 * requests look at them until that has stopped.
 */
void
http_stop(struct http *http)
{
	if (!http)
		return;
	if (http->feed)
		feed_stop(http->feed);
#ifdef HAVE_CALLS
	gateway_stop(http->gateway);
#endif
	board_stop(http->board);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
#ifdef HAVE_CALLS
	gateway_free(http->gateway);
#endif
	board_free(http->board);
	feed_free(http->feed);
	free(http);
}
