/*
 * The value of n in /palindrome?n=N: of the web example's queries what is ours to
 * parse, since libmicrohttpd takes them apart. What parses is one whole number within
 * bounds, and written again is the same digits, but for zeros in front.
 */
#include "numbers.h"

#include "base/cleanup.h"
#include "fuzz.h"

#include <string.h>

static void
check_number(const char *text, int64_t number)
{
	bool negative = *text == '-';
	char again[32];

	text += negative;
	while (text[0] == '0' && text[1])
		text++;
	snprintf(again, sizeof(again), "%lld", (long long)number);
	FUZZ_CHECK(!strcmp(again + (again[0] == '-'), text));
	FUZZ_CHECK((number < 0) == negative || number == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		int64_t min, max;
	} bounds[] = { { 0, 1000000000 }, { INT64_MIN, INT64_MAX }, { -5, 5 } };
	char *text = malloc(size + 1);
	int64_t number;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < DIST_ARRAY_SIZE(bounds); i++) {
		number = 4711;
		if (number_parse(text, bounds[i].min, bounds[i].max, &number)) {
			FUZZ_CHECK(number >= bounds[i].min && number <= bounds[i].max);
			check_number(text, number);
		} else {
			FUZZ_CHECK(number == 4711);
		}
	}
	free(text);
	return 0;
}
