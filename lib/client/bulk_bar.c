/*
 * The bar of a map on a terminal (dist_map_bar). It remembers nothing but whether it is
 * on its line: each time it looks how wide the terminal is, and draws the line anew.
 *
 * What does not fit is left out from the right: nodes, then the bar itself.
 */
#include <dist/map.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MAX     400
#define BAR_MIN       8
#define BAR_MAX       40

/* To the line's start, and all on it away. */
#define LINE_CLEAR "\r\033[K"

static atomic_bool on_screen;

struct line {
	char text[WIDTH_MAX + 1];
	size_t length, width;
};

/* False: it does not fit, and nothing was added. */
static bool line_add(struct line *line, const char *format, ...) DIST_PRINTF(2, 3);

static bool
line_add(struct line *line, const char *format, ...)
{
	size_t left = line->width - line->length;
	char piece[WIDTH_MAX + 1];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	if (length < 0 || (size_t)length > left || (size_t)length >= sizeof(piece))
		return false;
	memcpy(line->text + line->length, piece, (size_t)length + 1);
	line->length += (size_t)length;
	return true;
}

/* One that can take back what was written on its line, and whose user wants that. */
static bool
stderr_is_terminal(void)
{
	const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0 &&
	       !(plain && *plain);
}

/* One column is left free: a full line would move on to the next. */
static size_t
terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
		return WIDTH_DEFAULT - 1;
	return DIST_MIN(size.ws_col, WIDTH_MAX) - 1;
}

/* "0:05", "12:34:56". */
static void
time_print(char *text, size_t size, int64_t ms)
{
	int64_t seconds = (ms + 999) / 1000;

	if (seconds < 3600)
		snprintf(text, size, "%" PRId64 ":%02" PRId64, seconds / 60,
		         seconds % 60);
	else
		snprintf(text, size, "%" PRId64 ":%02" PRId64 ":%02" PRId64,
		         seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static void
counts_print(char *text, size_t size, const struct dist_map_progress *progress)
{
	char time[32], failed[40] = "";
	const char *when = progress->over ? "in all" : "left";

	if (progress->over || progress->left_ms >= 0)
		time_print(time, sizeof(time),
		           progress->over ? progress->elapsed_ms : progress->left_ms);
	else
		snprintf(time, sizeof(time), "-:--");
	if (progress->n_failed)
		snprintf(failed, sizeof(failed), "  %" PRIu64 " failed",
		         progress->n_failed);
	if (progress->n_items)
		snprintf(text, size, "%" PRIu64 "/%" PRIu64 "  %.*f/s  %s %s%s",
		         progress->n_done, progress->n_items,
		         progress->rate < 10 ? 1 : 0, progress->rate, time, when,
		         failed);
	else
		snprintf(text, size, "%" PRIu64 "  %.*f/s  %s%s%s", progress->n_done,
		         progress->rate < 10 ? 1 : 0, progress->rate,
		         progress->over ? time : "", progress->over ? " in all" : "",
		         failed);
}

/* Only where it is known how many there are, and there is room for it. */
static void
bar_print(struct line *line, const struct dist_map_progress *progress, size_t n_after)
{
	uint64_t done = DIST_MIN(progress->n_done, progress->n_items);
	size_t room = line->width - line->length;
	char bar[BAR_MAX + 1];
	double part;
	size_t length;

	if (progress->n_items == 0)
		return;
	part = (double)done / (double)progress->n_items;
	line_add(line, "%3d %% ", (int)(part * 100));
	room = line->width - line->length;
	if (room < n_after + BAR_MIN + 3)
		return;
	length = DIST_MIN(room - n_after - 3, BAR_MAX);
	memset(bar, ' ', length);
	memset(bar, '#', (size_t)(part * (double)length));
	bar[length] = '\0';
	line_add(line, "[%s] ", bar);
}

/* As many as there is room for; those that are gone have a mark. */
static void
nodes_print(struct line *line, const struct dist_map_progress *progress)
{
	size_t n_left = progress->n_nodes;

	for (size_t i = 0; i < progress->n_nodes; i++, n_left--) {
		const struct dist_map_node *node = &progress->nodes[i];

		if (!line_add(line, "  %s %" PRIu64 "%s", node->name, node->n_done,
		              node->gone ? " (gone)" : ""))
			break;
	}
	if (n_left)
		line_add(line, "  +%zu", n_left);
}

void
dist_map_bar(const struct dist_map_progress *progress, void *arg)
{
	struct line line = { .length = 0 };
	const char *label = arg;
	char counts[160];

	if (!stderr_is_terminal())
		return;
	line.width = terminal_width();
	if (label)
		line_add(&line, "%s ", label);
	counts_print(counts, sizeof(counts), progress);
	/* Half of what the bar could take goes to the nodes. */
	bar_print(&line, progress, strlen(counts) + (line.width - line.length) / 4);
	if (!line_add(&line, "%s", counts))
		line_add(&line, "%.*s", (int)(line.width - line.length), counts);
	nodes_print(&line, progress);
	fprintf(stderr, LINE_CLEAR "%s%s", line.text, progress->over ? "\n" : "");
	fflush(stderr);
	atomic_store(&on_screen, !progress->over);
}

void
dist_map_bar_hide(void)
{
	if (!atomic_exchange(&on_screen, false))
		return;
	fputs(LINE_CLEAR, stderr);
	fflush(stderr);
}
