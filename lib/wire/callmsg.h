/*
 * Call and reply messages (RFC 5531 section 9): headers read and written as words.
 * What follows a header, arguments or results, is XDR and somebody else's.
 */
#ifndef DIST_WIRE_CALLMSG_H
#define DIST_WIRE_CALLMSG_H

#include "base/bytes.h"
#include "base/outcome.h"

#include <dist/error.h>
#include <rpc/rpc.h>
#include <stdbool.h>

/* xid, CALL, RPC version, program, version, procedure. */
#define DIST_CALL_WORDS_SIZE 24
/* A call's header with an AUTH_NONE credential and a DIST_META verifier. */
#define DIST_CALL_HEADER_MIN (DIST_CALL_WORDS_SIZE + 8 + 8)
/* The longest: a credential of 400 bytes (RFC 5531 section 8.2) and our verifier. */
#define DIST_CALL_HEADER_MAX (DIST_CALL_WORDS_SIZE + 8 + MAX_AUTH_BYTES + 8 + 8)
/* A reply that is accepted and a success, without and with our verifier. */
#define DIST_REPLY_HEADER_MIN (12 + 8 + 4)
#define DIST_REPLY_HEADER_MAX (DIST_REPLY_HEADER_MIN + 8)

/* The verifier of our own peers: idl/node.x says what it holds. */
struct dist_call_meta {
	uint32_t left_ms; /* DIST_META_NO_DEADLINE: none */
	uint32_t attempt; /* from 1 */
};

struct dist_reply_meta {
	uint32_t queued;
	uint32_t not_run; /* enum dist_not_run */
};

/* A credential or verifier; its body is borrowed from the message. */
struct dist_auth {
	uint32_t flavor;
	struct dist_bytes body;
};

struct dist_call_header {
	uint32_t xid, rpc_version, prog, vers, proc;
	struct dist_auth cred, verf;
	bool has_meta;
	struct dist_call_meta meta;
	struct dist_bytes args; /* the rest of the record */
};

/*
 * Read a call's header. DIST_EPROTO: cut short, no call, or an auth body over 400 bytes;
 * where the RPC version is not 2 only xid and rpc_version are read, with DIST_OK (the
 * answer is RPC_MISMATCH).
 */
enum dist_err dist_call_header_read(struct dist_bytes record,
                                    struct dist_call_header *ret_header) DIST_MUST_CHECK;

/* Bytes that dist_call_header_write() writes. */
size_t dist_call_header_size(struct dist_bytes cred_body, bool with_meta);

/* Write a call's header at @to. @meta NULL: an AUTH_NONE verifier. cred.body is padded. */
void dist_call_header_write(uint8_t *to, uint32_t xid, uint32_t prog, uint32_t vers,
                            uint32_t proc, struct dist_auth cred,
                            const struct dist_call_meta *meta);

struct dist_reply_header {
	uint32_t xid;
	enum reply_stat stat;
	enum accept_stat accept;   /* when MSG_ACCEPTED */
	enum reject_stat reject;   /* when MSG_DENIED */
	enum auth_stat why;        /* when AUTH_ERROR */
	uint32_t low, high;        /* when PROG_MISMATCH or RPC_MISMATCH */
	bool has_meta;
	struct dist_reply_meta meta;
	struct dist_bytes results; /* when SUCCESS: the rest of the record */
};

/* Read a reply's header. DIST_EPROTO: cut short, no reply, or a status that is none. */
enum dist_err dist_reply_header_read(struct dist_bytes record,
                                     struct dist_reply_header *ret_header) DIST_MUST_CHECK;

/*
 * What a caller is told for it: fills re_status and, with it, re_vers or re_why
 * (RFC 5531 section 9). RPC_SUCCESS for SUCCESS.
 */
void dist_reply_header_to_rpc_err(const struct dist_reply_header *header,
                                  struct rpc_err *ret_error);

/* Bytes that dist_reply_header_write() writes. */
static inline size_t
dist_reply_header_size(bool with_meta)
{
	return with_meta ? DIST_REPLY_HEADER_MAX : DIST_REPLY_HEADER_MIN;
}

/*
 * Write an accepted reply's header at @to (DIST_REPLY_HEADER_MAX bytes), up to and with
 * accept_stat; @meta NULL: an AUTH_NONE verifier. Returns its length. PROG_MISMATCH's
 * two words are the caller's to add.
 */
size_t dist_reply_header_write(uint8_t *to, uint32_t xid, enum accept_stat accept,
                               const struct dist_reply_meta *meta);

/* What an accepted reply (RFC 5531 section 9) counts as, by its status alone. */
enum dist_outcome dist_outcome_of_accepted(enum accept_stat stat);

#endif
