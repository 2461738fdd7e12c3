/*
 * A clock that runs 64 times slower, for programs in a tool that slows them down.
 * Loaded by LD_PRELOAD, it stands before the C library's functions.
 *
 * Some of what our programs do, they do by the clock: a tick, a heartbeat, the end of a
 * turn. In a tool, or on a busy machine, more of that comes to a call, and a procedure
 * that takes a microsecond looks like a long one and goes another way. With this clock
 * next to none of it happens in a measurement: what is left is what calls cost.
 *
 * It knows CLOCK_MONOTONIC, which is the clock of all our waits, and the waits that our
 * programs have.
 */
#include <dlfcn.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#define FACTOR   64
#define NS_PER_S INT64_C(1000000000)

/* It is slow from here on. */
static int64_t start_ns;

/* The C library's. */
static struct {
	__typeof__(clock_gettime) *clock_gettime;
	__typeof__(clock_nanosleep) *clock_nanosleep;
	__typeof__(epoll_wait) *epoll_wait;
	__typeof__(epoll_pwait2) *epoll_pwait2;
	__typeof__(ppoll) *ppoll;
	__typeof__(poll) *poll;
	long (*syscall)(long number, ...);
} next;

static int64_t
to_ns(const struct timespec *time)
{
	return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static struct timespec
from_ns(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

/* What would be over in a century may as well never be. */
static int64_t
stretch(int64_t ns)
{
	return ns < INT64_MAX / 2 / FACTOR ? ns * FACTOR : INT64_MAX / 2;
}

/* When the C library's clock shows what this one shows at @until. */
static struct timespec
real_time(const struct timespec *until)
{
	return from_ns(start_ns + stretch(to_ns(until) - start_ns));
}

static struct timespec
real_span(const struct timespec *span)
{
	return from_ns(stretch(to_ns(span)));
}

/* Negative: without end. */
static int
real_ms(int ms)
{
	return ms < INT_MAX / FACTOR ? ms * FACTOR : INT_MAX;
}

/* ISO C knows no way from an address to a function. */
static void
find(void *ret_function, const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(ret_function, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void
start(void)
{
	struct timespec now;

	if (start_ns)
		return;
	find(&next.clock_gettime, "clock_gettime");
	find(&next.clock_nanosleep, "clock_nanosleep");
	find(&next.epoll_wait, "epoll_wait");
	find(&next.epoll_pwait2, "epoll_pwait2");
	find(&next.ppoll, "ppoll");
	find(&next.poll, "poll");
	find(&next.syscall, "syscall");
	next.clock_gettime(CLOCK_MONOTONIC, &now);
	start_ns = to_ns(&now);
}

/* --- In their places -------------------------------------------------------------- */

int
clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int status;

	if (!start_ns) /* the constructor of another library asks */
		start();
	status = next.clock_gettime(clock, ret_now);
	if (!status && clock == CLOCK_MONOTONIC)
		*ret_now = from_ns(start_ns + (to_ns(ret_now) - start_ns) / FACTOR);
	return status;
}

int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                struct timespec *ret_left)
{
	struct timespec real;

	if (clock != CLOCK_MONOTONIC || flags != TIMER_ABSTIME)
		return next.clock_nanosleep(clock, flags, time, ret_left);
	real = real_time(time);
	return next.clock_nanosleep(clock, flags, &real, ret_left);
}

int
pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                       const struct timespec *until)
{
	struct timespec real = real_time(until);

	return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &real);
}

/* Our locks and conditions: a futex takes the time at which a wait is over. */
long
syscall(long number, ...)
{
	const struct timespec *until;
	struct timespec real;
	long args[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	until = (const struct timespec *)args[3];
	if (number == SYS_futex && until &&
	    (args[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
		real = real_time(until);
		args[3] = (long)&real;
	}
	return next.syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

int
epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	return next.epoll_wait(fd, events, n, real_ms(ms));
}

int
epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *span,
             const sigset_t *signals)
{
	struct timespec real;

	if (!span)
		return next.epoll_pwait2(fd, events, n, NULL, signals);
	real = real_span(span);
	return next.epoll_pwait2(fd, events, n, &real, signals);
}

int
ppoll(struct pollfd *polled, nfds_t n, const struct timespec *span,
      const sigset_t *signals)
{
	struct timespec real;

	if (!span)
		return next.ppoll(polled, n, NULL, signals);
	real = real_span(span);
	return next.ppoll(polled, n, &real, signals);
}

int
poll(struct pollfd *polled, nfds_t n, int ms)
{
	return next.poll(polled, n, real_ms(ms));
}
