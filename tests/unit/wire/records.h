/* Records for their reader, and what comes out of it. */
#ifndef UNIT_WIRE_RECORDS_H
#define UNIT_WIRE_RECORDS_H

#include "wire/record.h"

#include "base/cleanup.h"
#include "support/check.h"

#include <stdlib.h>

static inline void
feed(struct dist_record_reader *reader, const void *data, size_t length)
{
	assert_ok(dist_record_reader_feed(reader, data, length));
}

/* The next record, which must be there. */
static inline struct dist_bytes
next(struct dist_record_reader *reader)
{
	struct dist_bytes record = { 0 };
	bool have = false;

	assert_ok(dist_record_reader_next(reader, &record, &have));
	assert_true(have);
	return record;
}

static inline void
assert_none(struct dist_record_reader *reader)
{
	struct dist_bytes record;
	bool have = true;

	assert_ok(dist_record_reader_next(reader, &record, &have));
	assert_false(have);
}

static inline void
feed_mark(struct dist_record_reader *reader, uint32_t mark)
{
	uint8_t wire[4];

	dist_store_be32(wire, mark);
	feed(reader, wire, sizeof(wire));
}

/* A fragment of @length bytes, each of them @byte. */
static inline void
feed_fragment(struct dist_record_reader *reader, bool last, size_t length, uint8_t byte)
{
	uint8_t *body = malloc(length + 1);

	assert_non_null(body);
	memset(body, byte, length);
	feed_mark(reader, (last ? DIST_RECORD_LAST : 0) | (uint32_t)length);
	feed(reader, body, length);
	free(body);
}

static inline void
assert_filled(struct dist_bytes record, size_t length, uint8_t byte)
{
	assert_int_equal(record.length, length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(record.data[i], byte);
}

#endif
