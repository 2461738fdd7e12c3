/*
 * Records over a byte stream (RFC 5531 section 11): each fragment has a mark of four
 * bytes, 31 bits of length and the bit that says it is the record's last.
 *
 * The reader takes bytes as they come and gives whole records, fragments joined. Memory
 * follows what arrived, not what a mark claims: it begins with a block of the process's
 * reserve, while there is one, and the buffer doubles as it fills. A mark is believed
 * where memory is kept from earlier records (base/large.h), and up to the length of the
 * longest record that has come in whole from this peer.
 */
#ifndef DIST_WIRE_RECORD_H
#define DIST_WIRE_RECORD_H

#include "base/bytes.h"

#include <dist/error.h>
#include <stdbool.h>

#define DIST_RECORD_MARK_SIZE 4
#define DIST_RECORD_LAST 0x80000000u
/* The largest record sent in one fragment, which is how we send them all. */
#define DIST_RECORD_FRAGMENT_MAX 0x7fffffffu

/* The mark of a record of @length bytes in one fragment; @to has 4 bytes. */
static inline void
dist_record_mark(void *to, size_t length)
{
	dist_store_be32(to, DIST_RECORD_LAST | (uint32_t)length);
}

struct dist_record_reader {
	size_t max_record; /* read-only after init */
	size_t proven;     /* what the longest record so far took, room behind it included */

	/* Where bytes are: the reader's own buffer, or one lent by the caller. */
	uint8_t *buffer;
	size_t capacity;
	bool lent;

	size_t start;    /* the first byte not given out yet: of the record being joined */
	size_t end;      /* past the last byte received */
	size_t joined;   /* bytes of the record that are joined already, at @start */
	size_t scan;     /* where the next fragment's mark stands */
	size_t fragment; /* length of the fragment being received, mark known */
	bool in_fragment;
	bool last;       /* the fragment being received is the record's last */
	unsigned empty_fragments; /* in this record: bounded, they make no progress */
	const uint8_t *given;     /* the last record given out; NULL: it is gone */
};

void dist_record_reader_init(struct dist_record_reader *reader, size_t max_record);
void dist_record_reader_fini(struct dist_record_reader *reader);

/*
 * Lend @buffer (of at least 4 KiB) to a reader that holds nothing; it is used until
 * dist_record_reader_settle(). Where many connections are mostly idle, they share one.
 */
void dist_record_reader_lend(struct dist_record_reader *reader, uint8_t *buffer,
                             size_t capacity);

/*
 * The same to a reader that may hold something, which is copied there; what it had
 * until then, lent or its own, is not used any more. Records that were given out lie
 * where they lay, if that was lent. Where @buffer is too small, also for the record
 * that has begun, nothing changes.
 */
void dist_record_reader_carry(struct dist_record_reader *reader, uint8_t *buffer,
                              size_t capacity);

/* The same to a block of the process's reserve (base/reserve.h), which the reader gives
 * back by itself. False: there is none, or it is too small. */
bool dist_record_reader_carry_to_reserve(struct dist_record_reader *reader);

/*
 * Where to receive: @ret_space and its length, at least 1 byte and usually as much as
 * there is; borrowed until the next call on the reader. Records given out before are gone
 * after this. For a record that is longer than the buffer, the space is the buffer's own
 * growth, so that large records are read straight into place. DIST_ENOMEM.
 */
enum dist_err dist_record_reader_space(struct dist_record_reader *reader,
                                       uint8_t **ret_space, size_t *ret_length)
	DIST_MUST_CHECK;

/* @length bytes were received there. */
void dist_record_reader_filled(struct dist_record_reader *reader, size_t length);

/* Whether next() has something to do: a record, or a fragment of one, is whole. */
bool dist_record_reader_full(const struct dist_record_reader *reader);

/* Both in one, by copying: for tests and small inputs. DIST_ENOMEM. */
enum dist_err dist_record_reader_feed(struct dist_record_reader *reader, const void *data,
                                      size_t length) DIST_MUST_CHECK;

/*
 * The next whole record, contiguous, 4-byte aligned relative to the buffer only by
 * chance; borrowed until the next space(), fini(), or take() of a later one. *ret_have
 * says whether there was one. DIST_ETOOBIG: longer than max_record; DIST_EPROTO: over 16
 * empty fragments in one record. After an error the stream cannot be followed any more:
 * close it.
 */
enum dist_err dist_record_reader_next(struct dist_record_reader *reader,
                                      struct dist_bytes *ret_record, bool *ret_have)
	DIST_MUST_CHECK;

/*
 * Whether taking @record, which next() gave last, hands its buffer over without a copy.
 */
bool dist_record_reader_fills(const struct dist_record_reader *reader,
                              struct dist_bytes record);

/*
 * Own a record that next() gave since the last space(). When it is the last one given and
 * fills most of the reader's own buffer, the buffer itself changes hands, else it is
 * copied: those given after it stay where they are, those given before are gone.
 * *ret_memory: dist_large_free() it; *ret_record lies within. DIST_ENOMEM: nothing changed hands.
 */
enum dist_err dist_record_reader_take(struct dist_record_reader *reader,
                                      struct dist_bytes record, void **ret_memory,
                                      struct dist_bytes *ret_record) DIST_MUST_CHECK;

/*
 * All records there are have been taken: move what is left out of a lent buffer, give
 * back memory that is not needed (all of it when nothing is left). DIST_ENOMEM.
 */
enum dist_err dist_record_reader_settle(struct dist_record_reader *reader) DIST_MUST_CHECK;

/* Bytes that must be kept: of the record being joined, and not read yet. */
static inline size_t
dist_record_reader_held(const struct dist_record_reader *reader)
{
	return reader->joined + (reader->end - reader->scan);
}

/* Whether a record has begun and is not complete. */
bool dist_record_reader_partial(const struct dist_record_reader *reader);

#endif
