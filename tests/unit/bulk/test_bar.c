/* What the bar of a map draws on a terminal of some width, of progress that is made up. */
#include "support/check.h"

#include <dist/map.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR "\r\033[K"

static const struct dist_map_node nodes[] = {
	{ .name = "alpha", .n_done = 411, .gone = true },
	{ .name = "beta", .n_done = 793 },
	{ .name = "gamma", .n_done = 12 },
	{ .name = "delta", .n_done = 3 },
};

static const struct dist_map_progress some = {
	.n_done = 1204,
	.n_items = 2860,
	.rate = 310,
	.elapsed_ms = 4000,
	.left_ms = 5000,
	.nodes = nodes,
	.n_nodes = 4,
};

/* What is drawn on @columns; borrowed until the next time. */
static const char *
drawn(const struct dist_map_progress *progress, char *label, unsigned short columns)
{
	static char text[1024];
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int master, terminal, saved;
	ssize_t length;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal >= 0);
	assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
	dist_map_bar(progress, label);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	length = read(master, text, sizeof(text) - 1);
	assert_true(length > 0);
	text[length] = '\0';
	close(saved);
	close(terminal);
	close(master);
	return text;
}

static void
test_a_wide_line_has_all(void **state)
{
	(void)state;
	assert_string_equal(drawn(&some, "pieces", 150),
	                    CLEAR "pieces  42 % [################                        "
	                          "] 1204/2860  310/s  0:05 left  beta 793  gamma 12  "
	                          "delta 3  alpha 411 (gone)");
}

/* And how many there are besides. */
static void
test_nodes_that_are_gone_make_room_first(void **state)
{
	(void)state;
	assert_string_equal(drawn(&some, NULL, 80),
	                    CLEAR " 42 % [##########              ] 1204/2860  310/s  "
	                          "0:05 left  beta 793  +3");
	assert_string_equal(drawn(&some, NULL, 40),
	                    CLEAR " 42 % 1204/2860  310/s  0:05 left  +4");
}

/* A number that is cut is another number. */
static void
test_what_does_not_fit_is_left_out_as_a_whole(void **state)
{
	(void)state;
	assert_string_equal(drawn(&some, NULL, 34),
	                    CLEAR " 42 % 1204/2860  310/s  0:05 left");
	assert_string_equal(drawn(&some, NULL, 33), CLEAR " 42 % 1204/2860  310/s");
	assert_string_equal(drawn(&some, NULL, 22), CLEAR " 42 % 1204/2860");
	assert_string_equal(drawn(&some, NULL, 15), CLEAR " 42 % ");
	assert_string_equal(drawn(&some, "a long word", 10), CLEAR " 42 % ");
}

static void
test_without_a_number_of_items_there_is_no_bar(void **state)
{
	struct dist_map_progress progress = some;

	(void)state;
	progress.n_items = 0;
	progress.n_nodes = 0;
	progress.n_failed = 7;
	progress.left_ms = -1;
	progress.rate = 3.14;
	assert_string_equal(drawn(&progress, "x", 80), CLEAR "x 1204  3.1/s  7 failed");
	progress.over = true;
	assert_string_equal(drawn(&progress, "x", 80),
	                    CLEAR "x 1204  3.1/s  0:04 in all  7 failed\r\n");
}

static void
test_a_name_steers_no_terminal(void **state)
{
	static const struct dist_map_node node = { .name = "a\033[2J\xc2\x9b", .n_done = 1 };
	struct dist_map_progress progress = some;

	(void)state;
	progress.n_items = 0;
	progress.nodes = &node;
	progress.n_nodes = 1;
	assert_string_equal(drawn(&progress, NULL, 80), CLEAR "1204  310/s  a?[2J?? 1");
}

static int
setup(void **state)
{
	(void)state;
	return setenv("TERM", "xterm", 1) | unsetenv("NO_COLOR");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_a_wide_line_has_all, setup),
	cmocka_unit_test_setup(test_nodes_that_are_gone_make_room_first, setup),
	cmocka_unit_test_setup(test_what_does_not_fit_is_left_out_as_a_whole, setup),
	cmocka_unit_test_setup(test_without_a_number_of_items_there_is_no_bar, setup),
	cmocka_unit_test_setup(test_a_name_steers_no_terminal, setup),
};

CHECK_MAIN(tests)
