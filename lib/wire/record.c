/*
 * The reader's buffer, from left to right:
 *
 *	0        start     start+joined     scan            end        capacity
 *	| given  | joined  | marks passed   | not read yet  | space    |
 *
 * A fragment is joined once it is whole, by moving it left over the marks between; the
 * first one is there already, so that a record of one fragment is never copied.
 */
#include "wire/record.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <assert.h>
#include <stdlib.h>

/* What an own buffer begins with: many small records arrive in one read. */
#define READER_FIRST ((size_t)64 * 1024)
/* Room beyond a large record for what follows it. */
#define READER_SLACK ((size_t)4096)
/* What settling rounds up to. */
#define READER_GRAIN               ((size_t)512)
#define READER_EMPTY_FRAGMENTS_MAX 16

void
dist_record_reader_init(struct dist_record_reader *reader, size_t max_record)
{
	*reader = (struct dist_record_reader){ .max_record = max_record };
}

void
dist_record_reader_fini(struct dist_record_reader *reader)
{
	if (!reader->lent)
		free(reader->buffer);
	reader->buffer = NULL;
}

void
dist_record_reader_lend(struct dist_record_reader *reader, uint8_t *buffer,
                        size_t capacity)
{
	if (reader->buffer)
		return;
	reader->buffer = buffer;
	reader->capacity = capacity;
	reader->lent = true;
}

/* Bytes that must be kept: of the record being joined, and not read yet. */
static size_t
reader_held(const struct dist_record_reader *reader)
{
	return reader->joined + (reader->end - reader->scan);
}

/* Bytes missing of the fragment being received. */
static size_t
reader_missing(const struct dist_record_reader *reader)
{
	size_t here = reader->end - reader->scan;

	return reader->in_fragment && reader->fragment > here ? reader->fragment - here
	                                                      : 0;
}

/* What is kept, copied to or moved within the front of @to. */
static void
reader_move(struct dist_record_reader *reader, uint8_t *to)
{
	size_t unread = reader->end - reader->scan;

	if (to != reader->buffer || reader->start > 0)
		memmove(to, reader->buffer + reader->start, reader->joined);
	if (to != reader->buffer || reader->scan > reader->joined)
		memmove(to + reader->joined, reader->buffer + reader->scan, unread);
	reader->start = 0;
	reader->scan = reader->joined;
	reader->end = reader->joined + unread;
}

/* Go over to a buffer of our own with @capacity bytes, which hold what is kept. */
static enum dist_err
reader_resize(struct dist_record_reader *reader, size_t capacity)
{
	uint8_t *buffer;

	if (reader->buffer && !reader->lent && capacity > reader->capacity) {
		/* realloc() moves pages, not bytes, where records are large. */
		reader_move(reader, reader->buffer);
		buffer = realloc(reader->buffer, capacity);
		if (!buffer)
			return dist_error_set_plain(DIST_ENOMEM);
	} else {
		buffer = malloc(capacity);
		if (!buffer)
			return dist_error_set_plain(DIST_ENOMEM);
		if (reader->buffer)
			reader_move(reader, buffer);
		if (!reader->lent)
			free(reader->buffer);
	}
	reader->buffer = buffer;
	reader->capacity = capacity;
	reader->lent = false;
	reader->given = NULL;
	return DIST_OK;
}

/*
 * Twice as much as now, as that much has arrived; less where the record's end is
 * nearer. A mark that lies gains nothing: it never makes this more than double.
 */
static size_t
reader_next_capacity(const struct dist_record_reader *reader)
{
	size_t doubled = DIST_MAX(2 * reader->capacity, READER_FIRST);
	size_t whole = reader->joined + reader->fragment + READER_SLACK;

	if (reader->in_fragment && whole > reader->capacity && whole < doubled)
		return DIST_MAX(whole, READER_FIRST);
	return doubled;
}

static bool
reader_has_space(const struct dist_record_reader *reader)
{
	size_t space = reader->capacity - reader->end;
	size_t missing = reader_missing(reader);

	return space > 0 &&
	       (space >= reader->capacity / 4 || (missing && space >= missing));
}

enum dist_err
dist_record_reader_space(struct dist_record_reader *reader, uint8_t **ret_space,
                         size_t *ret_length)
{
	enum dist_err err;

	reader->given = NULL;
	if (reader->buffer && !reader_has_space(reader))
		reader_move(reader, reader->buffer);
	if (!reader->buffer || (!reader->lent && reader->capacity < READER_FIRST) ||
	    !reader_has_space(reader)) {
		err = reader_resize(reader, reader_next_capacity(reader));
		if (err)
			return err;
	}
	*ret_space = reader->buffer + reader->end;
	*ret_length = reader->capacity - reader->end;
	return DIST_OK;
}

void
dist_record_reader_filled(struct dist_record_reader *reader, size_t length)
{
	assert(length <= reader->capacity - reader->end);
	reader->end += length;
}

enum dist_err
dist_record_reader_feed(struct dist_record_reader *reader, const void *data,
                        size_t length)
{
	const uint8_t *from = data;
	enum dist_err err;
	uint8_t *space;
	size_t room;

	while (length > 0) {
		err = dist_record_reader_space(reader, &space, &room);
		if (err)
			return err;
		room = DIST_MIN(room, length);
		memcpy(space, from, room);
		dist_record_reader_filled(reader, room);
		from += room;
		length -= room;
	}
	return DIST_OK;
}

/* The mark at @scan is there: read it. */
static enum dist_err
reader_read_mark(struct dist_record_reader *reader)
{
	uint32_t mark = dist_load_be32(reader->buffer + reader->scan);

	reader->fragment = mark & ~DIST_RECORD_LAST;
	reader->last = mark & DIST_RECORD_LAST;
	if (reader->fragment > reader->max_record - reader->joined)
		return dist_error_set(
			DIST_ETOOBIG,
			"a record of at least %zu bytes came in, over the "
			"limit of %zu",
			reader->joined + reader->fragment, reader->max_record);
	if (reader->fragment == 0 && !reader->last &&
	    ++reader->empty_fragments > READER_EMPTY_FRAGMENTS_MAX)
		return dist_error_set(DIST_EPROTO,
		                      "a record with over %d empty fragments came in",
		                      READER_EMPTY_FRAGMENTS_MAX);

	reader->scan += DIST_RECORD_MARK_SIZE;
	if (reader->joined == 0)
		reader->start = reader->scan;
	reader->in_fragment = true;
	return DIST_OK;
}

/* The fragment at @scan is whole: make it part of the record. */
static void
reader_join(struct dist_record_reader *reader)
{
	uint8_t *to = reader->buffer + reader->start + reader->joined;
	uint8_t *from = reader->buffer + reader->scan;

	if (to != from)
		memmove(to, from, reader->fragment);
	reader->joined += reader->fragment;
	reader->scan += reader->fragment;
	reader->in_fragment = false;
}

enum dist_err
dist_record_reader_next(struct dist_record_reader *reader,
                        struct dist_bytes *ret_record, bool *ret_have)
{
	enum dist_err err;

	do {
		if (!reader->in_fragment) {
			if (reader->end - reader->scan < DIST_RECORD_MARK_SIZE) {
				*ret_have = false;
				return DIST_OK;
			}
			err = reader_read_mark(reader);
			if (err)
				return err;
		}
		if (reader->end - reader->scan < reader->fragment) {
			*ret_have = false;
			return DIST_OK;
		}
		reader_join(reader);
	} while (!reader->last);

	*ret_record =
		(struct dist_bytes){ reader->buffer + reader->start, reader->joined };
	*ret_have = true;
	reader->given = ret_record->data;
	reader->start = reader->scan;
	reader->joined = 0;
	reader->empty_fragments = 0;
	reader->last = false;
	return DIST_OK;
}

/* Nothing is kept in the buffer: forget it. */
static void
reader_drop(struct dist_record_reader *reader)
{
	reader->buffer = NULL;
	reader->lent = false;
	reader->capacity = reader->start = reader->scan = reader->end = 0;
	reader->given = NULL;
}

static enum dist_err
record_copy(struct dist_bytes record, void **ret_memory, struct dist_bytes *ret_record)
{
	uint8_t *memory = malloc(DIST_MAX(record.length, 1));

	if (!memory)
		return dist_error_set_plain(DIST_ENOMEM);
	if (record.length)
		memcpy(memory, record.data, record.length);
	*ret_memory = memory;
	*ret_record = (struct dist_bytes){ memory, record.length };
	return DIST_OK;
}

enum dist_err
dist_record_reader_take(struct dist_record_reader *reader, struct dist_bytes record,
                        void **ret_memory, struct dist_bytes *ret_record)
{
	size_t held = reader_held(reader), capacity = DIST_MAX(held, READER_FIRST);
	uint8_t *buffer = reader->buffer, *rest;

	if (reader->lent || record.data != reader->given ||
	    record.length < reader->capacity / 2)
		return record_copy(record, ret_memory, ret_record);

	/* What came after it moves to a buffer of its own. */
	if (held == 0) {
		reader_drop(reader);
	} else {
		rest = malloc(capacity);
		if (!rest)
			return dist_error_set_plain(DIST_ENOMEM);
		reader_move(reader, rest);
		reader->buffer = rest;
		reader->capacity = capacity;
		reader->given = NULL;
	}
	*ret_memory = buffer;
	*ret_record = record;
	return DIST_OK;
}

enum dist_err
dist_record_reader_settle(struct dist_record_reader *reader)
{
	size_t held = reader_held(reader);
	size_t rounded = (held + READER_GRAIN - 1) / READER_GRAIN * READER_GRAIN;

	if (!reader->buffer)
		return DIST_OK;
	if (held == 0) {
		if (!reader->lent)
			free(reader->buffer);
		reader_drop(reader);
		return DIST_OK;
	}
	if (reader->lent || rounded < reader->capacity / 4)
		return reader_resize(reader, rounded);
	return DIST_OK;
}

bool
dist_record_reader_partial(const struct dist_record_reader *reader)
{
	return reader->in_fragment || reader->joined > 0 ||
	       reader->empty_fragments > 0 || reader->end > reader->scan;
}
