/*
 * A few blocks that the process has for what a connection needs now and then: to read
 * into while it is in use, for output that gathers while another thread sends, for
 * records that a turn left unread. Such a need comes in any connection, often when the
 * machine is busy, and passes; so the blocks are no connection's own, and malloc() is not
 * asked at such a time. Where all are taken their users do ask it.
 *
 * They are part of the library's data: pages that nobody has written to take no memory.
 */
#ifndef DIST_BASE_RESERVE_H
#define DIST_BASE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* The size of each: some thousand small records. */
#define DIST_RESERVE_BLOCK ((size_t)64 * 1024)

/* Whatever was in it, aligned as malloc()ed memory. Given; NULL: all are taken. */
void *dist_reserve_take(void);

/* Taken. False: it is not one of them, and stays yours, as does NULL. */
bool dist_reserve_give(void *block);

#endif
