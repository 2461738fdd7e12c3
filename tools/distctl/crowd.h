/*
 * The same asked of many peers at once, so that those that keep silent cost one wait
 * together and not one each. It is bounded: each peer that is asked takes a connection, and
 * threads of its own.
 */
#ifndef DISTCTL_CROWD_H
#define DISTCTL_CROWD_H

#include <stddef.h>

/*
 * Have @ask called once for each of 0 to @n - 1, begun in this order, from up to @n_threads
 * threads, of which this one is the first: where there are no others it does all itself.
 * Returns when all are over.
 */
void crowd_ask(size_t n, size_t n_threads, void (*ask)(size_t i, void *arg), void *arg);

#endif
