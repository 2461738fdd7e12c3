/* distctl: what came over the network, as a terminal and JSON may have it. */
#include "support/check.h"

#include "distctl/text.h"

#include <stdlib.h>

static void
assert_cleaned(const char *text, const char *wanted)
{
	char *clean = text_clean(text);

	assert_non_null(clean);
	assert_string_equal(clean, wanted);
	free(clean);
}

static void
test_ordinary_text_stays_as_it_is(void **state)
{
	(void)state;
	assert_cleaned("", "");
	assert_cleaned("node-1.example.net:40417", "node-1.example.net:40417");
	assert_cleaned("K\xc3\xb6ln \xe6\x9d\xb1 \xf0\x9f\x9a\x80",
	               "K\xc3\xb6ln \xe6\x9d\xb1 \xf0\x9f\x9a\x80");
}

/* ESC starts what steers a terminal, and so does U+009B. */
static void
test_control_characters_do_not_come_through(void **state)
{
	(void)state;
	assert_cleaned("a\x1b[2Jb\nc\x7f", "a?[2Jb?c?");
	assert_cleaned("\xc2\x9b"
	               "2J",
	               "??2J");
	assert_cleaned("\xc2\xa0", "\xc2\xa0");
}

static void
test_bytes_that_are_not_utf_8_do_not_come_through(void **state)
{
	(void)state;
	assert_cleaned("\xff\xfe", "??");
	assert_cleaned("\xc3", "?");
	assert_cleaned("\xc0\xaf", "??");           /* overlong */
	assert_cleaned("\xe0\x80\xaf", "???");      /* overlong */
	assert_cleaned("\xed\xa0\x80", "???");      /* a surrogate */
	assert_cleaned("\xf4\x90\x80\x80", "????"); /* beyond U+10FFFF */
	assert_cleaned("\xf0\x9f\x9a", "???");      /* cut short */
}

static void
test_width_counts_characters(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("K\xc3\xb6ln"), 4);
}

static void
test_universal_addresses_become_host_and_port(void **state)
{
	static const struct {
		const char *uaddr, *wanted;
	} rows[] = {
		{ "127.0.0.1.11.184", "127.0.0.1:3000" },
		{ "::1.11.184", "[::1]:3000" },
		{ "fe80::1%eth0.0.80", "[fe80::1%eth0]:80" },
		{ "0.0.0.0.255.255", "0.0.0.0:65535" },
		{ "127.0.0.1.256.1", "127.0.0.1.256.1" },
		{ "127.0.0.1.1.1x", "127.0.0.1.1.1x" },
		{ "nonsense", "nonsense" },
		{ ".1", ".1" },
		{ "", "" },
	};
	char address[TEXT_ADDRESS_MAX];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dist_endpoint endpoint = { .uaddr = (char *)rows[i].uaddr };

		text_address(&endpoint, address);
		assert_string_equal(address, rows[i].wanted);
	}
}

static void
test_ages_read_well(void **state)
{
	static const struct {
		uint64_t age_ms;
		const char *wanted;
	} rows[] = {
		{ 0, "0s" },           { 59999, "59s" },       { 307000, "5m07s" },
		{ 12000000, "3h20m" }, { 792000000, "9d04h" }, { UINT32_MAX, "49d17h" },
	};
	char age[TEXT_AGE_MAX];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_age(rows[i].age_ms, age);
		assert_string_equal(age, rows[i].wanted);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ordinary_text_stays_as_it_is),
	cmocka_unit_test(test_control_characters_do_not_come_through),
	cmocka_unit_test(test_bytes_that_are_not_utf_8_do_not_come_through),
	cmocka_unit_test(test_width_counts_characters),
	cmocka_unit_test(test_universal_addresses_become_host_and_port),
	cmocka_unit_test(test_ages_read_well),
};

CHECK_MAIN(tests)
