/* Or some of these are functions of headers' own. */
#undef _FORTIFY_SOURCE

#include "support/system_fails.h"

#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
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

#define FRAMES_MAX 24

/* Those that fail are numbered from @first to before @after; counting starts at 1. */
static atomic_ulong n_asked, first_failing, after_failing, n_failed;
static enum system_call failing;
static int failing_why;
static void *frames[FRAMES_MAX];
static int n_frames;

#ifndef BY_THREAD_SANITIZER

static bool
fails(enum system_call call)
{
	unsigned long number, after = atomic_load(&after_failing);

	if (!after || call != failing)
		return false;
	number = atomic_fetch_add(&n_asked, 1) + 1;
	if (number < atomic_load(&first_failing) || number >= after)
		return false;
	if (atomic_fetch_add(&n_failed, 1) == 0)
		n_frames = backtrace(frames, FRAMES_MAX);
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
	void *frame;

	backtrace(&frame, 1); /* what it needs it takes the first time */
	failing = call;
	failing_why = why;
	atomic_store(&n_failed, 0);
	atomic_store(&n_asked, 0);
	atomic_store(&first_failing, first);
	atomic_store(&after_failing, first + n);
}

unsigned long
system_fails_failed(void)
{
	return atomic_load(&n_failed);
}

unsigned long
system_fails_end(void)
{
	atomic_store(&after_failing, 0);
	return atomic_load(&n_failed);
}

void
system_fails_show(void)
{
	if (system_fails_failed())
		backtrace_symbols_fd(frames, n_frames, STDERR_FILENO);
}
