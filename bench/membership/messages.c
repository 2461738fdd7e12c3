#include "messages.h"

#include "base/cleanup.h"
#include "base/clock.h"
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

static size_t
write_reply(uint8_t *to, size_t max, uint32_t xid, xdrproc_t xdr, const void *result)
{
	uint8_t header[DIST_REPLY_HEADER_MAX];
	size_t length = dist_reply_header_write(header, xid, SUCCESS, NULL);
	struct dist_encoder encoder;

	dist_encoder_init(&encoder, to, max, max);
	memcpy(dist_encoder_reserve(&encoder, DIST_RECORD_MARK_SIZE + length) +
	               DIST_RECORD_MARK_SIZE,
	       header, length);
	return finish(&encoder, xdr, result);
}

size_t
message_ping_reply(uint8_t *to, uint32_t xid, const char instance[16])
{
	dist_ping_result result = { .in_flight = 0 };

	memcpy(result.instance, instance, sizeof(result.instance));
	return write_reply(to, MESSAGE_MAX, xid, (xdrproc_t)xdr_dist_ping_result,
	                   &result);
}

/* --- Statistics ------------------------------------------------------------------- */

#define PROCEDURES 3
#define BUCKETS    40 /* what a procedure of one kind of work has, or so */

struct made_up {
	dist_stat counters[3];
	dist_stat_bucket buckets[BUCKETS];
	dist_stat_times times[2];
};

/* Calls that lasted from half a microsecond on, most of them short. */
static void
make_up(struct made_up *of, dist_stat_procedure *procedure, unsigned i, uint64_t calls)
{
	static char *const names[] = { "calls", "in_flight", "ok" };
	static char *const procedures[] = { "ADD", "MULTIPLY", "SUM" };
	uint64_t low_ns = 512, count = 0;

	for (unsigned j = 0; j < BUCKETS; j++, low_ns += 32) {
		uint64_t n = j + 1 < BUCKETS ? calls >> (j / 4 + 3) : calls - count;

		of->buckets[j] = (dist_stat_bucket){ low_ns, low_ns + 32, n };
		count += n;
	}
	for (unsigned j = 0; j < 3; j++)
		of->counters[j] = (dist_stat){ names[j], j == 1 ? 0 : calls };
	for (unsigned j = 0; j < 2; j++)
		of->times[j] = (dist_stat_times){
			j ? "service_time" : "queue_time", calls, calls * 600, low_ns,
			{ BUCKETS, of->buckets },
		};
	*procedure = (dist_stat_procedure){ 0x20000099,
		                            1,
		                            i,
		                            "CROWD_PROG",
		                            "CROWD_V1",
		                            procedures[i],
		                            { 3, of->counters },
		                            { 2, of->times } };
}

size_t
message_stats_reply(uint8_t *to, uint32_t xid, const char instance[16],
                    int64_t started_ns)
{
	uint64_t calls = (uint64_t)(dist_clock_ns() - started_ns) / 1000000;
	dist_stat_procedure procedures[PROCEDURES];
	struct made_up made_up[PROCEDURES];
	dist_stats_result result = { .procedures = { PROCEDURES, procedures } };

	for (unsigned i = 0; i < PROCEDURES; i++)
		make_up(&made_up[i], &procedures[i], i, calls);
	memcpy(result.instance, instance, sizeof(result.instance));
	return write_reply(to, MESSAGE_STATS_MAX, xid, (xdrproc_t)xdr_dist_stats_result,
	                   &result);
}

/* --- Reading ---------------------------------------------------------------------- */

uint32_t
message_asked(struct dist_bytes record, uint32_t *ret_xid)
{
	struct dist_call_header header;

	if (dist_call_header_read(record, &header) || header.prog != DIST_NODE)
		return 0;
	*ret_xid = header.xid;
	return header.proc;
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
