#include "messages.h"

#include "base/cleanup.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

#include <stdlib.h>
#include <string.h>

/* Our own records fit and encode: what fails here is a fault of this program. */
static size_t
finish(struct dist_encoder *encoder, xdrproc_t xdr, const void *value)
{
	size_t length;

	if (dist_encoder_put(encoder, xdr, value) || encoder->on_heap)
		abort();
	length = dist_encoder_length(encoder);
	dist_record_mark(encoder->data, length - DIST_RECORD_MARK_SIZE);
	dist_encoder_fini(encoder);
	return length;
}

static size_t
call_to_master(uint8_t *to, uint32_t xid, uint32_t proc, xdrproc_t xdr,
               const void *args)
{
	struct dist_bytes nothing = { NULL, 0 };
	struct dist_auth none = { .flavor = AUTH_NONE };
	struct dist_encoder encoder;
	uint8_t *header;

	dist_encoder_init(&encoder, to, MESSAGE_MAX, MESSAGE_MAX);
	header = dist_encoder_reserve(&encoder,
	                              DIST_RECORD_MARK_SIZE +
	                                      dist_call_header_size(nothing, false));
	dist_call_header_write(header + DIST_RECORD_MARK_SIZE, xid, DIST_REGISTRY,
	                       DIST_REGISTRY_V1, proc, none, NULL);
	return finish(&encoder, xdr, args);
}

size_t
message_register(uint8_t *to, uint32_t xid, const dist_registration *as)
{
	return call_to_master(to, xid, DIST_REGISTER, (xdrproc_t)xdr_dist_registration,
	                      as);
}

size_t
message_heartbeat(uint8_t *to, uint32_t xid, const dist_heartbeat *beat)
{
	return call_to_master(to, xid, DIST_HEARTBEAT, (xdrproc_t)xdr_dist_heartbeat,
	                      beat);
}

size_t
message_ping_reply(uint8_t *to, uint32_t xid, const char instance[16])
{
	dist_ping_result result = { .in_flight = 0 };
	uint8_t header[DIST_REPLY_HEADER_MAX];
	size_t length = dist_reply_header_write(header, xid, SUCCESS, NULL);
	struct dist_encoder encoder;

	memcpy(result.instance, instance, sizeof(result.instance));
	dist_encoder_init(&encoder, to, MESSAGE_MAX, MESSAGE_MAX);
	memcpy(dist_encoder_reserve(&encoder, DIST_RECORD_MARK_SIZE + length) +
	               DIST_RECORD_MARK_SIZE,
	       header, length);
	return finish(&encoder, (xdrproc_t)xdr_dist_ping_result, &result);
}

bool
message_is_ping(struct dist_bytes record, uint32_t *ret_xid)
{
	struct dist_call_header header;

	if (dist_call_header_read(record, &header) || header.prog != DIST_NODE ||
	    header.proc != DIST_NODE_PING)
		return false;
	*ret_xid = header.xid;
	return true;
}

static bool
read_results(struct dist_bytes record, xdrproc_t xdr, void *ret)
{
	struct dist_reply_header header;
	struct dist_decoder decoder;

	if (dist_reply_header_read(record, &header) || header.stat != MSG_ACCEPTED ||
	    header.accept != SUCCESS)
		return false;
	dist_decoder_init(&decoder, header.results,
	                  dist_decoder_default_budget(header.results.length));
	return !dist_decoder_get(&decoder, xdr, ret);
}

bool
message_read_registered(struct dist_bytes record, dist_registered *ret)
{
	memset(ret, 0, sizeof(*ret));
	return read_results(record, (xdrproc_t)xdr_dist_registered, ret);
}

bool
message_read_status(struct dist_bytes record, dist_registry_status *ret)
{
	*ret = DIST_REGISTRY_OK;
	return read_results(record, (xdrproc_t)xdr_dist_registry_status, ret);
}
