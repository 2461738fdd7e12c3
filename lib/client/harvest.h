/*
 * A harvest: one wait of a thread for whichever of several calls is over first, on
 * whatever connections they are. It sends and reads there itself (harvest.c).
 *
 *	dist_harvest_init(&harvest);
 *	dist_harvest_add(&harvest, conn);           for each connection with such calls
 *	...                                         have it told when one is over
 *	dist_harvest_wait(&harvest, deadline_ns);
 *	...                                         have it told no more
 *	dist_harvest_fini(&harvest);
 *
 * Who tells it (dist_harvest_tell) does so under a lock under which it finds the harvest;
 * it is out of reach, under that lock, before dist_harvest_fini().
 */
#ifndef DIST_CLIENT_HARVEST_H
#define DIST_CLIENT_HARVEST_H

#include <stdatomic.h>

#include "client/conn.h"

/* Connections that one thread reads at once. With more the loop reads all. */
#define DIST_HARVEST_CONNS 16

struct dist_harvest {
	/* Of who tells it, under a lock of theirs. */
	struct dist_list link;
	const void *teller;

	atomic_uint word; /* what it does and was told: harvest.c; a futex */

	/* Its thread's alone. */
	int kick_fd; /* what wakes it from a poll; -1: none yet; set before it polls */
	bool crowded; /* there are more connections than it can have */
	bool changed; /* a connection ended: the calls may be on others now */
	unsigned n_conns, n_held;
	struct dist_conn *conns[DIST_HARVEST_CONNS]; /* each holds a reference */
	bool held[DIST_HARVEST_CONNS];               /* it has the reader role */

	struct dist_parked parked[DIST_HARVEST_CONNS]; /* the connections' */
};

void dist_harvest_init(struct dist_harvest *harvest);
void dist_harvest_fini(struct dist_harvest *harvest);

static inline bool
dist_harvest_has(const struct dist_harvest *harvest, const struct dist_conn *conn)
{
	for (unsigned i = 0; i < harvest->n_conns; i++) {
		if (harvest->conns[i] == conn)
			return true;
	}
	return false;
}

/* One that it has not yet; its reference is taken. False: that is one too many. */
bool dist_harvest_add(struct dist_harvest *harvest, struct dist_conn *conn);

/*
 * Send what is unsent on its connections, and read where nobody else does, until it was
 * told, a connection ended, or @deadline_ns; or sleep while others read all of them.
 */
void dist_harvest_wait(struct dist_harvest *harvest, int64_t deadline_ns);

/*
 * The same without sleeping: receive at most once on each.
 * @left_to_loop  the loop is to read from now on, as this thread will sleep elsewhere.
 */
void dist_harvest_look(struct dist_harvest *harvest, bool left_to_loop);

/* What it waits for may be there. */
void dist_harvest_tell(struct dist_harvest *harvest);
bool dist_harvest_told(struct dist_harvest *harvest);

/* It was granted a reader role, or a connection of its has closed. */
void dist_harvest_nudge(struct dist_harvest *harvest);

/* Of this thread, while it is in dist_harvest_wait(); NULL. */
struct dist_harvest *dist_harvest_here(void);

#endif
