/*
 * Credentials: the bytes are a body. What our reader takes of AUTH_SYS, libtirpc takes
 * and alike; what that takes, within the bounds of RFC 5531 (Appendix A) and to its
 * last byte, ours does. Whatever the flavor, a header has bodies of up to 400 bytes and
 * no more, and gives the same bytes again.
 */
#include "server/cred.h"
#include "wire/callmsg.h"

#include "base/cleanup.h"
#include "fuzz.h"

#include <string.h>

/* What libtirpc makes of it; false: it takes it not at all, or not wholly. */
static bool
theirs_read(struct dist_bytes body, struct authunix_parms *parms)
{
	XDR xdrs;
	bool fine;

	xdrmem_create(&xdrs, (char *)(uintptr_t)body.data, (u_int)body.length,
	              XDR_DECODE);
	fine = xdr_authunix_parms(&xdrs, parms) && xdr_getpos(&xdrs) == body.length;
	return fine;
}

static void
compare(const struct dist_cred *ours, const struct authunix_parms *theirs)
{
	FUZZ_CHECK(ours->parms.aup_time == theirs->aup_time);
	FUZZ_CHECK(ours->parms.aup_uid == theirs->aup_uid);
	FUZZ_CHECK(ours->parms.aup_gid == theirs->aup_gid);
	FUZZ_CHECK(ours->parms.aup_len == theirs->aup_len);
	FUZZ_CHECK(!strcmp(ours->parms.aup_machname, theirs->aup_machname));
	for (u_int i = 0; i < theirs->aup_len; i++)
		FUZZ_CHECK(ours->parms.aup_gids[i] == theirs->aup_gids[i]);
}

static void
fuzz_body(struct dist_bytes body)
{
	char machine[MAX_MACHINE_NAME + 1];
	gid_t groups[NGRPS];
	struct authunix_parms theirs = { .aup_machname = machine, .aup_gids = groups };
	struct dist_cred ours;
	bool taken = dist_cred_read(body, &ours);

	FUZZ_CHECK(taken == theirs_read(body, &theirs));
	if (taken)
		compare(&ours, &theirs);
}

/* A call to program 2, version 3, procedure 4, with this credential. Its length. */
static size_t
write_header(uint8_t *to, struct dist_bytes body, uint32_t flavor)
{
	const uint32_t words[] = { 1, CALL, RPC_MSG_VERSION, 2,
		                   3, 4,    flavor,          (uint32_t)body.length };
	size_t size = sizeof(words), padded = (body.length + 3) / 4 * 4;

	for (unsigned i = 0; i < DIST_ARRAY_SIZE(words); i++)
		dist_store_be32(to + 4 * i, words[i]);
	memset(to + size, 0, padded + 8); /* and an empty verifier */
	if (body.length > 0)
		memcpy(to + size, body.data, body.length);
	return size + padded + 8;
}

static void
fuzz_header(struct dist_bytes body, uint32_t flavor)
{
	uint8_t wire[DIST_CALL_HEADER_MAX + 8];
	struct dist_call_header header;
	size_t size = write_header(wire, body, flavor);
	enum dist_err err =
		dist_call_header_read((struct dist_bytes){ wire, size }, &header);

	FUZZ_CHECK(err == (body.length > MAX_AUTH_BYTES ? DIST_EPROTO : DIST_OK));
	if (err)
		return;
	FUZZ_CHECK(header.proc == 4 && header.cred.flavor == flavor);
	FUZZ_CHECK(header.cred.body.length == body.length);
	FUZZ_CHECK(body.length == 0 ||
	           !memcmp(header.cred.body.data, body.data, body.length));
	FUZZ_CHECK(header.args.length == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dist_bytes body = { data, DIST_MIN(size, MAX_AUTH_BYTES + 1) };

	if (body.length <= MAX_AUTH_BYTES)
		fuzz_body(body);
	fuzz_header(body, AUTH_NONE);
	fuzz_header(body, AUTH_SYS);
	fuzz_header(body, size > 0 ? data[size - 1] : 4711);
	return 0;
}
