/* What each fuzz target defines, and how it says that something is wrong. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* libFuzzer's entry point: any bytes at all. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, whatever the input: else the fuzzer has found something. */
#define FUZZ_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, \
			        __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* libFuzzer looks at its watch by a signal, which ends what a system call waits for. */

static inline int
fuzz_accept(int listener)
{
	int fd = TEMP_FAILURE_RETRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));

	FUZZ_CHECK(fd >= 0);
	return fd;
}

/* All of @length bytes. */
static inline void
fuzz_take(int fd, uint8_t *bytes, size_t length)
{
	size_t have = 0;
	ssize_t n;

	while (have < length) {
		n = TEMP_FAILURE_RETRY(
			recv(fd, bytes + have, length - have, MSG_WAITALL));
		if (n <= 0)
			fprintf(stderr, "%zu bytes of %zu came: %s\n", have, length,
			        n < 0 ? strerror(errno) : "the end");
		FUZZ_CHECK(n > 0);
		have += (size_t)n;
	}
}

#endif
