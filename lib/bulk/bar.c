/*
 * The bar of a map on a terminal (dist_map_bar). It remembers nothing but whether it is
 * on its line: each time it looks how wide the terminal is, and draws the line anew.
 *
 * What does not fit is left out, each part as a whole: nodes, those that are gone first,
 * then the bar itself, then the counts from the right.
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

/* Names are a peer's, and must not steer the terminal: control characters, those of two
 * bytes too, are none. */
static void
clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
		else if (*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

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
	clean(piece);
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

/* "left" and "in all" with their time; "" where it is not known how many there are. */
static void
when_print(char *text, size_t size, const struct dist_map_progress *progress)
{
	char time[32];

	*text = '\0';
	if (progress->over) {
		time_print(time, sizeof(time), progress->elapsed_ms);
		snprintf(text, size, "  %s in all", time);
	} else if (progress->n_items && progress->left_ms >= 0) {
		time_print(time, sizeof(time), progress->left_ms);
		snprintf(text, size, "  %s left", time);
	} else if (progress->n_items) {
		snprintf(text, size, "  -:-- left");
	}
}

/* False: not all of them fit. */
static bool
counts_add(struct line *line, const struct dist_map_progress *progress)
{
	char when[48];
	bool fit;

	when_print(when, sizeof(when), progress);
	fit = progress->n_items ? line_add(line, "%" PRIu64 "/%" PRIu64,
	                                   progress->n_done, progress->n_items)
	                        : line_add(line, "%" PRIu64, progress->n_done);
	return fit &&
	       line_add(line, "  %.*f/s", progress->rate < 10 ? 1 : 0,
	                progress->rate) &&
	       line_add(line, "%s", when) &&
	       (progress->n_failed == 0 ||
	        line_add(line, "  %" PRIu64 " failed", progress->n_failed));
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

/* Whole, and with room behind it to say how many more there are. */
static bool
node_add(struct line *line, const struct dist_map_node *node, size_t n_more)
{
	size_t width = line->width, room = width - line->length;
	char more[32];
	bool added;

	if (n_more)
		line->width -= DIST_MIN((size_t)snprintf(more, sizeof(more), "  +%zu",
		                                         n_more),
		                        room);
	added = line_add(line, "  %s %" PRIu64 "%s", node->name, node->n_done,
	                 node->gone ? " (gone)" : "");
	line->width = width;
	return added;
}

/* As many as there is room for, in their order; how many are left out. */
static size_t
nodes_add(struct line *line, const struct dist_map_progress *progress)
{
	size_t n_left = progress->n_nodes;

	for (int gone = 0; gone < 2; gone++) {
		for (size_t i = 0; i < progress->n_nodes; i++) {
			if (progress->nodes[i].gone != gone)
				continue;
			if (!node_add(line, &progress->nodes[i], n_left - 1))
				return n_left;
			n_left--;
		}
	}
	return 0;
}

void
dist_map_bar(const struct dist_map_progress *progress, void *arg)
{
	struct line line = { .length = 0 }, counts = { .width = WIDTH_MAX };
	const char *label = arg;
	size_t n_left;

	if (!stderr_is_terminal())
		return;
	line.width = terminal_width();
	if (label)
		line_add(&line, "%s ", label);
	(void)counts_add(&counts, progress);
	/* Half of what the bar could take goes to the nodes. */
	bar_print(&line, progress, counts.length + (line.width - line.length) / 4);
	n_left = counts_add(&line, progress) ? nodes_add(&line, progress) : 0;
	if (n_left)
		line_add(&line, "  +%zu", n_left);
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
