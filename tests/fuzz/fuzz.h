/* What each fuzz target defines, and how it says that something is wrong. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

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

#endif
