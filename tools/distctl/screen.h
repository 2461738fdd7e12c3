/* distctl top in a terminal, by ncurses. */
#ifndef DISTCTL_SCREEN_H
#define DISTCTL_SCREEN_H

#include "distctl/gather.h"

#include <stdbool.h>

/* Whether there is a terminal to draw in; else distctl top prints lines. */
bool screen_is_there(void);

/*
 * From here to screen_end() the terminal is ours, and nothing else may be written there.
 * An exit status, with a sentence on stderr unless it is 0.
 */
int screen_begin(const char *masters);

/* Draw a round, in its order; NULL: there is none yet. What did not change stays. */
void screen_draw(const struct gathered *gathered, enum rates_order order);

enum screen_key {
	SCREEN_KEY_NONE,
	SCREEN_KEY_QUIT,
	SCREEN_KEY_DRAW,  /* the terminal has another size */
	SCREEN_KEY_ORDER, /* *order is another one */
};

/* The next key that was pressed, without waiting. */
enum screen_key screen_key(enum rates_order *order);

/* The terminal is as it was. */
void screen_end(void);

#endif
