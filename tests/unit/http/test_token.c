/* The token of those who may call. */
#include "support/check.h"

#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct token
token_of(const char *text)
{
	struct token token = { .length = strlen(text) };

	memcpy(token.text, text, token.length);
	return token;
}

static void
test_the_token_alone_is_taken(void **state)
{
	static const struct {
		const char *shown;
		bool taken;
	} rows[] = {
		{ "Bearer abcdefghijklmnop", true },
		{ "bearer abcdefghijklmnop", true },
		{ "BEARER    abcdefghijklmnop", true },
		{ NULL, false },
		{ "", false },
		{ "Bearer", false },
		{ "Bearer ", false },
		{ "abcdefghijklmnop", false },
		{ "Basic abcdefghijklmnop", false },
		{ "Bearerabcdefghijklmnop", false },
		{ "Bearer abcdefghijklmno", false },
		{ "Bearer abcdefghijklmnopq", false },
		{ "Bearer abcdefghijklmnop ", false },
		{ "Bearer bbcdefghijklmnop", false },
		{ "Bearer abcdefghijklmnoP", false },
	};
	struct token token = token_of("abcdefghijklmnop");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(token_is_shown(&token, rows[i].shown), rows[i].taken);
}

/* The longest there is fills its place, and what is longer is compared to its end. */
static void
test_a_token_of_the_greatest_length_is_taken_whole(void **state)
{
	char text[TOKEN_MAX + 1] = { 0 }, shown[TOKEN_MAX + 20];
	struct token token;

	(void)state;
	memset(text, 'x', TOKEN_MAX);
	token = token_of(text);
	snprintf(shown, sizeof(shown), "Bearer %s", text);
	assert_true(token_is_shown(&token, shown));
	snprintf(shown, sizeof(shown), "Bearer %sx", text);
	assert_false(token_is_shown(&token, shown));
	snprintf(shown, sizeof(shown), "Bearer %.*s", TOKEN_MAX - 1, text);
	assert_false(token_is_shown(&token, shown));
}

static const char *
read_text(const char *text, struct token *ret_token)
{
	char path[] = "/tmp/token-XXXXXX";
	const char *why;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	why = token_read(ret_token, path);
	unlink(path);
	return why;
}

static void
test_a_token_is_the_first_line_of_its_file(void **state)
{
	static const char *const good[] = { "abcdefghijklmnop", "abcdefghijklmnop\n",
		                            "abcdefghijklmnop\r\nmore\n" };
	static const char *const bad[] = { "", "\n", "short\n", "with a blank in it\n",
		                           "abcdefghijklmn\top", "\nabcdefghijklmnop\n" };
	struct token token;
	char text[TOKEN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(read_text(good[i], &token));
		assert_true(token_is_shown(&token, "Bearer abcdefghijklmnop"));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(read_text(bad[i], &token));
	memset(text, 'x', sizeof(text));
	text[TOKEN_MAX] = '\0';
	assert_null(read_text(text, &token));
	assert_int_equal(token.length, TOKEN_MAX);
	text[TOKEN_MAX] = 'x';
	text[TOKEN_MAX + 1] = '\0';
	assert_non_null(read_text(text, &token));
	assert_non_null(token_read(&token, "/nowhere/token"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_token_is_the_first_line_of_its_file),
	cmocka_unit_test(test_the_token_alone_is_taken),
	cmocka_unit_test(test_a_token_of_the_greatest_length_is_taken_whole),
};

CHECK_MAIN(tests)
