/*
 * A call's header: what we read, libtirpc reads too and alike, and writing it again
 * gives the same words.
 */
#include "wire/callmsg.h"

#include "base/cleanup.h"
#include "fuzz.h"
#include "idl/node.h"

static void
compare_with_libtirpc(const uint8_t *data, size_t size,
                      const struct dist_call_header *header)
{
	char cred[MAX_AUTH_BYTES], verf[MAX_AUTH_BYTES];
	struct rpc_msg message = { 0 };
	XDR xdrs;

	message.rm_call.cb_cred.oa_base = cred;
	message.rm_call.cb_verf.oa_base = verf;
	xdrmem_create(&xdrs, (char *)(uintptr_t)data, (u_int)size, XDR_DECODE);
	FUZZ_CHECK(xdr_callmsg(&xdrs, &message));
	FUZZ_CHECK(message.rm_xid == header->xid);
	FUZZ_CHECK(message.rm_call.cb_prog == header->prog);
	FUZZ_CHECK(message.rm_call.cb_vers == header->vers);
	FUZZ_CHECK(message.rm_call.cb_proc == header->proc);
	FUZZ_CHECK((uint32_t)message.rm_call.cb_cred.oa_flavor == header->cred.flavor);
	FUZZ_CHECK(message.rm_call.cb_cred.oa_length == header->cred.body.length);
	FUZZ_CHECK((uint32_t)message.rm_call.cb_verf.oa_flavor == header->verf.flavor);
	FUZZ_CHECK(message.rm_call.cb_verf.oa_length == header->verf.body.length);
	if (header->cred.body.length > 0)
		FUZZ_CHECK(memcmp(cred, header->cred.body.data,
		                  header->cred.body.length) == 0);
	FUZZ_CHECK(size - xdr_getpos(&xdrs) == header->args.length);
}

static void
write_and_read_again(const struct dist_call_header *header)
{
	uint8_t wire[DIST_CALL_HEADER_MAX];
	struct dist_call_header again;
	size_t size = dist_call_header_size(header->cred.body, header->has_meta);

	FUZZ_CHECK(size <= sizeof(wire));
	dist_call_header_write(wire, header->xid, header->prog, header->vers,
	                       header->proc, header->cred,
	                       header->has_meta ? &header->meta : NULL);
	FUZZ_CHECK(dist_call_header_read((struct dist_bytes){ wire, size }, &again) ==
	           DIST_OK);
	FUZZ_CHECK(again.xid == header->xid && again.prog == header->prog);
	FUZZ_CHECK(again.vers == header->vers && again.proc == header->proc);
	FUZZ_CHECK(again.has_meta == header->has_meta);
	FUZZ_CHECK(again.meta.left_ms == header->meta.left_ms);
	FUZZ_CHECK(again.meta.attempt == header->meta.attempt);
	FUZZ_CHECK(again.args.length == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dist_call_header header;

	if (dist_call_header_read((struct dist_bytes){ data, size }, &header))
		return 0;
	FUZZ_CHECK(size >= 12);
	if (header.rpc_version != RPC_MSG_VERSION)
		return 0;
	FUZZ_CHECK(header.args.data + header.args.length == data + size);
	compare_with_libtirpc(data, size, &header);
	write_and_read_again(&header);
	return 0;
}
