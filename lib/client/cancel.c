#include "client/cancel.h"

#include "base/bytes.h"
#include "idl/node.h"
#include "wire/callmsg.h"
#include "wire/record.h"

#define ARGUMENT_SIZE 4 /* the xid */

void
dist_cancel_queue_locked(struct dist_conn *conn, uint32_t xid)
{
	uint8_t record[DIST_RECORD_MARK_SIZE + DIST_CALL_HEADER_MIN + ARGUMENT_SIZE];
	struct dist_auth none = { AUTH_NONE, { NULL, 0 } };
	size_t header = dist_call_header_size(none.body, false);
	uint32_t own_xid;

	if (dist_calltab_add(&conn->calls, NULL, &own_xid) != DIST_OK)
		return;
	dist_record_mark(record, header + ARGUMENT_SIZE);
	dist_call_header_write(record + DIST_RECORD_MARK_SIZE, own_xid, DIST_NODE,
	                       DIST_NODE_V1, DIST_NODE_CANCEL, none, NULL);
	dist_store_be32(record + DIST_RECORD_MARK_SIZE + header, xid);
	if (dist_outbuf_append(&conn->out, record,
	                       DIST_RECORD_MARK_SIZE + header + ARGUMENT_SIZE) != DIST_OK)
		dist_calltab_undo(&conn->calls, own_xid);
}
