/*
 * A stream of fragments (RFC 5531 section 11) as a whole, read in the simplest way:
 * what lib/wire/record.c must make of the same bytes, however they come.
 */
#ifndef FUZZ_STREAM_H
#define FUZZ_STREAM_H

#include "wire/record.h"

#include <string.h>

#define STREAM_EMPTY_MAX 16

struct stream {
	const uint8_t *at, *end;
	size_t max_record;
	uint8_t *joined; /* max_record bytes, for the record that was found last */
};

/* The next record, joined; an error, or not there yet. */
static inline enum dist_err
stream_next(struct stream *stream, size_t *ret_length, bool *ret_have)
{
	const uint8_t *at = stream->at;
	size_t length = 0, fragment;
	unsigned n_empty = 0;
	uint32_t mark;

	*ret_have = false;
	do {
		if (stream->end - at < 4)
			return DIST_OK;
		mark = dist_load_be32(at);
		fragment = mark & 0x7fffffff;
		at += 4;
		if (fragment > stream->max_record - length)
			return DIST_ETOOBIG;
		if (mark == 0 && ++n_empty > STREAM_EMPTY_MAX)
			return DIST_EPROTO;
		if ((size_t)(stream->end - at) < fragment)
			return DIST_OK;
		memcpy(stream->joined + length, at, fragment);
		length += fragment;
		at += fragment;
	} while (!(mark & DIST_RECORD_LAST));
	stream->at = at;
	*ret_length = length;
	*ret_have = true;
	return DIST_OK;
}

#endif
