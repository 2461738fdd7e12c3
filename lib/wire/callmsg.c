/*
 * Headers are a handful of words with two runs of bytes between them, so they are read
 * and written as such. A cursor that ran out of bytes stays so, and gives zeros: each
 * reader looks once, at its end.
 */
#include "wire/callmsg.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "idl/node.h"

#include <assert.h>

struct cursor {
	const uint8_t *at, *end;
	bool short_of;
};

static struct cursor
cursor_at(struct dist_bytes record)
{
	const uint8_t *data = record.data ? record.data : (const uint8_t *)"";

	return (struct cursor){ data, data + record.length, false };
}

static size_t
padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

static uint32_t
cursor_word(struct cursor *cursor)
{
	uint32_t word;

	if (cursor->end - cursor->at < 4) {
		cursor->short_of = true;
		return 0;
	}
	word = dist_load_be32(cursor->at);
	cursor->at += 4;
	return word;
}

/* An opaque_auth, RFC 5531 section 8.2: at most 400 bytes of body. */
static struct dist_auth
cursor_auth(struct cursor *cursor)
{
	struct dist_auth auth = { 0 };
	size_t length;

	auth.flavor = cursor_word(cursor);
	length = cursor_word(cursor);
	if (length > MAX_AUTH_BYTES ||
	    padded(length) > (size_t)(cursor->end - cursor->at)) {
		cursor->short_of = true;
		return auth;
	}
	auth.body = (struct dist_bytes){ cursor->at, length };
	cursor->at += padded(length);
	return auth;
}

static struct dist_bytes
cursor_rest(const struct cursor *cursor)
{
	return (struct dist_bytes){ cursor->at, (size_t)(cursor->end - cursor->at) };
}

/* Whether @verf is our own, and then its two words. */
static bool
meta_read(struct dist_auth verf, uint32_t *ret_first, uint32_t *ret_second)
{
	if (verf.flavor != DIST_META || verf.body.length != DIST_META_SIZE)
		return false;
	*ret_first = dist_load_be32(verf.body.data);
	*ret_second = dist_load_be32(verf.body.data + 4);
	return true;
}

static enum dist_err
call_header_read_steps(struct dist_bytes record, struct dist_call_header *ret_header)
{
	struct cursor cursor = cursor_at(record);
	struct dist_call_header header = { 0 };
	uint32_t direction;

	header.xid = cursor_word(&cursor);
	direction = cursor_word(&cursor);
	header.rpc_version = cursor_word(&cursor);
	if (cursor.short_of || direction != CALL)
		return dist_error_set(DIST_EPROTO, "a record came in that is no call");
	if (header.rpc_version != RPC_MSG_VERSION) {
		*ret_header = header;
		return DIST_OK;
	}

	header.prog = cursor_word(&cursor);
	header.vers = cursor_word(&cursor);
	header.proc = cursor_word(&cursor);
	header.cred = cursor_auth(&cursor);
	header.verf = cursor_auth(&cursor);
	if (cursor.short_of)
		return dist_error_set(
			DIST_EPROTO,
			"a call came in whose header is cut short or malformed");
	header.has_meta =
		meta_read(header.verf, &header.meta.left_ms, &header.meta.attempt);
	header.args = cursor_rest(&cursor);
	*ret_header = header;
	return DIST_OK;
}

/*
 * Nearly every call's: a credential without a body, and our verifier or an empty one,
 * so that each word has its place. False: read it step by step.
 */
static bool
call_header_read_plain(struct dist_bytes record, struct dist_call_header *ret_header)
{
	const uint8_t *at = record.data;
	uint32_t verf_flavor, verf_length;

	if (record.length < DIST_CALL_HEADER_MIN + DIST_META_SIZE ||
	    dist_load_be32(at + 4) != CALL ||
	    dist_load_be32(at + 8) != RPC_MSG_VERSION || dist_load_be32(at + 28) != 0)
		return false;
	verf_flavor = dist_load_be32(at + 32);
	verf_length = dist_load_be32(at + 36);
	if (verf_length != 0 &&
	    (verf_flavor != DIST_META || verf_length != DIST_META_SIZE))
		return false;

	ret_header->xid = dist_load_be32(at);
	ret_header->rpc_version = RPC_MSG_VERSION;
	ret_header->prog = dist_load_be32(at + 12);
	ret_header->vers = dist_load_be32(at + 16);
	ret_header->proc = dist_load_be32(at + 20);
	ret_header->cred.flavor = dist_load_be32(at + 24);
	ret_header->cred.body = (struct dist_bytes){ at + 32, 0 };
	ret_header->verf.flavor = verf_flavor;
	ret_header->verf.body = (struct dist_bytes){ at + 40, verf_length };
	ret_header->has_meta = verf_length != 0;
	ret_header->meta.left_ms = verf_length ? dist_load_be32(at + 40) : 0;
	ret_header->meta.attempt = verf_length ? dist_load_be32(at + 44) : 0;
	at += 40 + verf_length;
	ret_header->args =
		(struct dist_bytes){ at, record.length - (size_t)(at - record.data) };
	return true;
}

enum dist_err
dist_call_header_read(struct dist_bytes record, struct dist_call_header *ret_header)
{
	if (call_header_read_plain(record, ret_header))
		return DIST_OK;
	return call_header_read_steps(record, ret_header);
}

static uint8_t *
put_word(uint8_t *to, uint32_t word)
{
	dist_store_be32(to, word);
	return to + 4;
}

static uint8_t *
put_auth(uint8_t *to, struct dist_auth auth)
{
	size_t length = auth.body.length, size = padded(length);

	to = put_word(to, auth.flavor);
	to = put_word(to, (uint32_t)length);
	if (length > 0) {
		memset(to + size - 4, 0, 4);
		memcpy(to, auth.body.data, length);
	}
	return to + size;
}

static uint8_t *
put_meta(uint8_t *to, uint32_t first, uint32_t second)
{
	to = put_word(to, DIST_META);
	to = put_word(to, DIST_META_SIZE);
	to = put_word(to, first);
	return put_word(to, second);
}

static uint8_t *
put_none(uint8_t *to)
{
	to = put_word(to, AUTH_NONE);
	return put_word(to, 0);
}

size_t
dist_call_header_size(struct dist_bytes cred_body, bool with_meta)
{
	return DIST_CALL_WORDS_SIZE + 8 + padded(cred_body.length) + 8 +
	       (with_meta ? DIST_META_SIZE : 0);
}

void
dist_call_header_write(uint8_t *to, uint32_t xid, uint32_t prog, uint32_t vers,
                       uint32_t proc, struct dist_auth cred,
                       const struct dist_call_meta *meta)
{
	assert(cred.body.length <= MAX_AUTH_BYTES);

	to = put_word(to, xid);
	to = put_word(to, CALL);
	to = put_word(to, RPC_MSG_VERSION);
	to = put_word(to, prog);
	to = put_word(to, vers);
	to = put_word(to, proc);
	to = put_auth(to, cred);
	if (meta)
		put_meta(to, meta->left_ms, meta->attempt);
	else
		put_none(to);
}

static void
reply_read_accepted(struct cursor *cursor, struct dist_reply_header *header)
{
	struct dist_auth verf = cursor_auth(cursor);

	header->has_meta = meta_read(verf, &header->meta.queued, &header->meta.not_run);
	header->accept = cursor_word(cursor);
	if (header->accept == PROG_MISMATCH) {
		header->low = cursor_word(cursor);
		header->high = cursor_word(cursor);
	}
	if (header->accept > SYSTEM_ERR)
		cursor->short_of = true;
	if (header->accept == SUCCESS)
		header->results = cursor_rest(cursor);
}

static void
reply_read_denied(struct cursor *cursor, struct dist_reply_header *header)
{
	header->reject = cursor_word(cursor);
	if (header->reject == RPC_MISMATCH) {
		header->low = cursor_word(cursor);
		header->high = cursor_word(cursor);
	} else if (header->reject == AUTH_ERROR) {
		header->why = cursor_word(cursor);
	} else {
		cursor->short_of = true;
	}
}

enum dist_err
dist_reply_header_read(struct dist_bytes record, struct dist_reply_header *ret_header)
{
	struct cursor cursor = cursor_at(record);
	struct dist_reply_header header = { 0 };
	uint32_t direction;

	header.xid = cursor_word(&cursor);
	direction = cursor_word(&cursor);
	header.stat = cursor_word(&cursor);
	if (cursor.short_of || direction != REPLY)
		return dist_error_set(DIST_EPROTO, "a record came in that is no reply");

	if (header.stat == MSG_ACCEPTED)
		reply_read_accepted(&cursor, &header);
	else if (header.stat == MSG_DENIED)
		reply_read_denied(&cursor, &header);
	else
		cursor.short_of = true;
	if (cursor.short_of)
		return dist_error_set(DIST_EPROTO,
		                      "a reply came in whose header is cut short or "
		                      "malformed");
	*ret_header = header;
	return DIST_OK;
}

void
dist_reply_header_to_rpc_err(const struct dist_reply_header *header,
                             struct rpc_err *ret_error)
{
	static const enum clnt_stat accepted[] = {
		[SUCCESS] = RPC_SUCCESS,
		[PROG_UNAVAIL] = RPC_PROGUNAVAIL,
		[PROG_MISMATCH] = RPC_PROGVERSMISMATCH,
		[PROC_UNAVAIL] = RPC_PROCUNAVAIL,
		[GARBAGE_ARGS] = RPC_CANTDECODEARGS,
		[SYSTEM_ERR] = RPC_SYSTEMERROR,
	};

	memset(ret_error, 0, sizeof(*ret_error));
	if (header->stat == MSG_ACCEPTED)
		ret_error->re_status = accepted[header->accept];
	else if (header->reject == RPC_MISMATCH)
		ret_error->re_status = RPC_VERSMISMATCH;
	else
		ret_error->re_status = RPC_AUTHERROR;

	if (ret_error->re_status == RPC_AUTHERROR) {
		ret_error->re_why = header->why;
	} else if (ret_error->re_status == RPC_PROGVERSMISMATCH ||
	           ret_error->re_status == RPC_VERSMISMATCH) {
		ret_error->re_vers.low = header->low;
		ret_error->re_vers.high = header->high;
	}
}

size_t
dist_reply_header_write(uint8_t *to, uint32_t xid, enum accept_stat accept,
                        const struct dist_reply_meta *meta)
{
	uint8_t *at = to;

	at = put_word(at, xid);
	at = put_word(at, REPLY);
	at = put_word(at, MSG_ACCEPTED);
	if (meta)
		at = put_meta(at, meta->queued, meta->not_run);
	else
		at = put_none(at);
	at = put_word(at, accept);
	return (size_t)(at - to);
}

enum dist_outcome
dist_outcome_of_accepted(enum accept_stat stat)
{
	switch (stat) {
	case SUCCESS:
		return DIST_OUTCOME_OK;
	case PROG_UNAVAIL:
	case PROG_MISMATCH:
		return DIST_OUTCOME_NO_PROGRAM;
	case PROC_UNAVAIL:
		return DIST_OUTCOME_NO_PROCEDURE;
	case GARBAGE_ARGS:
		return DIST_OUTCOME_GARBAGE_ARGS;
	case SYSTEM_ERR:
		return DIST_OUTCOME_SYSTEM_ERROR;
	default:
		return DIST_OUTCOME_OTHER_ERROR;
	}
}
