#include "server/rest.h"

enum dist_err
dist_rest_take_up(struct dist_worker *self, struct dist_server_conn *conn)
{
	struct dist_record_reader *reader = &conn->reader;

	if (reader->buffer == self->read_scratch)
		return DIST_OK; /* it was received there just now */
	dist_record_reader_carry(reader, self->read_scratch, DIST_READ_SCRATCH_SIZE);
	if (!reader->lent || reader->buffer == self->read_scratch)
		return DIST_OK;
	/* The start of a large record, in the scratch of another thread. */
	return dist_record_reader_settle(reader);
}

enum dist_err
dist_rest_leave(struct dist_server_conn *conn)
{
	struct dist_record_reader *reader = &conn->reader;

	if (reader->lent && dist_record_reader_held(reader) > 0 &&
	    dist_record_reader_carry_to_reserve(reader))
		return DIST_OK;
	return dist_record_reader_settle(reader);
}
