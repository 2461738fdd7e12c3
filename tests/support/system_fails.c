/* Or some of these are functions of headers' own. */
#undef _FORTIFY_SOURCE

#include "support/system_fails.h"

#include "support/refusal.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define BY_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BY_THREAD_SANITIZER 1
#endif
#endif

static struct refusal refusal;
static enum system_call failing;
static int failing_why;

#ifndef BY_THREAD_SANITIZER

static bool
fails(enum system_call call)
{
	if (call != failing || !refusal_is_next(&refusal))
		return false;
	errno = failing_why;
	return true;
}

/* --- In the place of the C library's, past which they are made ---------------------- */

int
socket(int domain, int type, int protocol)
{
	return fails(SYSTEM_SOCKET) ? -1
	                            : (int)syscall(SYS_socket, domain, type, protocol);
}

int
connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
	return fails(SYSTEM_CONNECT) ? -1
	                             : (int)syscall(SYS_connect, fd, address.__sockaddr__,
	                                            length);
}

int
accept4(int fd, __SOCKADDR_ARG address, socklen_t *length, int flags)
{
	return fails(SYSTEM_ACCEPT)
	               ? -1
	               : (int)syscall(SYS_accept4, fd, address.__sockaddr__, length, flags);
}

ssize_t
send(int fd, const void *data, size_t length, int flags)
{
	return fails(SYSTEM_SEND) ? -1
	                          : syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	return fails(SYSTEM_SEND) ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t
recv(int fd, void *data, size_t length, int flags)
{
	return fails(SYSTEM_RECV)
	               ? -1
	               : syscall(SYS_recvfrom, fd, data, length, flags, NULL, NULL);
}

int
eventfd(unsigned count, int flags)
{
	return fails(SYSTEM_EVENTFD) ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

int
epoll_create1(int flags)
{
	return fails(SYSTEM_EPOLL_CREATE) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int
epoll_ctl(int fd, int operation, int watched, struct epoll_event *event)
{
	if (operation == EPOLL_CTL_ADD && fails(SYSTEM_EPOLL_ADD))
		return -1;
	return (int)syscall(SYS_epoll_ctl, fd, operation, watched, event);
}

ssize_t
getrandom(void *bytes, size_t length, unsigned flags)
{
	return fails(SYSTEM_GETRANDOM) ? -1
	                               : syscall(SYS_getrandom, bytes, length, flags);
}

#endif

/* --- Failing ------------------------------------------------------------------------ */

bool
system_fails_works(void)
{
#ifdef BY_THREAD_SANITIZER
	return false;
#else
	return true;
#endif
}

void
system_fails_begin(enum system_call call, int why, unsigned long first, unsigned long n)
{
	failing = call;
	failing_why = why;
	refusal_begin(&refusal, first, n);
}

unsigned long
system_fails_failed(void)
{
	return refusal_count(&refusal);
}

unsigned long
system_fails_end(void)
{
	return refusal_end(&refusal);
}

void
system_fails_show(void)
{
	refusal_show(&refusal);
}
