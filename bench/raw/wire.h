/*
 * The baseline's messages: as many bytes as those of an RPC, and nothing but what the
 * sum needs.
 *
 * A call: the length of what follows, an id, 20 bytes that stand for program, version,
 * procedure and credentials, a count, and so many integers: 44 bytes for three of them.
 * A reply: the length of what follows, the id, 16 bytes that stand for a status and a
 * verifier, and the sum in 64 bits: 32 bytes.
 */
#ifndef RAW_WIRE_H
#define RAW_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>

#define RAW_CALL_HEADER 32
#define RAW_REPLY       32
#define RAW_MAX_CALL    (4 << 20)

/* In words of 32 bits. */
enum {
	RAW_LENGTH = 0,
	RAW_ID = 1,
	RAW_COUNT = 7, /* of a call, whose integers follow */
	RAW_INTS = 8,
	RAW_SUM = 6, /* of a reply; two words */
};

/* All of it; false: the peer is gone. */
static inline int
raw_send(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return 0;
		bytes += sent;
		size -= (size_t)sent;
	}
	return 1;
}

#endif
