/*
 * A transport for one call.
 *
 * The dispatcher of rpcgen decodes by svc_getargs(), calls the procedure, replies by
 * svc_sendreply() or one of svcerr_*(), frees the arguments and then the result. All of
 * it goes through the six operations below. Its habits decide what they do:
 *
 * - it does not free arguments whose decoding failed, so getargs does;
 * - it calls exit(1) when freeargs says FALSE, so freeargs never does;
 * - it frees a result that a procedure which said FALSE never filled in. So the result
 * is freed (dist_freeresult()) only when it was handed to us to be sent.
 *
 * A procedure may fork. The call stays the parent's: in the child nothing is sent, no lock
 * of ours is taken, and when the dispatcher returns there the child ends, for it has come
 * out of a thread of ours that would go on to serve the parent's connections.
 */
#include "server/xprt.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/log.h"
#include "server/core.h"
#include "server/cred.h"
#include "server/reply.h"
#include "wire/xdr.h"

#include <rpc/svc_mt.h>
#include <stdlib.h>
#include <unistd.h>

struct run {
	SVCXPRT xprt; /* first: what dispatchers see */
	SVCXPRT_EXT ext;
	struct svc_req req;
	struct dist_server_call *call;
	struct dist_replies *replies;
	bool gather;
	bool replied;
	bool deferred;
	bool has_result; /* the procedure said TRUE, so its result is to be freed */
	bool no_memory;  /* for the arguments, which may well be right */
	struct dist_sockaddr peer, local; /* the procedure's own to look at */
	struct dist_cred cred;            /* filled in for AUTH_SYS */
};

static struct run *
run_of(const SVCXPRT *xprt)
{
	return (struct run *)(uintptr_t)xprt;
}

static bool
run_forked(const struct run *run)
{
	return run->call->conn->server->fork_generation != dist_fork_generation();
}

static struct dist_reply_to
run_reply_to(const struct run *run)
{
	const struct dist_server_call *call = run->call;

	return (struct dist_reply_to){
		.conn = call->conn,
		.xid = call->header.xid,
		.has_meta = call->header.has_meta,
		.queued = dist_workers_n_queued(&call->conn->server->workers),
	};
}

/* A procedure may look at the credential as it came. */
static caddr_t
cred_bytes(const struct dist_server_call *call)
{
	return (caddr_t)(uintptr_t)call->header.cred.body.data;
}

/* --- The operations ------------------------------------------------------------- */

static bool_t
xprt_recv(SVCXPRT *xprt, struct rpc_msg *msg)
{
	(void)xprt;
	(void)msg;
	return FALSE;
}

static enum xprt_stat
xprt_stat(SVCXPRT *xprt)
{
	(void)xprt;
	return XPRT_IDLE;
}

static bool_t
xprt_getargs(SVCXPRT *xprt, xdrproc_t xdr_args, void *args)
{
	struct run *run = run_of(xprt);
	struct dist_server_call *call = run->call;
	size_t budget = call->conn->server->options.max_decode_bytes;
	const uint8_t *record = call->memory;
	struct dist_decoder decoder;
	enum dist_err err;

	if (!budget)
		budget = dist_decoder_default_budget(call->header.args.length);
	dist_decoder_init(&decoder, call->header.args, budget);
	dist_decoder_give(&decoder, &call->memory);
	err = dist_decoder_get(&decoder, xdr_args, args);
	if (decoder.moved) {
		dist_server_call_args_gone(call, record);
		run->req.rq_cred.oa_base = cred_bytes(call);
	}
	if (err) {
		run->no_memory = err == DIST_ENOMEM;
		dist_log_debug("args-refused", "prog=0x%x vers=%u proc=%u why=\"%s\"",
		               call->header.prog, call->header.vers, call->header.proc,
		               dist_error_text());
		return FALSE;
	}
	return TRUE;
}

static bool_t
xprt_freeargs(SVCXPRT *xprt, xdrproc_t xdr_args, void *args)
{
	(void)xprt;
	xdr_free(xdr_args, args);
	return TRUE;
}

/* Where a reply is encoded first: behind those that are there, also when those have
 * been taken, since they are read then. */
static void
run_init_encoder(const struct run *run, struct dist_encoder *encoder)
{
	size_t max_record = run->call->conn->server->options.max_record_bytes;
	size_t had = run->gather ? run->replies->had : 0;
	size_t room = run->gather ? DIST_REPLIES_SIZE - had : DIST_OUTBUF_COPY_MAX;

	dist_encoder_init(encoder, run->replies->bytes + had, room,
	                  DIST_RECORD_MARK_SIZE + max_record);
}

static enum dist_err
run_send_results(struct run *run, const struct accepted_reply *reply)
{
	const struct dist_server_call *call = run->call;
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_reply_to to = run_reply_to(run);
	enum dist_err err;

	run_init_encoder(run, &encoder);
	err = dist_reply_success_encode(&to, &encoder, reply->ar_results.proc,
	                                reply->ar_results.where);
	if (err)
		return err;
	run->call->reply_bytes = dist_encoder_length(&encoder);
	if (run->gather && !encoder.on_heap &&
	    dist_replies_add(run->replies, dist_encoder_length(&encoder)))
		return DIST_OK;
	/* The peer may be gone, and then it has nothing to be told. */
	(void)!dist_server_conn_append(call->conn, encoder.data, dist_encoder_length(&encoder),
	                               dist_reply_memory_take(&encoder));
	return DIST_OK;
}

static bool
run_reply_results(struct run *run, const struct accepted_reply *reply)
{
	const struct dist_call_header *header = &run->call->header;

	run->has_result = true;
	if (!run_send_results(run, reply))
		return true;
	dist_log_warning("reply-failed", "prog=0x%x vers=%u proc=%u why=\"%s\"",
	                 header->prog, header->vers, header->proc, dist_error_text());
	return false; /* the dispatcher answers SYSTEM_ERR now */
}

/* Anything but a success; how the call has ended. */
static enum dist_outcome
run_reply_accepted(struct run *run, const struct accepted_reply *reply)
{
	struct dist_reply_to to = run_reply_to(run);

	if (reply->ar_stat == GARBAGE_ARGS && run->no_memory) {
		/* It has not run, so its caller does well to go elsewhere. */
		dist_server_count(run->call->conn->server, refused_busy);
		dist_reply_not_run(&to, DIST_NOT_RUN_BUSY);
		return DIST_OUTCOME_BUSY;
	}
	if (reply->ar_stat == PROG_MISMATCH)
		dist_reply_prog_mismatch(&to, (uint32_t)reply->ar_vers.low,
		                         (uint32_t)reply->ar_vers.high);
	else
		dist_reply_accepted(&to, reply->ar_stat);
	return dist_outcome_of_accepted(reply->ar_stat);
}

static void
run_reply_denied(struct run *run, const struct rejected_reply *reply)
{
	struct dist_reply_to to = run_reply_to(run);

	if (reply->rj_stat == AUTH_ERROR)
		dist_reply_auth_error(&to, reply->rj_why);
	else
		dist_reply_rpc_mismatch(&to);
}

/* svc_sendreply() and svcerr_*() end here. */
static bool_t
xprt_reply(SVCXPRT *xprt, struct rpc_msg *msg)
{
	struct run *run = run_of(xprt);
	enum dist_outcome outcome = dist_server_outcome(msg);

	if (run->deferred || run_forked(run))
		return TRUE;
	if (run->replied)
		return FALSE; /* a call has one reply */
	if (msg->rm_reply.rp_stat == MSG_DENIED)
		run_reply_denied(run, &msg->rjcted_rply);
	else if (msg->acpted_rply.ar_stat != SUCCESS)
		outcome = run_reply_accepted(run, &msg->acpted_rply);
	else if (!run_reply_results(run, &msg->acpted_rply))
		return FALSE;
	run->replied = true;
	run->call->outcome = outcome;
	return TRUE;
}

static void
xprt_destroy(SVCXPRT *xprt)
{
	(void)xprt;
}

static bool_t
xprt_control(SVCXPRT *xprt, const u_int request, void *info)
{
	(void)xprt;
	(void)request;
	(void)info;
	return FALSE;
}

static const struct xp_ops xprt_ops = {
	.xp_recv = xprt_recv,
	.xp_stat = xprt_stat,
	.xp_getargs = xprt_getargs,
	.xp_reply = xprt_reply,
	.xp_freeargs = xprt_freeargs,
	.xp_destroy = xprt_destroy,
};

static const struct xp_ops2 xprt_ops2 = { .xp_control = xprt_control };

/* --- A run ---------------------------------------------------------------------- */

/* The bytes after an IPv4 address are zero. */
static void
run_copy_address(struct dist_sockaddr *to, struct netbuf *ret_netbuf,
                 const struct dist_sockaddr *from)
{
	to->in6 = from->in6;
	ret_netbuf->buf = &to->storage;
	ret_netbuf->len = from->length;
	ret_netbuf->maxlen = sizeof(to->storage);
}

static void
run_init(struct run *run, struct dist_server_call *call, struct dist_replies *replies,
         bool gather)
{
	const struct dist_call_header *header = &call->header;
	const struct dist_server_conn *conn = call->conn;
	SVCXPRT *xprt = &run->xprt;

	memset(run, 0, offsetof(struct run, peer));
	run->call = call;
	run->replies = replies;
	run->gather = gather;
	run_copy_address(&run->peer, &xprt->xp_rtaddr, &conn->peer);
	run_copy_address(&run->local, &xprt->xp_ltaddr, &conn->local);
	xprt->xp_raddr = conn->peer.in6;
	xprt->xp_addrlen = (int)conn->peer.length;
	xprt->xp_fd = -1;
	xprt->xp_port = (u_short)conn->local_port;
	xprt->xp_ops = &xprt_ops;
	xprt->xp_ops2 = &xprt_ops2;
	xprt->xp_netid = (char *)(uintptr_t)conn->netid;
	xprt->xp_p3 = &run->ext;

	run->req.rq_prog = header->prog;
	run->req.rq_vers = header->vers;
	run->req.rq_proc = header->proc;
	run->req.rq_cred.oa_flavor = (enum_t)header->cred.flavor;
	run->req.rq_cred.oa_base = cred_bytes(call);
	run->req.rq_cred.oa_length = (u_int)header->cred.body.length;
	run->req.rq_clntcred = &run->cred;
	run->req.rq_xprt = xprt;
}

/* The loop let only AUTH_NONE and AUTH_SYS through. */
static bool
run_authenticate(struct run *run)
{
	const struct dist_auth *cred = &run->call->header.cred;

	return cred->flavor == AUTH_NONE || dist_cred_read(cred->body, &run->cred);
}

/* Without what exit() would do for the parent: its buffers and handlers are here, too. */
static _Noreturn void
run_end_child(const struct run *run)
{
	const struct dist_call_header *header = &run->call->header;

	dist_log_warning("fork-returned", "pid=%d prog=0x%x vers=%u proc=%u", (int)getpid(),
	                 header->prog, header->vers, header->proc);
	_exit(EXIT_FAILURE);
}

void
dist_xprt_run(struct dist_server_call *call, struct dist_replies *replies, bool gather)
{
	struct dist_reply_to to;
	struct run run;

	run_init(&run, call, replies, gather);
	if (!run_authenticate(&run)) {
		to = run_reply_to(&run);
		call->outcome = DIST_OUTCOME_AUTH_ERROR;
		dist_reply_auth_error(&to, AUTH_BADCRED);
		return;
	}
	call->served->service->dispatch(&run.req, &run.xprt);
	if (run_forked(&run))
		run_end_child(&run);
	if (!run.replied && !run.deferred) {
		to = run_reply_to(&run);
		dist_reply_accepted(&to, SYSTEM_ERR);
	}
}

struct dist_server_call *
dist_xprt_call(const SVCXPRT *xprt)
{
	return xprt && xprt->xp_ops == &xprt_ops ? run_of(xprt)->call : NULL;
}

bool
dist_xprt_forked(const SVCXPRT *xprt)
{
	return run_forked(run_of(xprt));
}

bool
dist_xprt_defer(SVCXPRT *xprt)
{
	struct run *run = run_of(xprt);

	if (run->replied || run->deferred)
		return false;
	run->deferred = true;
	run->call->outcome = DIST_OUTCOME_NONE;
	return true;
}

int
dist_freeresult(SVCXPRT *xprt, xdrproc_t xdr_result, caddr_t result)
{
	if (!dist_xprt_call(xprt) || run_of(xprt)->has_result)
		xdr_free(xdr_result, result);
	return 1;
}
