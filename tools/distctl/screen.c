/*
 * Lines from top to bottom: what this is and its keys, the sums, what is wrong, the nodes,
 * the procedures, who calls. Each table is cut to the room there is, and says what it leaves out.
 */
#include "distctl/screen.h"

#include "distctl/callers.h"
#include "distctl/report.h"
#include "distctl/table.h"
#include "distctl/text.h"
#include "program/options.h"

#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#define COLUMNS_MAX 16
#define HEAD_LINES  3

static struct {
	SCREEN *terminal;
	const char *masters;
} screen;

bool
screen_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

int
screen_begin(const char *masters)
{
	int ignored;

	setlocale(LC_CTYPE, "");
	screen.masters = masters;
	/* Asked first, since newterm() leaves memory behind where it fails. */
	if (setupterm(NULL, STDOUT_FILENO, &ignored) == OK) {
		del_curterm(cur_term);
		screen.terminal = newterm(NULL, stdout, stdin);
	}
	if (!screen.terminal)
		return program_fail("the terminal '%s' (TERM) is not known: set TERM, or "
		                    "let the output go through a pipe",
		                    getenv("TERM"));
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return PROGRAM_DONE;
}

void
screen_end(void)
{
	endwin();
	delscreen(screen.terminal);
	screen.terminal = NULL;
}

/* --- Drawing ----------------------------------------------------------------------- */

/* @text at the begin of @line, as far as the width goes. */
static void
put_line(int line, const char *text, attr_t attribute)
{
	if (line >= LINES || !text)
		return;
	attrset(attribute);
	mvaddnstr(line, 0, text, (int)text_bytes(text, (size_t)COLS));
	attrset(A_NORMAL);
}

static size_t
n_rows(const struct table *table)
{
	return table->n_cells / table->n_columns;
}

/* @table from @line on, in @room lines at most. The next line. */
static int
put_table(const struct table *table, int line, int room)
{
	size_t widths[COLUMNS_MAX], n = n_rows(table);
	/* With its titles, and room for what says that there are more. */
	size_t n_shown = n + 1 > (size_t)room ? (size_t)room - 1 : n + 1;
	char more[64];

	if (room < 2 || table->failed)
		return line;
	table_widths(table, widths);
	for (size_t i = 0; i < n_shown; i++) {
		char *text = table_line(table, i, widths, (size_t)COLS);

		put_line(line++, text, i == 0 ? A_REVERSE : A_NORMAL);
		free(text);
	}
	if (n_shown == n + 1)
		return line;
	snprintf(more, sizeof(more), "... and %zu more", n + 1 - n_shown);
	put_line(line++, more, A_DIM);
	return line;
}

/* Of @room what @table needs, with a line between; no more than half of it. */
static int
share_of(const struct table *table, int room)
{
	int wanted = (int)n_rows(table) + 2;

	return wanted < room / 2 ? wanted : room / 2;
}

/* The nodes have half of the room at least, and what the others do not need; the
 * procedures likewise of what is left. Callers are only told where statistics are. */
static void
put_tables(const struct gathered *gathered)
{
	int room = LINES - HEAD_LINES + 1, line = HEAD_LINES, for_callers = 0;
	struct table nodes, procedures, callers;
	int others;

	report_nodes(&nodes, &gathered->rates);
	report_procedures(&procedures, &gathered->rates);
	callers_table(&callers, &gathered->callers);
	others = share_of(&procedures, room);
	if (n_rows(&callers)) {
		for_callers = share_of(&callers, room / 2);
		others = share_of(&procedures, room - for_callers) + for_callers;
		others = others < room / 2 ? others : room / 2;
	}
	line = put_table(&nodes, line, room - others - 1) + 1;
	line = put_table(&procedures, line, LINES - line - for_callers) + 1;
	if (for_callers)
		put_table(&callers, line, LINES - line);
	table_fini(&nodes);
	table_fini(&procedures);
	table_fini(&callers);
}

static void
put_head(const struct gathered *gathered, enum rates_order order)
{
	char summary[REPORT_SUMMARY_MAX], title[512], *masters, *trouble;

	masters = text_clean(screen.masters);
	snprintf(title, sizeof(title),
	         "distctl top, by %s (c f i l n: calls, failed, in-flight, p99, name; q "
	         "quits)  %s",
	         rates_order_names[order], masters ? masters : "");
	free(masters);
	put_line(0, title, A_BOLD);
	if (!gathered) {
		put_line(1, "asking ...", A_NORMAL);
		return;
	}
	report_summary(gathered, summary);
	put_line(1, summary, A_NORMAL);
	trouble = text_clean(gathered->trouble);
	put_line(2, trouble, A_BOLD);
	free(trouble);
}

void
screen_draw(const struct gathered *gathered, enum rates_order order)
{
	erase();
	put_head(gathered, order);
	if (gathered)
		put_tables(gathered);
	refresh();
}

/* --- Keys -------------------------------------------------------------------------- */

static bool
order_of(int key, enum rates_order *order)
{
	static const char keys[] = "cfiln";
	const char *found = key > 0 && key < 128 ? strchr(keys, key) : NULL;

	if (!found)
		return false;
	*order = (enum rates_order)(found - keys);
	return true;
}

enum screen_key
screen_key(enum rates_order *order)
{
	int key = getch();

	if (key == ERR)
		return SCREEN_KEY_NONE;
	if (key == 'q' || key == 'Q')
		return SCREEN_KEY_QUIT;
	/* What a terminal makes of its lines meanwhile is not known. */
	if (key == KEY_RESIZE)
		clearok(curscr, TRUE);
	return order_of(key, order) ? SCREEN_KEY_ORDER : SCREEN_KEY_DRAW;
}
