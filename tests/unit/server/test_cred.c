#include "server/cred.h"

#include "support/check.h"

/* stamp 1, "ab", uid 2, gid 3, groups 4 and 5: RFC 5531 appendix A. */
static const uint8_t wire[] = { 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 2,
	                        0, 0, 0, 3, 0, 0, 0, 2, 0,   0,   0, 4, 0, 0, 0, 5 };

static void
test_a_credential_is_read(void **state)
{
	struct dist_cred cred;

	(void)state;
	assert_true(dist_cred_read((struct dist_bytes){ wire, sizeof(wire) }, &cred));
	assert_int_equal(cred.parms.aup_time, 1);
	assert_string_equal(cred.parms.aup_machname, "ab");
	assert_int_equal(cred.parms.aup_uid, 2);
	assert_int_equal(cred.parms.aup_gid, 3);
	assert_int_equal(cred.parms.aup_len, 2);
	assert_int_equal(cred.parms.aup_gids[0], 4);
	assert_int_equal(cred.parms.aup_gids[1], 5);
}

static void
test_one_that_is_cut_or_has_more_is_refused(void **state)
{
	uint8_t more[sizeof(wire) + 4] = { 0 };
	struct dist_cred cred;

	(void)state;
	memcpy(more, wire, sizeof(wire));
	for (size_t length = 0; length < sizeof(more) + 1; length++) {
		if (length != sizeof(wire))
			assert_false(dist_cred_read((struct dist_bytes){ more, length },
			                            &cred));
	}
}

static void
test_lengths_beyond_the_bounds_are_refused(void **state)
{
	uint8_t long_name[400] = { [6] = 1 }, many_groups[400] = { [19] = 17 };
	struct dist_cred cred;

	(void)state;
	assert_false(dist_cred_read((struct dist_bytes){ long_name, 4 + 4 + 256 + 12 },
	                            &cred));
	assert_false(
		dist_cred_read((struct dist_bytes){ many_groups, 20 + 17 * 4 }, &cred));
	/* A length that overflows when it is rounded up. */
	memset(long_name + 4, 0xff, 4);
	assert_false(dist_cred_read((struct dist_bytes){ long_name, 400 }, &cred));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_credential_is_read),
	cmocka_unit_test(test_one_that_is_cut_or_has_more_is_refused),
	cmocka_unit_test(test_lengths_beyond_the_bounds_are_refused),
};

CHECK_MAIN(tests)
