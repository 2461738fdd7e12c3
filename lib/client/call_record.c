/*
 * A call's record: credential and arguments are encoded once, before it goes anywhere, and
 * are not touched again, as one connection may still be sending them when the call goes to
 * another. Mark and header are written for each sending, into its connection's output:
 * each has its own xid, and peers differ in what they understand.
 */
#include <string.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "client/call.h"
#include "idl/node.h"
#include "io/outbuf.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

static struct dist_auth
call_cred(const struct dist_call *call)
{
	return (struct dist_auth){ call->cred_flavor,
		                   { call->record, call->cred_length } };
}

static size_t
call_head_size(const struct dist_call *call, bool with_meta)
{
	return DIST_RECORD_MARK_SIZE + dist_call_header_size(call_cred(call).body, with_meta);
}

/* The credential, so padded that what follows it is aligned as what XDR encodes is. */
static enum dist_err
encoder_put_cred(struct dist_encoder *encoder, const struct opaque_auth *cred)
{
	uint8_t *room;

	if (cred->oa_length > MAX_AUTH_BYTES)
		return dist_error_set(DIST_EENCODE,
		                      "the credential has %u bytes, over the %u of RFC 5531",
		                      cred->oa_length, MAX_AUTH_BYTES);
	if (cred->oa_length == 0)
		return DIST_OK;
	room = dist_encoder_reserve(encoder, (cred->oa_length + 3) & ~3u);
	if (!room)
		return dist_error_set_plain(DIST_ENOMEM);
	memcpy(room, cred->oa_base, cred->oa_length);
	return DIST_OK;
}

enum dist_err
dist_call_encode(struct dist_call *call, const struct opaque_auth *cred, xdrproc_t xdr_args,
                 const void *args, size_t max_record)
{
	struct dist_encoder encoder;
	enum dist_err err;

	dist_encoder_init(&encoder, call->inline_record, sizeof(call->inline_record),
	                  max_record);
	err = encoder_put_cred(&encoder, cred);
	call->args_start = dist_encoder_length(&encoder);
	if (!err)
		err = dist_encoder_put(&encoder, xdr_args, args);
	if (err) {
		dist_encoder_fini(&encoder);
		return err;
	}
	call->record = encoder.data;
	call->args_length = dist_encoder_length(&encoder) - call->args_start;
	call->cred_flavor = (uint32_t)cred->oa_flavor;
	call->cred_length = cred->oa_length;
	if (call_head_size(call, true) + call->args_length > max_record)
		return dist_error_set(DIST_ETOOBIG,
		                      "with its header it would be over the record limit of "
		                      "%zu bytes",
		                      max_record);
	return DIST_OK;
}

/*
 * What the verifier says of the time that is left; never 0, which means none. Rounded up:
 * a node that gave up before the caller would answer "did not run" to one that waits.
 */
static uint32_t
call_left_ms(const struct dist_call *call)
{
	int64_t left_ms;

	if (call->deadline_ns == DIST_NEVER)
		return DIST_META_NO_DEADLINE;
	left_ms = (call->deadline_ns - dist_clock_ns()) / DIST_NS_PER_MS + 1;
	return (uint32_t)DIST_MAX(1, DIST_MIN(left_ms, INT32_MAX));
}

static void
call_release(void *arg)
{
	dist_call_unref(arg);
}

/* Room for the head in @out, and behind it the arguments, copied or referred to. */
static uint8_t *
call_append_args(struct dist_call *call, struct dist_outbuf *out, size_t head)
{
	const uint8_t *args = call->record + call->args_start;
	uint8_t *room;

	if (head + call->args_length <= DIST_OUTBUF_COPY_MAX) {
		room = dist_outbuf_room(out, head + call->args_length);
		if (room)
			dist_copy(room + head, args, call->args_length);
		return room;
	}
	room = dist_outbuf_room_and_refer(out, head, args, call->args_length, call_release,
	                                  dist_call_ref(call));
	if (!room)
		dist_call_unref(call);
	return room;
}

enum dist_err
dist_call_append(struct dist_call *call, struct dist_outbuf *out, uint32_t xid,
                 bool with_meta)
{
	struct dist_call_meta meta = { 0, call->n_sent };
	size_t head = call_head_size(call, with_meta);
	uint8_t *room = call_append_args(call, out, head);

	if (!room)
		return dist_error_set_plain(DIST_ENOMEM);
	if (with_meta)
		meta.left_ms = call_left_ms(call);
	call->sent_bytes = (uint32_t)(head + call->args_length);
	dist_record_mark(room, call->sent_bytes - DIST_RECORD_MARK_SIZE);
	dist_call_header_write(room + DIST_RECORD_MARK_SIZE, xid, call->prog, call->vers,
	                       call->proc, call_cred(call), with_meta ? &meta : NULL);
	return DIST_OK;
}
