/* A call over HTTP, once its body is there: from names to a call, and from its end to an
 * answer. */
#include "gateway_internal.h"

#include "program/clock.h"
#include "reflect/message.h"

#include <dist/waiter.h>
#include <stdlib.h>
#include <string.h>

/* How long the cluster may take to hear of a node that the registry has. */
#define SEEN_MS 1000

/* --- What is called ----------------------------------------------------------- */

static bool
is_called(const struct dist_spec_part *part, const char *name, uint32_t number)
{
	const struct dist_spec_value value = { .known = true, .magnitude = number };

	return dist_spec_part_is(part, name, &value);
}

/* Whether @node serves what @request names, whose numbers are told then. */
static bool
find_on_node(struct gateway_request *request, const struct dist_overview_node *node)
{
	for (size_t i = 0; i < node->n_services; i++) {
		const struct dist_overview_service *one = &node->services[i];

		if (!is_called(&request->way.program, one->program_name,
		               one->program) ||
		    !is_called(&request->way.version, one->version_name, one->version))
			continue;
		request->prog = one->program;
		request->vers = one->version;
		return true;
	}
	return false;
}

/* What a look at the nodes gives: 0, or the status of a refusal. */
static unsigned
find_service(struct gateway_request *request, const struct dist_overview *overview)
{
	bool is_known = false;

	if (!overview)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	for (size_t i = 0; i < overview->n_nodes; i++) {
		if (!find_on_node(request, &overview->nodes[i]))
			continue;
		if (overview->nodes[i].state == DIST_OVERVIEW_LIVE)
			return 0;
		is_known = true;
	}
	return is_known ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_NOT_FOUND;
}

/* The same as of this moment: the board may be a second old. */
static unsigned
find_service_now(struct gateway_request *request)
{
	struct dist_overview *overview;
	unsigned status;

	if (dist_master_overview(&overview, request->gateway->options.master))
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	status = find_service(request, overview);
	dist_overview_free(overview);
	return status;
}

/* False: @ret_answer says why not. */
static bool
find_numbers(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	struct board *board = request->gateway->options.board;
	unsigned status = find_service(request, board_lock(board)->overview);
	int length = (int)(request->way.procedure.text - request->name) - 1;

	board_unlock(board);
	if (status)
		status = find_service_now(request);
	if (status == MHD_HTTP_NOT_FOUND)
		*ret_answer = gateway_refuse(status, false, "no node serves %.*s",
		                             length, request->name);
	else if (status)
		*ret_answer = gateway_refuse(status, false, "no live node serves %.*s",
		                             length, request->name);
	return status == 0;
}

/* False: it waits for its interface, and is another thread's. */
static bool
find_interface(struct gateway_request *request)
{
	struct gateway *gateway = request->gateway;
	bool found;

	pthread_mutex_lock(&gateway->lock);
	found = gateway_find_interface_locked(request);
	if (!found) {
		request->state = GATEWAY_WAITING;
		gateway_list_add(&gateway->waiting, request);
		pthread_cond_signal(&gateway->changed);
	}
	pthread_mutex_unlock(&gateway->lock);
	return found;
}

static bool
find_procedure(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	const struct interface *interface = request->interface;
	const struct dist_spec_part *part = &request->way.procedure;
	const struct dist_spec_procedure *one;

	if (!interface->is_there) {
		*ret_answer = gateway_refuse(interface->is_unknown
		                                     ? MHD_HTTP_SERVICE_UNAVAILABLE
		                                     : MHD_HTTP_NOT_IMPLEMENTED,
		                             false, "%s", interface->why);
		return false;
	}
	one = interface->reflected.served.version->procedures;
	while (one && !dist_spec_part_is(part, one->name, &one->number))
		one = one->next;
	if (one && dist_spec_value_is_u32(&one->number)) {
		request->procedure = one;
		request->proc = (uint32_t)one->number.magnitude;
		return true;
	}
	*ret_answer = gateway_refuse(MHD_HTTP_NOT_FOUND, false,
	                             "the program has no procedure '%s'", part->text);
	return false;
}

/* --- Arguments ---------------------------------------------------------------- */

static struct gateway_answer
refuse_arguments(const struct dist_json_failure *failure)
{
	if (failure->no_memory)
		return gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false,
		                      "out of memory");
	return gateway_refuse(MHD_HTTP_BAD_REQUEST, false, "%u:%u: %s%s%s",
	                      failure->line, failure->column, failure->path,
	                      *failure->path ? ": " : "", failure->what);
}

static bool
encode(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	const struct text *body = &request->body;
	struct dist_json_failure failure;
	bool done;

	/* No body is no arguments. */
	done = dist_json_encode_arguments(request->procedure,
	                                  body->length ? body->data : "[]",
	                                  body->length ? body->length : 2,
	                                  &request->arguments, &failure);
	if (!done)
		*ret_answer = refuse_arguments(&failure);
	text_free(&request->body);
	return done;
}

/* --- The end of a call -------------------------------------------------------- */

static struct gateway_answer
answer_result(const struct gateway_request *request, const struct dist_node_info *node,
              const struct dist_json_bytes *result)
{
	struct gateway_answer answer = { .status = MHD_HTTP_OK };
	double ms = program_ms_since(request->began_ns);

	text_add(&answer.text, "{\"node\":");
	text_json(&answer.text, node ? node->name : NULL);
	text_add(&answer.text, ",\"address\":");
	text_json(&answer.text, node ? node->address : NULL);
	text_print(&answer.text, ",\"ms\":%.3f,\"result\":", ms);
	text_add_bytes(&answer.text, result->data, result->length);
	text_add(&answer.text, "}\n");
	return answer;
}

static struct gateway_answer
answer_reply(const struct gateway_request *request, const struct dist_node_info *node)
{
	struct dist_json_failure failure;
	struct dist_json_bytes result;
	struct gateway_answer answer;

	if (!dist_json_decode(&request->procedure->result, request->reply.data,
	                      request->reply.length, GATEWAY_RESULT_MAX, &result,
	                      &failure)) {
		if (failure.no_memory)
			return gateway_refuse(MHD_HTTP_BAD_GATEWAY, true,
			                      "there is no memory for the result");
		return gateway_refuse(MHD_HTTP_BAD_GATEWAY, true,
		                      "%s: the result, byte %zu: %s%s%s",
		                      node ? node->name : "?", failure.offset,
		                      failure.path, *failure.path ? ": " : "",
		                      failure.what);
	}
	answer = answer_result(request, node, &result);
	free(result.data);
	return answer;
}

/* How a call ended without a result; the sentence is the library's. */
static struct gateway_answer
answer_failure(enum clnt_stat stat, const char *sentence)
{
	switch (stat) {
	case RPC_TIMEDOUT:
		return gateway_refuse(MHD_HTTP_GATEWAY_TIMEOUT, true, "%s", sentence);
	case RPC_SYSTEMERROR:
		return gateway_refuse(MHD_HTTP_INTERNAL_SERVER_ERROR, true, "%s",
		                      sentence);
	case RPC_CANTRECV:
	case RPC_CANTDECODERES:
		return gateway_refuse(MHD_HTTP_BAD_GATEWAY, true, "%s", sentence);
	case RPC_CANTDECODEARGS:
	case RPC_PROCUNAVAIL:
	case RPC_AUTHERROR:
		return gateway_refuse(MHD_HTTP_BAD_GATEWAY, false, "%s", sentence);
	case RPC_CANTSEND:
	case RPC_PROGNOTREGISTERED:
	case RPC_PROGUNAVAIL:
	case RPC_PROGVERSMISMATCH:
		return gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, false, "%s",
		                      sentence);
	default: /* its cluster was closed, above all */
		return gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, true, "%s",
		                      sentence);
	}
}

/* The call did not begin. */
static struct gateway_answer
answer_unsent(void)
{
	enum dist_err err = dist_error_last();
	bool is_large = err == DIST_ETOOBIG || err == DIST_EENCODE;

	return gateway_refuse(is_large ? MHD_HTTP_CONTENT_TOO_LARGE
	                      : err == DIST_EDEADLINE
	                              ? MHD_HTTP_GATEWAY_TIMEOUT
	                              : MHD_HTTP_SERVICE_UNAVAILABLE,
	                      false, "%s", dist_error_text());
}

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	struct gateway_request *request = arg;
	enum clnt_stat stat = dist_waiter_status(waiter);
	struct gateway_answer answer;

	if (stat == RPC_SUCCESS)
		answer = answer_reply(request, dist_waiter_node(waiter));
	else
		answer = answer_failure(stat, dist_waiter_error(waiter));
	dist_waiter_free(waiter);
	gateway_finish(request, answer);
}

/* --- The call ----------------------------------------------------------------- */

/* As a stub of rpcgen, for dist_go(). */
static enum clnt_stat
call_stub(struct gateway_request *request, struct dist_json_bytes *reply, CLIENT *client)
{
	const struct timeval unused = { .tv_sec = 25 };

	return clnt_call(client, request->proc, (xdrproc_t)message_arguments,
	                 (void *)&request->arguments, (xdrproc_t)message_result,
	                 (void *)reply, unused);
}

/* False: it did not begin, and @ret_answer says why. */
static bool
begin_call(struct gateway_request *request, struct gateway_answer *ret_answer)
{
	const struct dist_call_options options = {
		.timeout_ms = gateway_time_left_ms(request),
		.wait_for_nodes_ms = SEEN_MS,
	};
	struct dist_waiter *waiter = NULL;
	CLIENT *client;

	client = dist_client_create_with(request->gateway->cluster, request->prog,
	                                 request->vers, &options);
	if (client)
		waiter = dist_go(client, call_stub, request, &request->reply);
	if (!waiter) {
		*ret_answer = answer_unsent();
	} else if (dist_waiter_then(waiter, on_end, request)) {
		dist_waiter_free(waiter);
		waiter = NULL;
		*ret_answer = gateway_refuse(MHD_HTTP_SERVICE_UNAVAILABLE, true, "%s",
		                             dist_error_text());
	}
	if (client)
		clnt_destroy(client);
	return waiter != NULL;
}

void
gateway_take_on(struct gateway_request *request)
{
	struct gateway_answer answer;

	if (!find_numbers(request, &answer)) {
		gateway_finish(request, answer);
		return;
	}
	if (!find_interface(request))
		return; /* it comes again */
	if (!find_procedure(request, &answer) || !encode(request, &answer)) {
		gateway_finish(request, answer);
		return;
	}
	if (gateway_time_left_ms(request) == 0)
		gateway_finish(request, gateway_refuse(MHD_HTTP_GATEWAY_TIMEOUT, false,
		                                       "time was up before the call"));
	else if (!begin_call(request, &answer))
		gateway_finish(request, answer);
}
