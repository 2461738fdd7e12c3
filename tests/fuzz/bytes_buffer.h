/* Bytes that gather. */
#ifndef FUZZ_BYTES_BUFFER_H
#define FUZZ_BYTES_BUFFER_H

#include "fuzz.h"

#include <string.h>

struct bytes_buffer {
	uint8_t *data;
	size_t length, capacity;
};

static inline void
bytes_buffer_add(struct bytes_buffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	if (buffer->capacity - buffer->length < length) {
		buffer->capacity = 2 * buffer->capacity + length;
		buffer->data = realloc(buffer->data, buffer->capacity);
		FUZZ_CHECK(buffer->data);
	}
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

static inline void
bytes_buffer_fini(struct bytes_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct bytes_buffer){ 0 };
}

#endif
