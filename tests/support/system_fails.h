/*
 * System calls that fail on purpose: a program that has system_fails.c in it has these of
 * the library go through it, and a few of them fail without being made.
 */
#ifndef SUPPORT_SYSTEM_FAILS_H
#define SUPPORT_SYSTEM_FAILS_H

#include <stdbool.h>

enum system_call {
	SYSTEM_SOCKET,
	SYSTEM_CONNECT,
	SYSTEM_ACCEPT,
	SYSTEM_SEND, /* and sendmsg() */
	SYSTEM_RECV,
	SYSTEM_EVENTFD,
	SYSTEM_EPOLL_CREATE,
	SYSTEM_EPOLL_ADD,
	SYSTEM_GETRANDOM,
};

/* False under the thread sanitizer, which learns from these calls what waits for what. */
bool system_fails_works(void);

/* From now on, on all threads together, the @first-th @call fails with @why, and so do
 * those behind it, @n in all. */
void system_fails_begin(enum system_call call, int why, unsigned long first,
                        unsigned long n);

/* How many have failed since. */
unsigned long system_fails_failed(void);

/* None fails any more; how many have. */
unsigned long system_fails_end(void);

/* Who made the first that failed, to stderr. */
void system_fails_show(void);

#endif
