/*
 * Each kind of stream that generated code may meet, with nothing behind the last byte
 * that it may touch, so that a sanitizer sees what goes over it.
 */
#ifndef UNIT_WIRE_STREAMS_H
#define UNIT_WIRE_STREAMS_H

#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a value may take on the wire. */
#define WIRE_MAX ((size_t)16 * 1024)

enum stream {
	OURS,
	OURS_UNALIGNED,
	MEMORY,
	MEMORY_UNALIGNED,
	RECORD,
	STDIO,
	N_STREAMS
};

/* A value and how to convert it. */
typedef bool_t convert_fn(XDR *xdrs, void *value);

/* Must succeed. To @wire, of WIRE_MAX + 8 bytes; returns how many it takes. */
size_t encode(enum stream stream, convert_fn *convert, void *value, uint8_t *wire);

/* From exactly @length bytes, on our streams with a budget without end. */
bool decode(enum stream stream, convert_fn *convert, void *value, const uint8_t *wire,
            size_t length);

#endif
