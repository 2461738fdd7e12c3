/*
 * Every answer that a server gives, as bytes appended to the connection's output
 * (RFC 5531 section 9). They leave with the connection's next flush.
 */
#ifndef DIST_SERVER_REPLY_H
#define DIST_SERVER_REPLY_H

#include "idl/node.h"
#include "server/conn.h"
#include "wire/callmsg.h"
#include "wire/xdr.h"

#include <rpc/rpc.h>

/* Where a reply goes. */
struct dist_reply_to {
	struct dist_server_conn *conn;
	uint32_t xid;
	bool has_meta;   /* the call had it, so the reply may */
	unsigned queued; /* shown in it */
};

/* SYSTEM_ERR, PROC_UNAVAIL, PROG_UNAVAIL, GARBAGE_ARGS. */
void dist_reply_accepted(const struct dist_reply_to *to, enum accept_stat stat);
void dist_reply_prog_mismatch(const struct dist_reply_to *to, uint32_t low,
                              uint32_t high);
/* SYSTEM_ERR; our own peers are told that it did not run, and why. */
void dist_reply_not_run(const struct dist_reply_to *to, enum dist_not_run why);
void dist_reply_auth_error(const struct dist_reply_to *to, enum auth_stat why);
void dist_reply_rpc_mismatch(const struct dist_reply_to *to);

/* A reply without results, mark and all: not over this. */
#define DIST_REPLY_SHORT_MAX (DIST_RECORD_MARK_SIZE + DIST_REPLY_HEADER_MAX + 8)

/* As dist_reply_accepted(), to @record of DIST_REPLY_SHORT_MAX bytes; its length. */
size_t dist_reply_accepted_write(const struct dist_reply_to *to, enum accept_stat stat,
                                 uint8_t *record);

/*
 * SUCCESS with @result, encoded by @xdr into @encoder, which is empty; what it holds
 * then is a whole record. DIST_EENCODE, DIST_ETOOBIG, DIST_ENOMEM.
 */
enum dist_err dist_reply_success_encode(const struct dist_reply_to *to,
                                        struct dist_encoder *encoder, xdrproc_t xdr,
                                        const void *result) DIST_MUST_CHECK;

/* Memory of its own that the encoder went over to, given; NULL: it has none. */
void *dist_reply_memory_take(struct dist_encoder *encoder);

#endif
