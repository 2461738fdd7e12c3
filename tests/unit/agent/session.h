/*
 * What a program does with the library, step by step, while the system refuses one thing
 * after the other. A step that fails says so, and works when it is tried again; what goes
 * on in the background comes back by itself; and no call runs that was said not to have.
 */
#ifndef UNIT_AGENT_SESSION_H
#define UNIT_AGENT_SESSION_H

#include "unit/server/fixture.h"

/* How something is refused, the @first-th time that it is asked for and a few times more. */
struct session_trouble {
	const char *name;
	unsigned long step; /* from one @first to the next */
	void (*begin)(unsigned long first);
	/* How often it was refused since. */
	unsigned long (*failed)(void);
	/* The same, and it is over. */
	unsigned long (*end)(void);
	/* What was refused, to stderr. */
	void (*show)(void);
};

/* Runs @session with trouble ever later, until it is over before that. */
void session_run_out(const char *what, void (*session)(void *arg), void *arg,
                     const struct session_trouble *of);

/* A master, a node and clusters start, are used, and stop; @arg is not looked at. */
void session_whole(void *arg);

/* A master, a node and a cluster that stay, and calls of each kind there. */
int session_setup(void **state);
int session_teardown(void **state);
void session_calls(void *state);

#endif
