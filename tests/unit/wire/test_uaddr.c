#include "wire/uaddr.h"

#include "base/cleanup.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

static struct dist_sockaddr
address_of(const char *host, int port)
{
	struct dist_sockaddr address;

	assert_true(dist_sockaddr_from_numeric(host, port, &address));
	return address;
}

/* --- HOST:PORT ------------------------------------------------------------------- */

static void
test_what_people_write_is_taken_apart(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} good[] = {
		{ "localhost", "localhost", -1 },
		{ "localhost:3000", "localhost", 3000 },
		{ "node-1.example.org:1", "node-1.example.org", 1 },
		{ "my_host:65535", "my_host", 65535 },
		{ "127.0.0.1:0", "127.0.0.1", 0 },
		{ "10.0.0.1", "10.0.0.1", -1 },
		{ "[::1]:3000", "::1", 3000 },
		{ "[::1]", "::1", -1 },
		{ "[fe80::1%lo]:9", "fe80::1%lo", 9 },
		{ "[::ffff:1.2.3.4]:9", "::ffff:1.2.3.4", 9 },
		{ ":3000", "", 3000 },
		{ ":0", "", 0 },
	};
	struct dist_hostport parsed;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(good); i++) {
		assert_ok(dist_hostport_parse(good[i].text, strlen(good[i].text),
		                              &parsed));
		assert_string_equal(parsed.host, good[i].host);
		assert_int_equal(parsed.port, good[i].port);
	}
}

static void
test_what_is_no_address_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "empty" },
		{ "host:", "port" },
		{ "host:x", "port" },
		{ "host:80x", "port" },
		{ "host:-1", "port" },
		{ "host:+1", "port" },
		{ "host: 1", "port" },
		{ "host:65536", "port" },
		{ "host:100000", "port" },
		{ "host:99999999999999999999", "port" },
		{ "::1", "brackets" },
		{ "::1:3000", "brackets" },
		{ "fe80::1", "brackets" },
		{ "a:b:c", "brackets" },
		{ "[::1", "']'" },
		{ "[", "']'" },
		{ "[]", "IPv6" },
		{ "[]:1", "IPv6" },
		{ "[localhost]:1", "IPv6" },
		{ "[127.0.0.1]:1", "IPv6" },
		{ "[fe80::%lo:0]", "IPv6" },
		{ "[fe80::%lo:\n%lo]", "IPv6" },
		{ "[::1]3000", "port" },
		{ "[::1]:", "port" },
		{ "[::1]]:3000", "port" },
		{ "ho st:1", "character" },
		{ "host/1", "character" },
		{ "h\xc3\xb6st:1", "character" },
		{ "*:3000", "character" },
	};
	struct dist_hostport parsed;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(bad); i++) {
		memset(&parsed, 0x55, sizeof(parsed));
		assert_err(
			dist_hostport_parse(bad[i].text, strlen(bad[i].text), &parsed),
			DIST_EADDRESS);
		if (!strstr(dist_error_text(), bad[i].why))
			fail_msg("\"%s\": %s", bad[i].text, dist_error_text());
		assert_non_null(strstr(dist_error_text(), bad[i].text));
		assert_int_equal(parsed.port, 0x55555555);
	}
}

static void
test_a_host_has_its_length(void **state)
{
	char text[DIST_HOST_MAX + 8];
	struct dist_hostport parsed;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_ok(dist_hostport_parse(text, DIST_HOST_MAX - 1, &parsed));
	assert_int_equal(strlen(parsed.host), DIST_HOST_MAX - 1);
	assert_err(dist_hostport_parse(text, DIST_HOST_MAX, &parsed), DIST_EADDRESS);
}

/* @length bounds it, not a NUL. */
static void
test_a_text_ends_where_it_is_said_to(void **state)
{
	struct dist_hostport parsed;

	(void)state;
	assert_ok(dist_hostport_parse("host:12345", 7, &parsed));
	assert_int_equal(parsed.port, 12);
	assert_ok(dist_hostport_parse("host:12345", 4, &parsed));
	assert_int_equal(parsed.port, -1);
	assert_err(dist_hostport_parse("a\0b", 3, &parsed), DIST_EADDRESS);
}

static void
test_a_list_is_taken_apart_at_its_commas(void **state)
{
	struct dist_hostport *list;
	size_t n;

	(void)state;
	assert_ok(dist_hostport_parse_list("one", &list, &n));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].host, "one");
	free(list);
	assert_ok(dist_hostport_parse_list(" one:1 ,\t[::1]:2,three ", &list, &n));
	assert_int_equal(n, 3);
	assert_string_equal(list[0].host, "one");
	assert_int_equal(list[0].port, 1);
	assert_string_equal(list[1].host, "::1");
	assert_string_equal(list[2].host, "three");
	assert_int_equal(list[2].port, -1);
	free(list);
}

static void
test_a_list_with_an_empty_entry_is_refused(void **state)
{
	static const char *const bad[] = { "",   " ",    ",",     "a,",
		                           ",a", "a,,b", "a, ,b", "a,b:" };
	struct dist_hostport *list;
	size_t n;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(bad); i++)
		assert_err(dist_hostport_parse_list(bad[i], &list, &n), DIST_EADDRESS);
}

/* --- Addresses ------------------------------------------------------------------- */

static void
test_addresses_are_written_as_they_are_read(void **state)
{
	static const struct {
		const char *host;
		int port;
		const char *text;
	} rows[] = {
		{ "127.0.0.1", 3000, "127.0.0.1:3000" },
		{ "255.255.255.255", 65535, "255.255.255.255:65535" },
		{ "::1", 3000, "[::1]:3000" },
		{ "::", -1, "[::]:0" },
		{ "2001:db8::1", 1, "[2001:db8::1]:1" },
		{ "fe80::1%lo", 1, "[fe80::1%lo]:1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1,
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1" },
	};
	char text[DIST_ADDRESS_TEXT_MAX];
	struct dist_sockaddr address;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		address = address_of(rows[i].host, rows[i].port);
		assert_string_equal(dist_sockaddr_format(&address, text), rows[i].text);
		assert_string_equal(dist_sockaddr_format_host(&address, text),
		                    rows[i].host);
		assert_int_equal(dist_sockaddr_port(&address),
		                 rows[i].port < 0 ? 0 : rows[i].port);
	}
}

static void
test_a_name_is_no_numeric_address(void **state)
{
	static const char *const names[] = { "",          "localhost",  "1.2.3",
		                             "1",         "0x7f1",      "256.0.0.1",
		                             "1.2.3.4.5", ":",          "1:2",
		                             "::1::2",    "[::1]",      "::1%no-such",
		                             "::g",       "127.0.0.1 ", "12345::" };
	struct dist_sockaddr address;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(names); i++)
		assert_false(dist_sockaddr_from_numeric(names[i], 1, &address));
}

static void
test_an_address_that_is_none_still_has_a_text(void **state)
{
	char text[DIST_ADDRESS_TEXT_MAX];
	struct dist_sockaddr none = { .length = 0 };

	(void)state;
	assert_string_equal(dist_sockaddr_format(&none, text), "?:0");
	assert_false(dist_sockaddr_is_loopback(&none));
	assert_false(dist_sockaddr_is_any(&none));
}

static void
test_loopback_and_any_are_told(void **state)
{
	static const struct {
		const char *host;
		bool loopback, any;
	} rows[] = {
		{ "127.0.0.1", true, false },  { "127.255.0.3", true, false },
		{ "::1", true, false },        { "::ffff:127.0.0.1", true, false },
		{ "0.0.0.0", false, true },    { "::", false, true },
		{ "128.0.0.1", false, false }, { "126.255.255.255", false, false },
		{ "::2", false, false },       { "::ffff:10.0.0.1", false, false },
		{ "1.0.0.127", false, false },
	};
	struct dist_sockaddr address;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		address = address_of(rows[i].host, 1);
		assert_int_equal(dist_sockaddr_is_loopback(&address), rows[i].loopback);
		assert_int_equal(dist_sockaddr_is_any(&address), rows[i].any);
	}
}

static void
test_addresses_are_equal_by_family_host_and_port(void **state)
{
	struct dist_sockaddr v4 = address_of("127.0.0.1", 1);
	struct dist_sockaddr v6 = address_of("::1", 1);
	struct dist_sockaddr other;

	(void)state;
	assert_true(dist_sockaddr_equal(&v4, &v4));
	assert_true(dist_sockaddr_equal(&v6, &v6));
	assert_false(dist_sockaddr_equal(&v4, &v6));
	other = v4;
	dist_sockaddr_set_port(&other, 2);
	assert_false(dist_sockaddr_equal(&v4, &other));
	other = v6;
	dist_sockaddr_set_port(&other, 2);
	assert_false(dist_sockaddr_equal(&v6, &other));
	other = address_of("127.0.0.2", 1);
	assert_false(dist_sockaddr_equal(&v4, &other));
	other = address_of("::2", 1);
	assert_false(dist_sockaddr_equal(&v6, &other));
}

static void
test_ipv4_in_ipv6_becomes_ipv4(void **state)
{
	struct dist_sockaddr mapped = address_of("::ffff:1.2.3.4", 80);
	struct dist_sockaddr plain = address_of("1.2.3.4", 80);
	struct dist_sockaddr v6 = address_of("::1.2.3.4", 80), same = v6;

	(void)state;
	dist_sockaddr_unmap(&mapped);
	assert_true(dist_sockaddr_equal(&mapped, &plain));
	assert_int_equal(mapped.length, plain.length);
	dist_sockaddr_unmap(&same);
	assert_true(dist_sockaddr_equal(&same, &v6));
	dist_sockaddr_unmap(&plain);
	assert_true(dist_sockaddr_equal(&mapped, &plain));
}

/* --- Universal addresses (RFC 5665) ---------------------------------------------- */

static void
test_universal_addresses_go_both_ways(void **state)
{
	static const struct {
		const char *host;
		int port;
		const char *netid, *uaddr;
	} rows[] = {
		{ "127.0.0.1", 3000, "tcp", "127.0.0.1.11.184" },
		{ "10.1.3.7", 527, "tcp", "10.1.3.7.2.15" },
		{ "0.0.0.0", 0, "tcp", "0.0.0.0.0.0" },
		{ "255.255.255.255", 65535, "tcp", "255.255.255.255.255.255" },
		{ "::1", 3000, "tcp6", "::1.11.184" },
		{ "::", 111, "tcp6", "::.0.111" },
		{ "2001:db8::7", 255, "tcp6", "2001:db8::7.0.255" },
		{ "::ffff:1.2.3.4", 256, "tcp6", "::ffff:1.2.3.4.1.0" },
	};
	struct dist_sockaddr address, back;
	char uaddr[DIST_ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		address = address_of(rows[i].host, rows[i].port);
		assert_string_equal(dist_sockaddr_netid(&address), rows[i].netid);
		assert_string_equal(dist_uaddr_format(&address, uaddr), rows[i].uaddr);
		assert_ok(dist_uaddr_parse(rows[i].netid, rows[i].uaddr, &back));
		assert_true(dist_sockaddr_equal(&address, &back));
	}
}

static void
test_what_is_no_universal_address_is_refused(void **state)
{
	static const struct {
		const char *netid, *uaddr;
	} bad[] = {
		{ "udp", "127.0.0.1.11.184" },
		{ "", "127.0.0.1.11.184" },
		{ "tcp4", "127.0.0.1.1.1" },
		{ "tcp", "" },
		{ "tcp", "." },
		{ "tcp", ".." },
		{ "tcp", "127.0.0.1" },
		{ "tcp", "127.0.0.1.11" },
		{ "tcp", "127.0.0.1.11." },
		{ "tcp", "127.0.0.1..11" },
		{ "tcp", "127.0.0.1.256.1" },
		{ "tcp", "127.0.0.1.1.256" },
		{ "tcp", "127.0.0.1.-1.1" },
		{ "tcp", "127.0.0.1.1.0001" },
		{ "tcp", "127.0.0.1.1.1 " },
		{ "tcp", " 127.0.0.1.1.1" },
		{ "tcp", "localhost.1.1" },
		{ "tcp", "::1.1.1" },
		{ "tcp6", "127.0.0.1.1.1" },
		{ "tcp6", "::1" },
		{ "tcp6", "[::1].1.1" },
		{ "tcp6", ".1.1" },
		{ "tcp6", "1.1" },
		{ "tcp", "1.1" },
		{ "tcp6", "::1.1.x" },
	};
	char long_one[300];
	struct dist_sockaddr address;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(bad); i++)
		assert_err(dist_uaddr_parse(bad[i].netid, bad[i].uaddr, &address),
		           DIST_EADDRESS);
	memset(long_one, '1', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	assert_err(dist_uaddr_parse("tcp", long_one, &address), DIST_EADDRESS);
	assert_err(dist_uaddr_parse(long_one, "127.0.0.1.1.1", &address),
	           DIST_EADDRESS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_people_write_is_taken_apart),
	cmocka_unit_test(test_what_is_no_address_is_refused_with_its_reason),
	cmocka_unit_test(test_a_host_has_its_length),
	cmocka_unit_test(test_a_text_ends_where_it_is_said_to),
	cmocka_unit_test(test_a_list_is_taken_apart_at_its_commas),
	cmocka_unit_test(test_a_list_with_an_empty_entry_is_refused),
	cmocka_unit_test(test_addresses_are_written_as_they_are_read),
	cmocka_unit_test(test_a_name_is_no_numeric_address),
	cmocka_unit_test(test_an_address_that_is_none_still_has_a_text),
	cmocka_unit_test(test_loopback_and_any_are_told),
	cmocka_unit_test(test_addresses_are_equal_by_family_host_and_port),
	cmocka_unit_test(test_ipv4_in_ipv6_becomes_ipv4),
	cmocka_unit_test(test_universal_addresses_go_both_ways),
	cmocka_unit_test(test_what_is_no_universal_address_is_refused),
};

CHECK_MAIN(tests)
