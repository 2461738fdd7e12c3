/*
 * distctl call: any procedure of a .x file, or of an interface that a node hands out, with
 * arguments and result in JSON.
 *
 * The interface is read and the arguments are converted before the call, so what is wrong
 * with them is told without one; where there is a file nothing is opened before. The result's bytes are taken as they
 * come and converted when the call is over.
 */
#include "distctl/config.h"

#include "distctl/input.h"
#include "distctl/interface.h"
#include "distctl/json.h"
#include "distctl/live.h"
#include "distctl/target.h"
#include "distctl/text.h"
#include "json/convert.h"
#include "program/clock.h"
#include "program/options.h"
#include "reflect/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a result may be as JSON; a record has 128 MiB at most. */
#define RESULT_MAX ((size_t)512 << 20)

/* Beyond PROGRAM_WRONG_USAGE: it was sent, and may have run. */
#define CALL_MAY_HAVE_RUN 3

struct call {
	const struct config *config;
	struct procedure procedure;
	struct dist_json_bytes arguments, reply, result;
	double ms;
};

/* " (arith.x:6)", where the .x says what it should be. */
static void
tell_failure(const char *where, const struct dist_json_failure *failure)
{
	char *path = text_clean(failure->path), *what = text_clean(failure->what);
	char *file = text_clean(failure->where.file), place[300] = "";

	if (failure->where.file)
		snprintf(place, sizeof(place), " (%s:%u)", file ? file : "?",
		         failure->where.line);
	program_fail("%s: %s%s%s%s", where, path ? path : "", path && *path ? ": " : "",
	             what ? what : "", place);
	free(path);
	free(what);
	free(file);
}

/* --- Arguments -------------------------------------------------------------------- */

static int
encode_arguments(struct call *call, const char *json, size_t length)
{
	struct dist_json_failure failure;
	char where[64];

	if (dist_json_encode_arguments(call->procedure.found.procedure, json, length,
	                               &call->arguments, &failure))
		return PROGRAM_DONE;
	if (failure.no_memory)
		return program_fail("out of memory");
	snprintf(where, sizeof(where), "JSON:%u:%u", failure.line, failure.column);
	tell_failure(where, &failure);
	return PROGRAM_WRONG_USAGE;
}

/* "-" stands for standard input; nothing, for no arguments. */
static int
read_arguments(struct call *call)
{
	const struct config *config = call->config;
	const char *json = config->n_names > 1 ? config->names[1] : "[]";
	size_t length;
	char *input;
	int status;

	if (strcmp(json, "-") != 0)
		return encode_arguments(call, json, strlen(json));
	input = input_read(&length);
	if (!input)
		return PROGRAM_FAILED;
	status = encode_arguments(call, input, length);
	free(input);
	return status;
}

/* --- The call --------------------------------------------------------------------- */

/* Whether it may have run although there is no result. */
static int
status_of(enum clnt_stat stat)
{
	switch (stat) {
	case RPC_TIMEDOUT:
	case RPC_CANTRECV:
	case RPC_SYSTEMERROR:
	case RPC_CANTDECODERES:
		return CALL_MAY_HAVE_RUN;
	default:
		return PROGRAM_FAILED;
	}
}

static int
make_call(struct call *call, const struct target *target)
{
	const struct timeval unused = { .tv_sec = 25 };
	int64_t begin_ns = program_now_ns();
	enum clnt_stat stat;

	stat = clnt_call(target->client, call->procedure.proc,
	                 (xdrproc_t)message_arguments, (void *)&call->arguments,
	                 (xdrproc_t)message_result, (void *)&call->reply, unused);
	call->ms = program_ms_since(begin_ns);
	if (stat == RPC_SUCCESS)
		return PROGRAM_DONE;
	program_fail("%s", dist_error_text());
	return status_of(stat);
}

static int
decode_result(struct call *call)
{
	const struct dist_spec_procedure *procedure = call->procedure.found.procedure;
	struct dist_json_failure failure;
	char where[64];

	if (dist_json_decode(&procedure->result, call->reply.data, call->reply.length,
	                     RESULT_MAX, &call->result, &failure))
		return PROGRAM_DONE;
	snprintf(where, sizeof(where), "the result, byte %zu", failure.offset);
	tell_failure(where, &failure);
	return CALL_MAY_HAVE_RUN;
}

/* --- Output ----------------------------------------------------------------------- */

static int
print_result(const struct call *call, const struct target *target)
{
	const char *name = target_node_name(target);
	json_t *object;

	if (call->config->json) {
		object = json_object();
		json_put(object, "node", json_text(name));
		json_put(object, "address", json_text(target_node_address(target)));
		json_put(object, "ms", json_real(call->ms));
		return json_print_with(object, "result", call->result.data);
	}
	printf("%s (from %s, %.1f ms)\n", call->result.data, name, call->ms);
	return PROGRAM_DONE;
}

static int
call_target(struct call *call, const struct target *target)
{
	int status = make_call(call, target);

	if (!status)
		status = decode_result(call);
	return status ? status : print_result(call, target);
}

/* What is to be called has been found. */
static int
call_procedure(struct call *call)
{
	struct target target;
	int status;

	status = read_arguments(call);
	if (!status)
		status = target_open(&target, call->config, call->procedure.prog,
		                     call->procedure.vers);
	if (status)
		return status;
	status = call_target(call, &target);
	target_close(&target);
	return status;
}

static int
call_by_file(struct call *call)
{
	struct dist_spec spec;
	int status;

	status = interface_read(&spec, call->config->file, call->config);
	if (!status)
		status = interface_find(&call->procedure, &spec, call->config->names[0]);
	if (!status)
		status = call_procedure(call);
	dist_spec_fini(&spec);
	return status;
}

static int
call_by_what_is_served(struct call *call)
{
	const char *name = call->config->names[0];
	struct dist_spec_way way;
	struct live live;
	int status;

	if (!dist_spec_way_of(name, &way) || !way.program.text)
		return program_wrong_usage("'%s': without a FILE.x, say "
		                           "PROGRAM/PROCEDURE or "
		                           "PROGRAM/VERSION/PROCEDURE",
		                           name);
	status = live_open(&live, call->config, &way.program, &way.version);
	if (!status)
		status = live_find(&call->procedure, &live, &way.procedure);
	if (!status)
		status = call_procedure(call);
	live_close(&live);
	return status;
}

int
call_run(const struct config *config)
{
	struct call call = { .config = config };
	int status;

	status = config->file ? call_by_file(&call) : call_by_what_is_served(&call);
	free(call.arguments.data);
	free(call.reply.data);
	free(call.result.data);
	return status;
}
