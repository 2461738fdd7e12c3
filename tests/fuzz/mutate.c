/*
 * Mutations of inputs that are steps: half of the time libFuzzer's own, over all bytes;
 * else one that leaves every other step whole: the bytes of a step change and its
 * length is made right, or a step is doubled, taken out, moved or made anew, sometimes
 * as a call with a good header.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "steps.h"

#include <string.h>

#define STEPS_MAX 64
#define CALL_MAX  256

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

/* Bytes before the first step. */
#ifndef MUTATE_PREFIX
#define MUTATE_PREFIX 0
#endif

static uint32_t
roll(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

/* Where the steps begin, and the last one's end; how many there are. */
static size_t
steps_find(const uint8_t *data, size_t size, size_t *starts)
{
	size_t at = MUTATE_PREFIX, n = 0;

	while (n < STEPS_MAX && size - at >= STEP_HEADER) {
		size_t length = (size_t)data[at + 2] << 8 | data[at + 3];

		starts[n++] = at;
		at += STEP_HEADER + DIST_MIN(length, size - at - STEP_HEADER);
	}
	starts[n] = at;
	return n;
}

static void
step_set_length(uint8_t *step, size_t length)
{
	step[2] = (uint8_t)(length >> 8);
	step[3] = (uint8_t)length;
}

/* Make room for @wanted bytes in the place of @had at @at, if that fits. */
static bool
splice(uint8_t *data, size_t *size, size_t max_size, size_t at, size_t had,
       size_t wanted)
{
	if (*size - had + wanted > max_size)
		return false;
	memmove(data + at + wanted, data + at + had, *size - at - had);
	*size = *size - had + wanted;
	return true;
}

static void
mutate_bytes(uint8_t *data, size_t *size, size_t max_size, size_t start, size_t end)
{
	static uint8_t bytes[STEP_MAX];
	size_t had = end - start - STEP_HEADER;
	size_t wanted, room = DIST_MIN(max_size - *size + had, sizeof(bytes));

	memcpy(bytes, data + start + STEP_HEADER, had);
	wanted = LLVMFuzzerMutate(bytes, had, room);
	if (!splice(data, size, max_size, start + STEP_HEADER, had, wanted))
		return;
	memcpy(data + start + STEP_HEADER, bytes, wanted);
	step_set_length(data + start, wanted);
}

/* One word somewhere in a step: most of what decides is words. */
static void
mutate_word(uint8_t *data, size_t start, size_t end, uint32_t *seed)
{
	static const uint32_t words[] = {
		0,          1,          2,          3,          4,   8,
		0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc, 400, 401,
		0x2d150001, 0x2d150002, 0x2d150000, 0x20000f0f
	};
	size_t n_words = (end - start - STEP_HEADER) / 4;

	if (n_words == 0)
		return;
	dist_store_be32(data + start + STEP_HEADER + 4 * roll(seed, (uint32_t)n_words),
	                words[roll(seed, DIST_ARRAY_SIZE(words))]);
}

/* A record with a good header, to one of the programs there are. */
static size_t
make_call(uint8_t *step, uint32_t *seed)
{
	static const uint32_t programs[][3] = { { 0x20000f0f, 1, 8 },
		                                { 0x20000f0f, 3, 2 },
		                                { 0x2d150002, 1, 5 },
		                                { 0x2d150000, 1, 8 } };
	const uint32_t *program = programs[roll(seed, DIST_ARRAY_SIZE(programs))];
	bool with_meta = roll(seed, 4) == 0;
	uint32_t words[24] = { roll(seed, 8),          0, 2, program[0], program[1],
		               roll(seed, program[2]), 0, 0, 0,          0 };
	size_t n = 10;

	if (with_meta) {
		words[8] = 0x2d150001;
		words[9] = 8;
		words[n++] = roll(seed, 2) ? 0xffffffff : roll(seed, 3);
		words[n++] = 1 + roll(seed, 3);
	}
	for (uint32_t n_args = roll(seed, 8); n_args > 0; n_args--)
		words[n++] = roll(seed, 4);
	step[0] = STEP_RECORD;
	step[1] = (uint8_t)roll(seed, 3);
	step_set_length(step, 4 * n);
	for (size_t i = 0; i < n; i++)
		dist_store_be32(step + STEP_HEADER + 4 * i, words[i]);
	return STEP_HEADER + 4 * n;
}

static size_t
make_step(uint8_t *step, uint32_t *seed)
{
	size_t length = roll(seed, 9);

	if (roll(seed, 2))
		return make_call(step, seed);
	step[0] = (uint8_t)roll(seed, 16);
	step[1] = (uint8_t)roll(seed, 8);
	step_set_length(step, length);
	for (size_t i = 0; i < length; i++)
		step[STEP_HEADER + i] = (uint8_t)roll(seed, 8);
	return STEP_HEADER + length;
}

static void
insert(uint8_t *data, size_t *size, size_t max_size, size_t at, const uint8_t *step,
       size_t length)
{
	if (splice(data, size, max_size, at, 0, length))
		memcpy(data + at, step, length);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static uint8_t copy[STEP_HEADER + STEP_MAX];
	size_t starts[STEPS_MAX + 1], n, one, other, length;

	if (size < MUTATE_PREFIX || roll(&seed, 2))
		return LLVMFuzzerMutate(data, size, max_size);
	n = steps_find(data, size, starts);
	size = starts[n]; /* less than a step's header, or steps beyond the first ones
	                   */
	other = roll(&seed, (uint32_t)n + 1);
	if (n == 0 || roll(&seed, 4) == 0) {
		length = make_step(copy, &seed);
		insert(data, &size, max_size, starts[other], copy, length);
		return size;
	}
	one = roll(&seed, (uint32_t)n);
	length = starts[one + 1] - starts[one];
	memcpy(copy, data + starts[one], length);
	switch (roll(&seed, 6)) {
	case 0: /* twice */
		insert(data, &size, max_size, starts[other], copy, length);
		break;
	case 1: /* not at all */
		(void)splice(data, &size, max_size, starts[one], length, 0);
		break;
	case 2: /* of another kind, or another's */
		data[starts[one] + roll(&seed, 2)] = (uint8_t)roll(&seed, 16);
		break;
	case 3:
		mutate_word(data, starts[one], starts[one + 1], &seed);
		break;
	default:
		mutate_bytes(data, &size, max_size, starts[one], starts[one + 1]);
		break;
	}
	return size;
}
