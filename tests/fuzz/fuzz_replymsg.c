/* A reply's header: what we read, libtirpc reads too, and it tells a caller the same.
 */
#include "wire/callmsg.h"

#include "fuzz.h"

static void
compare_errors(const struct rpc_err *ours, const struct rpc_err *theirs)
{
	FUZZ_CHECK(ours->re_status == theirs->re_status);
	if (ours->re_status == RPC_AUTHERROR)
		FUZZ_CHECK(ours->re_why == theirs->re_why);
	if (ours->re_status == RPC_VERSMISMATCH ||
	    ours->re_status == RPC_PROGVERSMISMATCH) {
		FUZZ_CHECK(ours->re_vers.low == theirs->re_vers.low);
		FUZZ_CHECK(ours->re_vers.high == theirs->re_vers.high);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_err ours, theirs = { 0 };
	struct dist_reply_header header;
	struct rpc_msg message = { 0 };
	char verf[MAX_AUTH_BYTES];
	XDR xdrs;

	if (dist_reply_header_read((struct dist_bytes){ data, size }, &header))
		return 0;
	if (header.stat == MSG_ACCEPTED && header.accept == SUCCESS)
		FUZZ_CHECK(header.results.data + header.results.length == data + size);

	message.acpted_rply.ar_verf.oa_base = verf;
	message.acpted_rply.ar_results.proc = (xdrproc_t)xdr_void;
	xdrmem_create(&xdrs, (char *)(uintptr_t)data, (u_int)size, XDR_DECODE);
	FUZZ_CHECK(xdr_replymsg(&xdrs, &message));
	FUZZ_CHECK(message.rm_xid == header.xid);
	_seterr_reply(&message, &theirs);
	dist_reply_header_to_rpc_err(&header, &ours);
	compare_errors(&ours, &theirs);
	return 0;
}
