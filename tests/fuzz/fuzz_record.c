/*
 * A stream of fragments, received in pieces of any size: the records are those that a
 * reader of the whole stream would see, and errors come at the same record.
 */
#include "wire/record.h"

#include "base/cleanup.h"
#include "fuzz.h"
#include "stream.h"

#define RECORD_MAX   ((size_t)50000)
#define JOINED_SLACK 8
#define BATCH_MAX    8

/* Pseudo-random, from the input alone. */
static uint32_t
roll(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void
compare(struct stream *whole, struct dist_bytes record,
        struct dist_record_reader *reader, bool take)
{
	size_t length = 0;
	bool have = false;
	void *memory = NULL;

	FUZZ_CHECK(stream_next(whole, &length, &have) == DIST_OK && have);
	FUZZ_CHECK(record.length == length);
	if (take)
		FUZZ_CHECK(dist_record_reader_take(reader, record, &memory, &record) ==
		           DIST_OK);
	FUZZ_CHECK(memcmp(record.data, whole->joined, length) == 0);
	free(memory);
}

/*
 * Several records are looked at before the first is taken, and what was taken is freed
 * before the others are read. False after an error, which the whole stream has too.
 */
static bool
drain(struct dist_record_reader *reader, struct stream *whole, uint32_t *seed)
{
	struct dist_bytes batch[BATCH_MAX];
	enum dist_err err = DIST_OK;
	unsigned n, n_most;
	bool have = true;
	size_t length;

	while (have && !err) {
		n_most = 1 + roll(seed) % BATCH_MAX;
		for (n = 0; n < n_most; n++) {
			err = dist_record_reader_next(reader, &batch[n], &have);
			if (err || !have)
				break;
		}
		for (unsigned i = 0; i < n; i++)
			compare(whole, batch[i], reader, roll(seed) % 4 == 0);
	}
	if (err)
		FUZZ_CHECK(stream_next(whole, &length, &have) == err);
	return !err;
}

/* Receives a piece of at most @left bytes; how many it was. */
static size_t
receive(struct dist_record_reader *reader, const uint8_t *data, size_t left,
        uint32_t *seed)
{
	size_t length, most = roll(seed) % 4 ? 1 + roll(seed) % 600 : left;
	uint8_t *space;

	FUZZ_CHECK(dist_record_reader_space(reader, &space, &length) == DIST_OK);
	FUZZ_CHECK(length > 0);
	length = DIST_MIN(length, left);
	length = DIST_MIN(length, most);
	memcpy(space, data, length);
	dist_record_reader_filled(reader, length);
	return length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct stream whole = { data, data + size, RECORD_MAX,
		                malloc(RECORD_MAX + JOINED_SLACK) };
	uint32_t seed = (uint32_t)size;
	uint8_t lent[4096];
	size_t length = 0;
	bool have = false;

	FUZZ_CHECK(whole.joined);
	if (size > 0)
		seed = seed * 256 + data[size - 1];
	dist_record_reader_init(&reader, RECORD_MAX);
	while (size > 0) {
		switch (roll(&seed) % 4) {
		case 0:
			dist_record_reader_lend(&reader, lent, sizeof(lent));
			break;
		case 1:
			dist_record_reader_carry(&reader, lent, sizeof(lent));
			break;
		case 2:
			(void)dist_record_reader_carry_to_reserve(&reader);
			break;
		default:
			break;
		}
		length = receive(&reader, data, size, &seed);
		data += length;
		size -= length;
		if (!drain(&reader, &whole, &seed)) {
			free(whole.joined);
			return 0;
		}
		FUZZ_CHECK(reader.capacity <= 4 * RECORD_MAX + 65536);
		if (roll(&seed) % 2)
			FUZZ_CHECK(dist_record_reader_settle(&reader) == DIST_OK);
	}
	FUZZ_CHECK(stream_next(&whole, &length, &have) == DIST_OK && !have);
	FUZZ_CHECK(dist_record_reader_partial(&reader) == (whole.at < whole.end));
	free(whole.joined);
	return 0;
}
