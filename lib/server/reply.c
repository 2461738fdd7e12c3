#include "server/reply.h"

#include "base/cleanup.h"
#include "base/error.h"

static size_t
reply_header(const struct dist_reply_to *to, uint8_t *at, enum accept_stat stat,
             enum dist_not_run not_run)
{
	struct dist_reply_meta meta = { to->queued, not_run };

	return dist_reply_header_write(at, to->xid, stat, to->has_meta ? &meta : NULL);
}

/* @length bytes after the mark's place; an error has broken the connection already. */
static void
reply_send(const struct dist_reply_to *to, uint8_t *record, size_t length)
{
	dist_record_mark(record, length);
	(void)!dist_server_conn_append(to->conn, record, DIST_RECORD_MARK_SIZE + length,
	                               NULL);
}

size_t
dist_reply_accepted_write(const struct dist_reply_to *to, enum accept_stat stat,
                          uint8_t *record)
{
	size_t length =
		reply_header(to, record + DIST_RECORD_MARK_SIZE, stat, DIST_RAN);

	dist_record_mark(record, length);
	return DIST_RECORD_MARK_SIZE + length;
}

void
dist_reply_accepted(const struct dist_reply_to *to, enum accept_stat stat)
{
	uint8_t record[DIST_REPLY_SHORT_MAX];
	size_t length = dist_reply_accepted_write(to, stat, record);

	(void)!dist_server_conn_append(to->conn, record, length, NULL);
}

void
dist_reply_not_run(const struct dist_reply_to *to, enum dist_not_run why)
{
	uint8_t record[DIST_REPLY_SHORT_MAX];

	reply_send(to, record,
	           reply_header(to, record + DIST_RECORD_MARK_SIZE, SYSTEM_ERR, why));
}

void
dist_reply_prog_mismatch(const struct dist_reply_to *to, uint32_t low, uint32_t high)
{
	uint8_t record[DIST_REPLY_SHORT_MAX], *header = record + DIST_RECORD_MARK_SIZE;
	size_t length = reply_header(to, header, PROG_MISMATCH, DIST_RAN);

	dist_store_be32(header + length, low);
	dist_store_be32(header + length + 4, high);
	reply_send(to, record, length + 8);
}

/* A denied reply has no verifier: words alone. */
static void
reply_denied(const struct dist_reply_to *to, const uint32_t *words, size_t n_words)
{
	uint8_t record[DIST_REPLY_SHORT_MAX], *at = record + DIST_RECORD_MARK_SIZE;

	dist_store_be32(at, to->xid);
	dist_store_be32(at + 4, REPLY);
	dist_store_be32(at + 8, MSG_DENIED);
	for (size_t i = 0; i < n_words; i++)
		dist_store_be32(at + 12 + 4 * i, words[i]);
	reply_send(to, record, 12 + 4 * n_words);
}

void
dist_reply_auth_error(const struct dist_reply_to *to, enum auth_stat why)
{
	const uint32_t words[] = { AUTH_ERROR, why };

	reply_denied(to, words, DIST_ARRAY_SIZE(words));
}

void
dist_reply_rpc_mismatch(const struct dist_reply_to *to)
{
	const uint32_t words[] = { RPC_MISMATCH, RPC_MSG_VERSION, RPC_MSG_VERSION };

	reply_denied(to, words, DIST_ARRAY_SIZE(words));
}

enum dist_err
dist_reply_success_encode(const struct dist_reply_to *to, struct dist_encoder *encoder,
                          xdrproc_t xdr, const void *result)
{
	enum dist_err err;
	uint8_t *at;

	at = dist_encoder_reserve(
		encoder, DIST_RECORD_MARK_SIZE + dist_reply_header_size(to->has_meta));
	if (!at)
		return dist_error_set_plain(encoder->too_big ? DIST_ETOOBIG
		                                             : DIST_ENOMEM);
	reply_header(to, at + DIST_RECORD_MARK_SIZE, SUCCESS, DIST_RAN);
	err = dist_encoder_put(encoder, xdr, result);
	if (err)
		return err;
	dist_record_mark(encoder->data, dist_encoder_length(encoder) - DIST_RECORD_MARK_SIZE);
	return DIST_OK;
}

void *
dist_reply_memory_take(struct dist_encoder *encoder)
{
	if (!encoder->on_heap)
		return NULL;
	encoder->on_heap = false;
	return encoder->data;
}
