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
#include "base/copy.h"
#include "base/error.h"
#include "base/large.h"
#include "base/reserve.h"

#include <assert.h>
#include <stdlib.h>

/* What a buffer begins with: many small records arrive in one read. */
#define READER_FIRST DIST_RESERVE_BLOCK
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

/* Its buffer is not used any more: its own, a block of the reserve, or its lender's. */
static void
reader_let_go(struct dist_record_reader *reader)
{
	if (!reader->lent)
		dist_large_free(reader->buffer);
	else
		(void)dist_reserve_give(reader->buffer);
}

void
dist_record_reader_fini(struct dist_record_reader *reader)
{
	reader_let_go(reader);
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

/* The length of the fragment being received; false: its mark is not here yet. */
static bool
reader_fragment(const struct dist_record_reader *reader, size_t *ret_length)
{
	if (reader->in_fragment) {
		*ret_length = reader->fragment;
		return true;
	}
	if (reader->end - reader->scan < DIST_RECORD_MARK_SIZE)
		return false;
	*ret_length =
		DIST_RECORD_MARK_SIZE +
		(dist_load_be32(reader->buffer + reader->scan) & ~DIST_RECORD_LAST);
	return *ret_length <= reader->max_record;
}

/* Whether it is the record's last; false, too: its mark is not here yet. */
static bool
reader_in_last(const struct dist_record_reader *reader)
{
	if (reader->in_fragment)
		return reader->last;
	return reader->end - reader->scan >= DIST_RECORD_MARK_SIZE &&
	       (dist_load_be32(reader->buffer + reader->scan) & DIST_RECORD_LAST);
}

/* Bytes missing of it. */
static size_t
reader_missing(const struct dist_record_reader *reader)
{
	size_t here = reader->end - reader->scan, fragment;

	return reader_fragment(reader, &fragment) && fragment > here ? fragment - here
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

/* What the record being received takes, as its mark has it; 0: no mark is here yet. */
static size_t
reader_whole(const struct dist_record_reader *reader)
{
	size_t fragment;

	return reader_fragment(reader, &fragment)
	               ? reader->joined + fragment + READER_SLACK
	               : 0;
}

/* @buffer, given, has @capacity bytes and holds what is kept. */
static void
reader_use(struct dist_record_reader *reader, uint8_t *buffer, size_t capacity)
{
	reader->buffer = buffer;
	reader->capacity = capacity;
	reader->lent = false;
	reader->given = NULL;
}

/* Whether what is held, and the record it begins, had better be in @capacity bytes that
 * are lent: a large record goes on in memory that can grow, and be taken. */
static bool
reader_fits(const struct dist_record_reader *reader, size_t capacity)
{
	return dist_record_reader_held(reader) <= capacity &&
	       reader_whole(reader) <= capacity / 2;
}

void
dist_record_reader_carry(struct dist_record_reader *reader, uint8_t *buffer,
                         size_t capacity)
{
	if (!reader->buffer) {
		dist_record_reader_lend(reader, buffer, capacity);
		return;
	}
	if (!reader_fits(reader, capacity))
		return;
	reader_move(reader, buffer);
	if (reader->buffer != buffer)
		reader_let_go(reader);
	reader_use(reader, buffer, capacity);
	reader->lent = true;
}

bool
dist_record_reader_carry_to_reserve(struct dist_record_reader *reader)
{
	uint8_t *block = dist_reserve_take();

	if (!block)
		return false;
	dist_record_reader_carry(reader, block, DIST_RESERVE_BLOCK);
	if (reader->buffer == block)
		return true;
	(void)dist_reserve_give(block);
	return false;
}

/* Go over to a buffer of our own with @capacity bytes, where what is kept is copied. */
static enum dist_err
reader_replace(struct dist_record_reader *reader, uint8_t *buffer, size_t capacity)
{
	if (!buffer)
		buffer = dist_large_alloc(capacity);
	if (!buffer)
		return dist_error_set_plain(DIST_ENOMEM);
	if (reader->buffer)
		reader_move(reader, buffer);
	reader_let_go(reader);
	reader_use(reader, buffer, capacity);
	return DIST_OK;
}

/*
 * Memory for as much as the record's mark claims, @whole: where such memory is kept
 * anyway, or where the peer has sent a record as long before. NULL: there is none, and
 * what is had is to follow what arrives.
 */
static void *
reader_believe(const struct dist_record_reader *reader, size_t whole)
{
	return whole <= reader->proven ? dist_large_alloc(whole)
	                               : dist_large_take(whole);
}

/*
 * Have a buffer of our own with at least @capacity bytes, or with as many as the
 * record's mark claims.
 */
static enum dist_err
reader_grow(struct dist_record_reader *reader, size_t capacity)
{
	size_t whole = reader_whole(reader);
	uint8_t *buffer = whole > capacity ? reader_believe(reader, whole) : NULL;

	if (buffer)
		return reader_replace(reader, buffer, whole);
	if (!reader->buffer || reader->lent || capacity <= reader->capacity)
		return reader_replace(reader, NULL, capacity);

	reader_move(reader, reader->buffer);
	buffer = dist_large_grow(reader->buffer, reader->capacity, capacity);
	if (!buffer)
		return dist_error_set_plain(DIST_ENOMEM);
	reader_use(reader, buffer, capacity);
	return DIST_OK;
}

/*
 * Twice as much as now, as that much has arrived; less where the record's end is known to
 * be nearer, and not for each fragment a little more, or a record of many small ones would
 * be copied as often. A mark that lies gains nothing: it never makes this more than double.
 */
static size_t
reader_next_capacity(const struct dist_record_reader *reader)
{
	size_t doubled = DIST_MAX(2 * reader->capacity, READER_FIRST);
	size_t whole = reader_whole(reader);

	if (reader_in_last(reader) && whole > reader->capacity && whole < doubled)
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

/* A block of the reserve does for small records. */
static enum dist_err
reader_make_space(struct dist_record_reader *reader)
{
	size_t capacity = reader_next_capacity(reader);

	if (capacity == READER_FIRST && dist_record_reader_carry_to_reserve(reader))
		return DIST_OK;
	return reader_grow(reader, capacity);
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
		err = reader_make_space(reader);
		if (err)
			return err;
	}
	*ret_space = reader->buffer + reader->end;
	*ret_length = reader->capacity - reader->end;
	return DIST_OK;
}

bool
dist_record_reader_full(const struct dist_record_reader *reader)
{
	size_t fragment;

	return reader_fragment(reader, &fragment) && reader_missing(reader) == 0;
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
	reader->proven = DIST_MAX(reader->proven, reader->joined + 2 * READER_SLACK);
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
	uint8_t *memory = dist_large_alloc(record.length);

	if (!memory)
		return dist_error_set_plain(DIST_ENOMEM);
	if (record.length)
		dist_copy(memory, record.data, record.length);
	*ret_memory = memory;
	*ret_record = (struct dist_bytes){ memory, record.length };
	return DIST_OK;
}

bool
dist_record_reader_fills(const struct dist_record_reader *reader,
                         struct dist_bytes record)
{
	return !reader->lent && record.data == reader->given &&
	       record.length >= reader->capacity / 2;
}

enum dist_err
dist_record_reader_take(struct dist_record_reader *reader, struct dist_bytes record,
                        void **ret_memory, struct dist_bytes *ret_record)
{
	size_t held = dist_record_reader_held(reader), whole = reader_whole(reader);
	size_t capacity = DIST_MAX(held, READER_FIRST);
	uint8_t *buffer = reader->buffer, *rest;

	if (!dist_record_reader_fills(reader, record))
		return record_copy(record, ret_memory, ret_record);

	/* What came after it moves to a buffer of its own. */
	if (held == 0) {
		reader_drop(reader);
	} else {
		rest = whole > capacity ? reader_believe(reader, whole) : NULL;
		if (rest)
			capacity = whole;
		else
			rest = dist_large_alloc(capacity);
		if (!rest)
			return dist_error_set_plain(DIST_ENOMEM);
		reader_move(reader, rest);
		reader_use(reader, rest, capacity);
	}
	*ret_memory = buffer;
	*ret_record = record;
	return DIST_OK;
}

enum dist_err
dist_record_reader_settle(struct dist_record_reader *reader)
{
	size_t held = dist_record_reader_held(reader);
	size_t rounded = (held + READER_GRAIN - 1) / READER_GRAIN * READER_GRAIN;

	if (!reader->buffer)
		return DIST_OK;
	if (held == 0) {
		reader_let_go(reader);
		reader_drop(reader);
		return DIST_OK;
	}
	if (reader->lent)
		return reader_grow(reader, rounded);
	if (rounded < reader->capacity / 4)
		return reader_replace(reader, NULL, rounded);
	return DIST_OK;
}

bool
dist_record_reader_partial(const struct dist_record_reader *reader)
{
	return reader->in_fragment || reader->joined > 0 ||
	       reader->empty_fragments > 0 || reader->end > reader->scan;
}
