#include "gateway_internal.h"

#include "program/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "/call"

/* How long a wait for an interface goes on unlooked at. */
#define LOOK_MS 50

/* A master that stops waits so long for callers to take their answers. */
#define SEND_MS 2000

/* Of a body that is too large so much is read, since who is still sending when the
 * connection ends does not hear why. */
#define BODY_SKIPPED_MAX (16 * GATEWAY_BODY_MAX)

int64_t
gateway_time_left_ms(const struct gateway_request *request)
{
	int64_t passed_ms = (program_now_ns() - request->began_ns) / 1000000;

	return passed_ms < request->timeout_ms ? request->timeout_ms - passed_ms : 0;
}

/* --- Answers ------------------------------------------------------------------ */

struct gateway_answer
gateway_refuse(unsigned status, bool may_have_run, const char *format, ...)
{
	struct gateway_answer answer = { .status = status };
	char sentence[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	text_add(&answer.text, "{\"error\":");
	text_json(&answer.text, sentence);
	text_print(&answer.text, ",\"may_have_run\":%s}\n",
	           may_have_run ? "true" : "false");
	return answer;
}

void
gateway_finish_locked(struct gateway_request *request, struct gateway_answer answer)
{
	request->answer = answer;
	interface_unref(request->interface);
	request->interface = NULL;
	request->state = GATEWAY_DONE;
	request->gateway->n_requests--;
	request->gateway->n_answered++;
	MHD_resume_connection(request->connection);
}

void
gateway_finish(struct gateway_request *request, struct gateway_answer answer)
{
	struct gateway *gateway = request->gateway;

	pthread_mutex_lock(&gateway->lock);
	gateway_finish_locked(request, answer);
	pthread_mutex_unlock(&gateway->lock);
}

/* --- Lists -------------------------------------------------------------------- */

void
gateway_list_init(struct gateway_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void
gateway_list_add(struct gateway_list *list, struct gateway_request *request)
{
	request->next = NULL;
	*list->last = request;
	list->last = &request->next;
}

struct gateway_request *
gateway_list_take(struct gateway_list *list)
{
	struct gateway_request *request = list->first;

	if (!request)
		return NULL;
	list->first = request->next;
	if (!list->first)
		list->last = &list->first;
	return request;
}

/* --- Requests ----------------------------------------------------------------- */

bool
gateway_owns(const char *path)
{
	size_t length = sizeof(PREFIX) - 1;

	return strncmp(path, PREFIX, length) == 0 && (!path[length] || path[length] == '/');
}

/* The time that it asks for, in @ret_ms; false: that is none. */
static bool
read_timeout(struct MHD_Connection *connection, int64_t *ret_ms)
{
	const char *text = MHD_lookup_connection_value(
		connection, MHD_GET_ARGUMENT_KIND, "timeout_ms");
	long number;
	char *end;

	*ret_ms = GATEWAY_TIMEOUT_MS;
	if (!text)
		return true;
	errno = 0;
	number = strtol(text, &end, 10);
	if (end == text || *end || errno || number < 1 || number > GATEWAY_TIMEOUT_MAX)
		return false;
	*ret_ms = number;
	return true;
}

/* What its headers say of the body is more than is read. */
static bool
is_far_too_large(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > BODY_SKIPPED_MAX;
}

static struct gateway_answer
refuse_large(void)
{
	return gateway_refuse(MHD_HTTP_CONTENT_TOO_LARGE, false,
	                      "the body is larger than %zu bytes", GATEWAY_BODY_MAX);
}

/* True: it may be taken; @request has its name and its time. */
static bool
request_check(struct gateway_request *request, const char *path, const char *method,
              struct gateway_answer *ret_answer)
{
	struct MHD_Connection *connection = request->connection;
	const char *authorization = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		*ret_answer = gateway_refuse(MHD_HTTP_METHOD_NOT_ALLOWED, false,
		                             "a call is a POST");
	else if (!token_is_shown(request->gateway->options.token, authorization))
		*ret_answer = gateway_refuse(
			MHD_HTTP_UNAUTHORIZED, false,
			"the token is missing, or another one: send the header "
			"'Authorization: Bearer TOKEN'");
	else if (!dist_spec_way_of(request->name, &request->way) ||
	         !request->way.program.text || !request->way.version.text ||
	         request->way.procedure.length == 0)
		*ret_answer = gateway_refuse(MHD_HTTP_NOT_FOUND, false,
		                             "%s: a call goes to "
		                             "/call/PROGRAM/VERSION/PROCEDURE",
		                             path);
	else if (!read_timeout(connection, &request->timeout_ms))
		*ret_answer = gateway_refuse(MHD_HTTP_BAD_REQUEST, false,
		                             "timeout_ms is a number from 1 to %d",
		                             GATEWAY_TIMEOUT_MAX);
	else if (is_far_too_large(connection))
		*ret_answer = refuse_large();
	else
		return true;
	return false;
}

struct gateway_request *
gateway_request_new(struct gateway *gateway, struct MHD_Connection *connection,
                    const char *path, const char *method,
                    struct gateway_answer *ret_answer)
{
	struct gateway_request *request = calloc(1, sizeof(*request));
	const char *name = path + sizeof(PREFIX) - 1;

	*ret_answer = (struct gateway_answer){ .status = MHD_HTTP_SERVICE_UNAVAILABLE };
	if (!request)
		return NULL;
	request->gateway = gateway;
	request->connection = connection;
	request->name = strdup(name + (*name == '/'));
	if (request->name && request_check(request, path, method, ret_answer))
		return request;
	gateway_request_free(request);
	return NULL;
}

/* Its answer was sent, or its caller is gone. */
static void
request_sent(struct gateway_request *request)
{
	struct gateway *gateway = request->gateway;

	pthread_mutex_lock(&gateway->lock);
	if (request->state == GATEWAY_DONE && --gateway->n_answered == 0)
		pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->lock);
}

void
gateway_request_free(struct gateway_request *request)
{
	if (!request)
		return;
	request_sent(request);
	free(request->name);
	free(request->arguments.data);
	free(request->reply.data);
	text_free(&request->body);
	text_free(&request->answer.text);
	free(request);
}

bool
gateway_request_add(struct gateway_request *request, const char *data, size_t length)
{
	if (request->body.length + length <= GATEWAY_BODY_MAX && !request->too_large) {
		text_add_bytes(&request->body, data, length);
		return true;
	}
	/* Only counted from here on. */
	request->too_large = true;
	request->body.length += length;
	return request->body.length <= BODY_SKIPPED_MAX;
}

/* True: it is refused. Else it is READY, and its connection suspended. */
static bool
request_submit(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	struct gateway *gateway = request->gateway;
	bool refused;

	pthread_mutex_lock(&gateway->lock);
	refused = gateway->stopping || gateway->n_requests >= GATEWAY_CALLS_MAX;
	if (gateway->stopping) {
		*ret_answer = gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                             "the master stops");
	} else if (refused) {
		*ret_answer = gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                             "%u calls are on their way already",
		                             GATEWAY_CALLS_MAX);
	} else {
		gateway->n_requests++;
		request->began_ns = program_now_ns();
		request->state = GATEWAY_READY;
		gateway_list_add(&gateway->ready, request);
		/* Resumed under this same lock, so never before it is suspended. */
		MHD_suspend_connection(request->connection);
		pthread_cond_signal(&gateway->changed);
	}
	pthread_mutex_unlock(&gateway->lock);
	return refused;
}

/* Whether it has been resumed with an answer, which is given then. */
static bool
request_take_answer(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	struct gateway *gateway = request->gateway;
	bool done;

	pthread_mutex_lock(&gateway->lock);
	done = request->state == GATEWAY_DONE;
	pthread_mutex_unlock(&gateway->lock);
	if (!done)
		return false;
	*ret_answer = request->answer;
	request->answer = (struct gateway_answer){ 0 };
	return true;
}

bool
gateway_request_go(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	if (request_take_answer(request, ret_answer))
		return true;
	if (request->too_large) {
		*ret_answer = refuse_large();
		return true;
	}
	if (request->body.failed) {
		*ret_answer = gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                             "out of memory");
		return true;
	}
	return request_submit(request, ret_answer);
}

/* --- Threads ------------------------------------------------------------------ */

/* Answer those that waited for an interface until their time was up. */
static void
expire_locked(struct gateway *gateway)
{
	struct gateway_list waiting = gateway->waiting;
	struct gateway_request *request;

	if (!waiting.first)
		return;
	gateway_list_init(&gateway->waiting);
	while ((request = gateway_list_take(&waiting))) {
		if (gateway_time_left_ms(request) > 0)
			gateway_list_add(&gateway->waiting, request);
		else
			gateway_finish_locked(
				request,
				gateway_refuse(MHD_HTTP_GATEWAY_TIMEOUT, false,
			                       "time was up before a node had handed "
			                       "out the interface"));
	}
}

static struct gateway_fetch *
find_fetch_locked(struct gateway *gateway, uint32_t prog, uint32_t vers)
{
	for (unsigned i = 0; i < GATEWAY_FETCHERS; i++) {
		struct gateway_fetch *fetch = &gateway->fetches[i];

		if (fetch->active && fetch->prog == prog && fetch->vers == vers)
			return fetch;
	}
	return NULL;
}

static struct gateway_fetch *
free_fetch_locked(struct gateway *gateway)
{
	for (unsigned i = 0; i < GATEWAY_FETCHERS; i++) {
		if (!gateway->fetches[i].active)
			return &gateway->fetches[i];
	}
	return NULL;
}

/* The next interface that is waited for and not being fetched; NULL: none, or enough
 * are. */
static struct gateway_fetch *
begin_fetch_locked(struct gateway *gateway)
{
	struct gateway_fetch *fetch = free_fetch_locked(gateway);
	struct gateway_request *one;

	for (one = gateway->waiting.first; fetch && one; one = one->next) {
		if (find_fetch_locked(gateway, one->prog, one->vers))
			continue;
		*fetch = (struct gateway_fetch){ true, one->prog, one->vers };
		return fetch;
	}
	return NULL;
}

/* Those that waited for it go on. */
static void
end_fetch_locked(struct gateway *gateway, struct gateway_fetch *fetch)
{
	struct gateway_list waiting = gateway->waiting;
	struct gateway_request *request;

	gateway_list_init(&gateway->waiting);
	while ((request = gateway_list_take(&waiting))) {
		if (request->prog == fetch->prog && request->vers == fetch->vers) {
			request->state = GATEWAY_READY;
			gateway_list_add(&gateway->ready, request);
		} else {
			gateway_list_add(&gateway->waiting, request);
		}
	}
	fetch->active = false;
	pthread_cond_broadcast(&gateway->changed);
}

/* Something to do was done; false: there is nothing. The lock is let go meanwhile. */
static bool
work_locked(struct gateway *gateway)
{
	struct gateway_request *request = gateway_list_take(&gateway->ready);
	struct gateway_fetch *fetch = request ? NULL : begin_fetch_locked(gateway);

	if (!request && !fetch)
		return false;
	if (request)
		request->state = GATEWAY_CALLING;
	pthread_mutex_unlock(&gateway->lock);
	if (request)
		gateway_take_on(request);
	else
		gateway_fetch_interface(gateway, fetch->prog, fetch->vers);
	pthread_mutex_lock(&gateway->lock);
	if (fetch)
		end_fetch_locked(gateway, fetch);
	return true;
}

static void
wait_locked(struct gateway *gateway)
{
	struct timespec until;

	if (!gateway->waiting.first) {
		pthread_cond_wait(&gateway->changed, &gateway->lock);
		return;
	}
	until = program_in_ms(LOOK_MS);
	pthread_cond_timedwait(&gateway->changed, &gateway->lock, &until);
}

static void *
thread_main(void *arg)
{
	struct gateway *gateway = arg;

	pthread_mutex_lock(&gateway->lock);
	while (!gateway->stopping) {
		expire_locked(gateway);
		if (!work_locked(gateway))
			wait_locked(gateway);
	}
	pthread_mutex_unlock(&gateway->lock);
	return NULL;
}

/* --- Start and stop ----------------------------------------------------------- */

static bool
gateway_open(struct gateway *gateway)
{
	const struct dist_cluster_options options = {
		.max_record_bytes = GATEWAY_RECORD_MAX,
		.max_in_flight = GATEWAY_CALLS_MAX,
	};

	if (dist_cluster_of(&gateway->cluster, gateway->options.master, &options))
		return false;
	for (; gateway->n_threads < GATEWAY_THREADS; gateway->n_threads++) {
		pthread_t *thread = &gateway->threads[gateway->n_threads];

		if (pthread_create(thread, NULL, thread_main, gateway))
			return false;
		pthread_setname_np(*thread, "http-call");
	}
	return true;
}

static void
gateway_init(struct gateway *gateway, const struct gateway_options *options)
{
	gateway->options = *options;
	pthread_mutex_init(&gateway->lock, NULL);
	program_cond_init(&gateway->changed);
	gateway_list_init(&gateway->ready);
	gateway_list_init(&gateway->waiting);
}

struct gateway *
gateway_start(const struct gateway_options *options)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	if (!gateway)
		return NULL;
	gateway_init(gateway, options);
	if (gateway_open(gateway))
		return gateway;
	gateway_stop(gateway);
	gateway_free(gateway);
	return NULL;
}

static void
refuse_all_locked(struct gateway_list *list)
{
	struct gateway_request *request;

	while ((request = gateway_list_take(list)))
		gateway_finish_locked(request,
		                      gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                                     "the master stops"));
}

/* The daemon would close their connections before its thread has sent anything. */
static void
wait_sent_locked(struct gateway *gateway)
{
	const struct timespec until = program_in_ms(SEND_MS);

	while (gateway->n_answered > 0) {
		if (pthread_cond_timedwait(&gateway->changed, &gateway->lock, &until))
			return;
	}
}

/* Calls on their way end with their cluster, whose callback thread answers them. */
void
gateway_stop(struct gateway *gateway)
{
	if (!gateway)
		return;
	pthread_mutex_lock(&gateway->lock);
	gateway->stopping = true;
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->lock);
	for (unsigned i = 0; i < gateway->n_threads; i++)
		pthread_join(gateway->threads[i], NULL);
	gateway->n_threads = 0;
	dist_cluster_close(gateway->cluster);
	gateway->cluster = NULL;
	pthread_mutex_lock(&gateway->lock);
	refuse_all_locked(&gateway->ready);
	refuse_all_locked(&gateway->waiting);
	wait_sent_locked(gateway);
	pthread_mutex_unlock(&gateway->lock);
}

void
gateway_free(struct gateway *gateway)
{
	if (!gateway)
		return;
	interfaces_fini(&gateway->interfaces);
	pthread_cond_destroy(&gateway->changed);
	pthread_mutex_destroy(&gateway->lock);
	free(gateway);
}
