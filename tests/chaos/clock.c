/*
 * chaos-clock.so, for LD_PRELOAD: a wall clock that jumps for one process alone.
 *
 * A time namespace does not cover CLOCK_REALTIME, and the machine's own clock is not
 * the test's to set. The file that CHAOS_CLOCK names holds one 64-bit number, the
 * seconds to add; whoever changes the file changes the process's idea of the time at
 * once.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static const volatile int64_t *clock_offset_s;

__attribute__((constructor)) static void
clock_load(void)
{
	const char *path = getenv("CHAOS_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*clock_offset_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		clock_offset_s = page;
}

static int64_t
offset_s(void)
{
	return clock_offset_s ? *clock_offset_s : 0;
}

/* The system's own clock, past the C library's function, which is this one now. */
PUBLIC int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	int status;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	status = next ? next(id, ts) : (int)syscall(SYS_clock_gettime, id, ts);
	if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += offset_s();
	return status;
}

PUBLIC int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	tv->tv_sec = now.tv_sec;
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}

PUBLIC time_t
time(time_t *ret_time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time)
		*ret_time = now.tv_sec;
	return now.tv_sec;
}
