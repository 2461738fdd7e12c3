#include "wire/callmsg.h"

#include "base/cleanup.h"
#include "support/check.h"

#include "idl/node.h"

#include <stdlib.h>

/* libtirpc's own encoding of @message, to hold ours against. */
static struct dist_bytes
tirpc_encode(uint8_t *wire, size_t size, struct rpc_msg *message)
{
	XDR xdrs;

	xdrmem_create(&xdrs, (char *)wire, (u_int)size, XDR_ENCODE);
	if (message->rm_direction == CALL)
		assert_true(xdr_callmsg(&xdrs, message));
	else
		assert_true(xdr_replymsg(&xdrs, message));
	return (struct dist_bytes){ wire, xdr_getpos(&xdrs) };
}

/* A copy on the heap, of just that size, so that a sanitizer sees a read past its end.
 */
static struct dist_bytes
cut(struct dist_bytes bytes, size_t length, uint8_t **ret_memory)
{
	*ret_memory = malloc(length + !length);
	assert_non_null(*ret_memory);
	memcpy(*ret_memory, bytes.data, length);
	return (struct dist_bytes){ *ret_memory, length };
}

static struct dist_auth
auth(uint32_t flavor, const void *body, size_t length)
{
	return (struct dist_auth){ flavor, { body, length } };
}

/* --- Calls ----------------------------------------------------------------------- */

static void
test_a_call_header_is_these_bytes(void **state)
{
	static const uint8_t golden[] = {
		0x12, 0x34, 0x56, 0x78,                         /* xid */
		0,    0,    0,    0,                            /* CALL */
		0,    0,    0,    2,                            /* RPC version */
		0x20, 0,    0,    1,                            /* program */
		0,    0,    0,    3,                            /* version */
		0,    0,    0,    4,                            /* procedure */
		0,    0,    0,    1,    0, 0, 0, 5, 1, 2, 3, 4, /* AUTH_SYS, 5 bytes */
		5,    0,    0,    0,                            /* and their padding */
		0x2d, 0x15, 0,    1,    0, 0, 0, 8,             /* DIST_META */
		0,    0,    0x3,  0xe8, 0, 0, 0, 2,             /* 1000 ms, attempt 2 */
	};
	static const uint8_t body[] = { 1, 2, 3, 4, 5 };
	struct dist_call_meta meta = { 1000, 2 };
	struct dist_auth cred = auth(AUTH_SYS, body, sizeof(body));
	uint8_t wire[DIST_CALL_HEADER_MAX];

	(void)state;
	memset(wire, 0xff, sizeof(wire));
	assert_int_equal(dist_call_header_size(cred.body, true), sizeof(golden));
	dist_call_header_write(wire, 0x12345678, 0x20000001, 3, 4, cred, &meta);
	assert_memory_equal(wire, golden, sizeof(golden));
	assert_int_equal(wire[sizeof(golden)], 0xff);
}

static void
test_call_headers_are_what_libtirpc_writes(void **state)
{
	static uint8_t body[MAX_AUTH_BYTES];
	uint8_t ours[DIST_CALL_HEADER_MAX], theirs[DIST_CALL_HEADER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i + 1);
	for (size_t length = 0; length <= sizeof(body); length++) {
		struct dist_auth cred = auth(AUTH_SYS, body, length);
		struct rpc_msg message = { .rm_xid = 7, .rm_direction = CALL };
		struct dist_bytes expected;

		message.rm_call.cb_rpcvers = RPC_MSG_VERSION;
		message.rm_call.cb_prog = 0x20000001;
		message.rm_call.cb_vers = 1;
		message.rm_call.cb_proc = 2;
		message.rm_call.cb_cred.oa_flavor = AUTH_SYS;
		message.rm_call.cb_cred.oa_base = (caddr_t)body;
		message.rm_call.cb_cred.oa_length = (u_int)length;
		expected = tirpc_encode(theirs, sizeof(theirs), &message);

		assert_int_equal(dist_call_header_size(cred.body, false),
		                 expected.length);
		dist_call_header_write(ours, 7, 0x20000001, 1, 2, cred, NULL);
		assert_memory_equal(ours, expected.data, expected.length);
	}
}

static void
test_a_call_is_read_as_it_was_written(void **state)
{
	struct dist_call_meta meta = { DIST_META_NO_DEADLINE, 3 };
	uint8_t wire[DIST_CALL_HEADER_MAX + 4];
	struct dist_call_header header;
	struct dist_auth cred = auth(AUTH_SYS, "abcdef", 6);
	size_t size = dist_call_header_size(cred.body, true);

	(void)state;
	dist_call_header_write(wire, 0xfffffffe, 1, 2, 3, cred, &meta);
	memcpy(wire + size, "args", 4);
	assert_ok(
		dist_call_header_read((struct dist_bytes){ wire, size + 4 }, &header));
	assert_int_equal(header.xid, 0xfffffffe);
	assert_int_equal(header.rpc_version, 2);
	assert_int_equal(header.prog, 1);
	assert_int_equal(header.vers, 2);
	assert_int_equal(header.proc, 3);
	assert_int_equal(header.cred.flavor, AUTH_SYS);
	assert_bytes_equal(header.cred.body, "abcdef");
	assert_true(header.has_meta);
	assert_int_equal(header.meta.left_ms, DIST_META_NO_DEADLINE);
	assert_int_equal(header.meta.attempt, 3);
	assert_bytes_equal(header.args, "args");
}

static void
test_a_call_cut_at_any_byte_is_refused(void **state)
{
	struct dist_call_meta meta = { 1, 2 };
	uint8_t wire[DIST_CALL_HEADER_MAX], *memory;
	struct dist_call_header header;
	struct dist_auth cred = auth(AUTH_SYS, "abcdef", 6);
	struct dist_bytes whole = { wire, dist_call_header_size(cred.body, true) };

	(void)state;
	dist_call_header_write(wire, 9, 1, 2, 3, cred, &meta);
	for (size_t length = 0; length < whole.length; length++) {
		assert_err(dist_call_header_read(cut(whole, length, &memory), &header),
		           DIST_EPROTO);
		free(memory);
	}
	assert_ok(dist_call_header_read(cut(whole, whole.length, &memory), &header));
	assert_int_equal(header.args.length, 0);
	free(memory);
	assert_err(dist_call_header_read((struct dist_bytes){ NULL, 0 }, &header),
	           DIST_EPROTO);
}

static void
test_a_call_of_another_rpc_version_is_read_so_far(void **state)
{
	static const uint8_t wire[] = { 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3 };
	struct dist_call_header header;

	(void)state;
	assert_ok(dist_call_header_read((struct dist_bytes){ wire, sizeof(wire) },
	                                &header));
	assert_int_equal(header.xid, 9);
	assert_int_equal(header.rpc_version, 3);
}

/* A call's header with word @index replaced, which must be refused. */
static void
assert_call_refused(size_t index, uint32_t word)
{
	uint8_t wire[DIST_CALL_HEADER_MIN + 800] = { 0 };
	struct dist_call_header header;

	dist_call_header_write(wire, 9, 1, 2, 3, auth(AUTH_NONE, NULL, 0), NULL);
	dist_store_be32(wire + 4 * index, word);
	assert_err(dist_call_header_read((struct dist_bytes){ wire, sizeof(wire) },
	                                 &header),
	           DIST_EPROTO);
}

static void
test_a_malformed_call_is_refused(void **state)
{
	(void)state;
	assert_call_refused(1, REPLY);      /* no call */
	assert_call_refused(1, 0x1000000);  /* nor anything */
	assert_call_refused(7, 401);        /* a credential over 400 bytes */
	assert_call_refused(7, 0xffffffff); /* whose padding would overflow */
	assert_call_refused(7, 0xfffffffd);
	assert_call_refused(9, 401); /* the verifier */
}

static void
test_a_verifier_of_our_flavor_but_another_size_is_not_ours(void **state)
{
	uint8_t wire[DIST_CALL_HEADER_MIN + 8];
	struct dist_call_meta meta = { 5, 6 };
	struct dist_call_header header;

	(void)state;
	dist_call_header_write(wire, 9, 1, 2, 3, auth(AUTH_NONE, NULL, 0), &meta);
	dist_store_be32(wire + 9 * 4, 4);
	assert_ok(dist_call_header_read((struct dist_bytes){ wire, sizeof(wire) },
	                                &header));
	assert_false(header.has_meta);
	assert_int_equal(header.verf.flavor, DIST_META);
}

/* --- Replies --------------------------------------------------------------------- */

static struct rpc_msg
tirpc_reply(enum accept_stat stat)
{
	struct rpc_msg message = { .rm_xid = 77, .rm_direction = REPLY };

	message.rm_reply.rp_stat = MSG_ACCEPTED;
	message.acpted_rply.ar_stat = stat;
	message.acpted_rply.ar_results.proc = (xdrproc_t)xdr_void;
	if (stat == PROG_MISMATCH) {
		message.acpted_rply.ar_vers.low = 2;
		message.acpted_rply.ar_vers.high = 5;
	}
	return message;
}

static struct rpc_msg
tirpc_denied(enum reject_stat stat)
{
	struct rpc_msg message = { .rm_xid = 77, .rm_direction = REPLY };

	message.rm_reply.rp_stat = MSG_DENIED;
	message.rjcted_rply.rj_stat = stat;
	if (stat == RPC_MISMATCH) {
		message.rjcted_rply.rj_vers.low = 2;
		message.rjcted_rply.rj_vers.high = 2;
	} else {
		message.rjcted_rply.rj_why = AUTH_TOOWEAK;
	}
	return message;
}

/* What libtirpc writes is read, and tells a caller what libtirpc would. */
static void
assert_read_as_libtirpc(struct rpc_msg message)
{
	struct dist_reply_header header;
	struct rpc_err ours, theirs = { 0 };
	uint8_t wire[256], *memory;
	struct dist_bytes whole = tirpc_encode(wire, sizeof(wire), &message);

	for (size_t length = 0; length < whole.length; length++) {
		assert_err(dist_reply_header_read(cut(whole, length, &memory), &header),
		           DIST_EPROTO);
		free(memory);
	}
	assert_ok(dist_reply_header_read(whole, &header));
	assert_int_equal(header.xid, 77);
	assert_false(header.has_meta);
	assert_int_equal(header.results.length, 0);

	dist_reply_header_to_rpc_err(&header, &ours);
	_seterr_reply(&message, &theirs);
	assert_int_equal(ours.re_status, theirs.re_status);
	if (ours.re_status == RPC_AUTHERROR)
		assert_int_equal(ours.re_why, theirs.re_why);
	if (ours.re_status == RPC_VERSMISMATCH ||
	    ours.re_status == RPC_PROGVERSMISMATCH) {
		assert_int_equal(ours.re_vers.low, theirs.re_vers.low);
		assert_int_equal(ours.re_vers.high, theirs.re_vers.high);
	}
}

static void
test_replies_of_libtirpc_mean_what_libtirpc_says(void **state)
{
	(void)state;
	for (int stat = SUCCESS; stat <= SYSTEM_ERR; stat++)
		assert_read_as_libtirpc(tirpc_reply((enum accept_stat)stat));
	assert_read_as_libtirpc(tirpc_denied(RPC_MISMATCH));
	assert_read_as_libtirpc(tirpc_denied(AUTH_ERROR));
}

static void
test_reply_headers_are_what_libtirpc_writes(void **state)
{
	uint8_t ours[DIST_REPLY_HEADER_MAX], theirs[64];

	(void)state;
	for (int stat = SUCCESS; stat <= SYSTEM_ERR; stat++) {
		struct rpc_msg message = tirpc_reply((enum accept_stat)stat);
		struct dist_bytes expected =
			tirpc_encode(theirs, sizeof(theirs), &message);
		size_t versions = stat == PROG_MISMATCH ? 8 : 0;

		assert_int_equal(
			dist_reply_header_write(ours, 77, (enum accept_stat)stat, NULL),
			expected.length - versions);
		assert_memory_equal(ours, expected.data, expected.length - versions);
	}
}

static void
test_a_reply_with_meta_is_read_as_it_was_written(void **state)
{
	struct dist_reply_meta meta = { 12, DIST_NOT_RUN_DRAINING };
	uint8_t wire[DIST_REPLY_HEADER_MAX + 4];
	struct dist_reply_header header;
	size_t size;

	(void)state;
	size = dist_reply_header_write(wire, 8, SUCCESS, &meta);
	assert_int_equal(size, DIST_REPLY_HEADER_MAX);
	memcpy(wire + size, "done", 4);
	assert_ok(
		dist_reply_header_read((struct dist_bytes){ wire, size + 4 }, &header));
	assert_int_equal(header.xid, 8);
	assert_true(header.has_meta);
	assert_int_equal(header.meta.queued, 12);
	assert_int_equal(header.meta.not_run, DIST_NOT_RUN_DRAINING);
	assert_int_equal(header.accept, SUCCESS);
	assert_bytes_equal(header.results, "done");
}

static void
test_libtirpc_reads_a_reply_with_meta(void **state)
{
	struct dist_reply_meta meta = { 12, DIST_RAN };
	uint8_t wire[DIST_REPLY_HEADER_MAX];
	struct rpc_msg message = { 0 };
	char verf[MAX_AUTH_BYTES];
	XDR xdrs;

	(void)state;
	dist_reply_header_write(wire, 8, SUCCESS, &meta);
	message.acpted_rply.ar_verf.oa_base = verf;
	message.acpted_rply.ar_results.proc = (xdrproc_t)xdr_void;
	xdrmem_create(&xdrs, (char *)wire, sizeof(wire), XDR_DECODE);
	assert_true(xdr_replymsg(&xdrs, &message));
	assert_int_equal(message.rm_xid, 8);
	assert_int_equal(message.acpted_rply.ar_verf.oa_flavor, DIST_META);
	assert_int_equal(message.acpted_rply.ar_verf.oa_length, DIST_META_SIZE);
	assert_int_equal(message.acpted_rply.ar_stat, SUCCESS);
}

static void
test_a_malformed_reply_is_refused(void **state)
{
	static const uint32_t replies[][6] = {
		{ 1, CALL, MSG_ACCEPTED, AUTH_NONE, 0, SUCCESS },
		{ 1, 2, MSG_ACCEPTED, AUTH_NONE, 0, SUCCESS },
		{ 1, REPLY, 2, AUTH_NONE, 0, SUCCESS },
		{ 1, REPLY, MSG_ACCEPTED, AUTH_NONE, 0, 6 },
		{ 1, REPLY, MSG_ACCEPTED, AUTH_NONE, 0, 0xffffffff },
		{ 1, REPLY, MSG_ACCEPTED, AUTH_NONE, 401, SUCCESS },
		{ 1, REPLY, MSG_ACCEPTED, AUTH_NONE, 0xffffffff, SUCCESS },
		{ 1, REPLY, MSG_DENIED, 2, 0, 0 },
		{ 1, REPLY, MSG_DENIED, 0xffffffff, 0, 0 },
	};
	struct dist_reply_header header;
	uint8_t wire[500] = { 0 };

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(replies); i++) {
		for (size_t k = 0; k < 6; k++)
			dist_store_be32(wire + 4 * k, replies[i][k]);
		assert_err(dist_reply_header_read(
				   (struct dist_bytes){ wire, sizeof(wire) }, &header),
		           DIST_EPROTO);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_call_header_is_these_bytes),
	cmocka_unit_test(test_call_headers_are_what_libtirpc_writes),
	cmocka_unit_test(test_a_call_is_read_as_it_was_written),
	cmocka_unit_test(test_a_call_cut_at_any_byte_is_refused),
	cmocka_unit_test(test_a_call_of_another_rpc_version_is_read_so_far),
	cmocka_unit_test(test_a_malformed_call_is_refused),
	cmocka_unit_test(test_a_verifier_of_our_flavor_but_another_size_is_not_ours),
	cmocka_unit_test(test_replies_of_libtirpc_mean_what_libtirpc_says),
	cmocka_unit_test(test_reply_headers_are_what_libtirpc_writes),
	cmocka_unit_test(test_a_reply_with_meta_is_read_as_it_was_written),
	cmocka_unit_test(test_libtirpc_reads_a_reply_with_meta),
	cmocka_unit_test(test_a_malformed_reply_is_refused),
};

CHECK_MAIN(tests)
