#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

struct seen {
	unsigned n_lines;
	enum dist_log_level level;
	char id[64], text[2048];
};

static void
remember(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	struct seen *seen = arg;

	seen->n_lines++;
	seen->level = level;
	snprintf(seen->id, sizeof(seen->id), "%s", id);
	snprintf(seen->text, sizeof(seen->text), "%s", text);
}

static int
silence(void **state)
{
	(void)state;
	dist_log_set_sink(NULL, NULL, DIST_LOG_DEBUG);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static void
test_a_line_reaches_the_sink_with_level_id_and_text(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	dist_log_set_sink(remember, &seen, DIST_LOG_INFO);
	dist_log_warning("lease-expired", "node=%s after_ms=%d", "n1", 3000);
	assert_int_equal(seen.n_lines, 1);
	assert_int_equal(seen.level, DIST_LOG_WARNING);
	assert_string_equal(seen.id, "lease-expired");
	assert_string_equal(seen.text, "node=n1 after_ms=3000");
}

static void
test_lines_below_the_level_are_dropped(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	dist_log_set_sink(remember, &seen, DIST_LOG_WARNING);
	dist_log_notice("a", "x=1");
	dist_log_debug("b", "x=1");
	assert_int_equal(seen.n_lines, 0);
	dist_log_error("c", "x=1");
	assert_int_equal(seen.n_lines, 1);
}

static void
test_no_sink_is_silent(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	dist_log_set_sink(remember, &seen, DIST_LOG_DEBUG);
	dist_log_set_sink(NULL, NULL, DIST_LOG_DEBUG);
	dist_log_error("a", "x=1");
	assert_int_equal(seen.n_lines, 0);
}

static void
test_a_line_that_is_too_long_is_cut(void **state)
{
	struct seen seen = { 0 };
	char text[1500];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	dist_log_set_sink(remember, &seen, DIST_LOG_DEBUG);
	dist_log_info("a", "%s", text);
	assert_in_range(strlen(seen.text), 1000, sizeof(text) - 1);
}

/* A peer's name or text cannot begin a line of its own, nor play with a terminal. */
static void
test_control_characters_do_not_reach_the_sink(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	dist_log_set_sink(remember, &seen, DIST_LOG_DEBUG);
	dist_log(DIST_LOG_INFO, "node-up", "name=\"%s\"", "a\nnode-gone\x1b[2J\x7f\tä");
	assert_string_equal(seen.text, "name=\"a?node-gone?[2J??ä\"");
}

static void
test_level_names_parse(void **state)
{
	static const struct {
		const char *name;
		enum dist_log_level level;
	} rows[] = {
		{ "error", DIST_LOG_ERROR },   { "warning", DIST_LOG_WARNING },
		{ "notice", DIST_LOG_NOTICE }, { "info", DIST_LOG_INFO },
		{ "debug", DIST_LOG_DEBUG },
	};
	enum dist_log_level level = DIST_LOG_ERROR;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(dist_log_level_parse(rows[i].name, &level));
		assert_int_equal(level, rows[i].level);
	}
	level = DIST_LOG_NOTICE;
	assert_false(dist_log_level_parse("loud", &level));
	assert_false(dist_log_level_parse("", &level));
	assert_int_equal(level, DIST_LOG_NOTICE);
}

/* What dist_log_to_stderr() writes, with stderr turned to a pipe meanwhile. */
static void
stderr_line(char *line, size_t size, bool as_journal)
{
	int ends[2], saved = dup(STDERR_FILENO);
	struct stat status;
	char stream[64];
	ssize_t length;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fstat(ends[1], &status), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)status.st_dev,
	         (unsigned long)status.st_ino);
	setenv("JOURNAL_STREAM", as_journal ? stream : "1:1", 1);
	dup2(ends[1], STDERR_FILENO);
	dist_log_to_stderr(DIST_LOG_INFO, "node-up", "name=n1", NULL);
	dup2(saved, STDERR_FILENO);
	length = read(ends[0], line, size - 1);
	assert_true(length > 0);
	line[length] = '\0';
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void
test_stderr_lines_have_time_level_id_and_text(void **state)
{
	char line[256];
	const char *rest;

	(void)state;
	stderr_line(line, sizeof(line), false);
	rest = strchr(line, ' ');
	assert_non_null(rest);
	assert_int_equal(rest - line, strlen("2026-01-31T12:00:00.000Z"));
	assert_int_equal(rest[-1], 'Z');
	assert_string_equal(rest, " info node-up name=n1\n");
}

/* The journal keeps the time itself, and reads the level from <N> (sd-daemon(3)). */
static void
test_under_the_journal_lines_carry_its_level(void **state)
{
	char line[256];

	(void)state;
	stderr_line(line, sizeof(line), true);
	assert_string_equal(line, "<6>node-up name=n1\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_a_line_reaches_the_sink_with_level_id_and_text,
	                          silence),
	cmocka_unit_test_teardown(test_lines_below_the_level_are_dropped, silence),
	cmocka_unit_test_teardown(test_no_sink_is_silent, silence),
	cmocka_unit_test_teardown(test_a_line_that_is_too_long_is_cut, silence),
	cmocka_unit_test_teardown(test_control_characters_do_not_reach_the_sink,
	                          silence),
	cmocka_unit_test(test_level_names_parse),
	cmocka_unit_test_teardown(test_stderr_lines_have_time_level_id_and_text,
	                          silence),
	cmocka_unit_test_teardown(test_under_the_journal_lines_carry_its_level,
	                          silence),
};

CHECK_MAIN(tests)
