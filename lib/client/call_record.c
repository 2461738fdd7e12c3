/*
 * A call's record: encoded once, before it goes anywhere. Mark and header are written
 * before the arguments anew for each sending, as peers differ in what they understand.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/call.h"
#include "idl/node.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

enum dist_err
dist_call_encode(struct dist_call *call, const struct opaque_auth *cred, xdrproc_t xdr_args,
                 const void *args, size_t max_record)
{
	struct dist_bytes body = { (const uint8_t *)cred->oa_base, cred->oa_length };
	struct dist_encoder encoder;
	enum dist_err err;

	if (cred->oa_length > MAX_AUTH_BYTES)
		return dist_error_set(DIST_EENCODE,
		                      "the credential has %u bytes, over the %u of RFC 5531",
		                      cred->oa_length, MAX_AUTH_BYTES);
	call->args_start = DIST_RECORD_MARK_SIZE + dist_call_header_size(body, true);
	dist_encoder_init(&encoder, call->inline_record, sizeof(call->inline_record),
	                  max_record);
	if (!dist_encoder_reserve(&encoder, call->args_start)) {
		dist_encoder_fini(&encoder);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	err = dist_encoder_put(&encoder, xdr_args, args);
	if (err) {
		dist_encoder_fini(&encoder);
		return err;
	}
	call->record = encoder.data;
	call->args_length = dist_encoder_length(&encoder) - call->args_start;
	call->cred_flavor = (uint32_t)cred->oa_flavor;
	call->cred_length = cred->oa_length;
	call->cred_start = DIST_RECORD_MARK_SIZE + DIST_CALL_WORDS_SIZE + 8;
	if (body.length)
		memcpy(call->record + call->cred_start, body.data, body.length);
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

const uint8_t *
dist_call_header(struct dist_call *call, uint32_t xid, bool with_meta, size_t *ret_length)
{
	uint8_t body[MAX_AUTH_BYTES];
	struct dist_auth cred = { call->cred_flavor, { body, call->cred_length } };
	struct dist_call_meta meta = { 0, call->n_sent };
	size_t size = dist_call_header_size(cred.body, with_meta);
	uint8_t *start = call->record + call->args_start - size;

	/* The header ends where the arguments start: a shorter one starts later. */
	if (call->cred_length)
		memcpy(body, call->record + call->cred_start, call->cred_length);
	call->cred_start = (size_t)(start - call->record) + DIST_CALL_WORDS_SIZE + 8;
	if (with_meta)
		meta.left_ms = call_left_ms(call);
	dist_call_header_write(start, xid, call->prog, call->vers, call->proc, cred,
	                       with_meta ? &meta : NULL);
	dist_record_mark(start - DIST_RECORD_MARK_SIZE, size + call->args_length);
	*ret_length = DIST_RECORD_MARK_SIZE + size + call->args_length;
	return start - DIST_RECORD_MARK_SIZE;
}
