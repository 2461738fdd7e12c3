/*
 * One sink for the process. It is replaced rarely and read often, so a read-write lock
 * guards it, and the level, read first, is atomic: a silent library pays one load.
 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"

#define LOG_LINE_MAX 1024

static pthread_rwlock_t sink_lock = PTHREAD_RWLOCK_INITIALIZER;
static dist_log_fn *sink; /* guarded by sink_lock, like sink_arg */
static void *sink_arg;
static atomic_int sink_level = -1; /* nothing is as severe as this */

static const struct {
	const char *name;
	enum dist_log_level level;
} levels[] = {
	{ "error", DIST_LOG_ERROR }, { "warning", DIST_LOG_WARNING },
	{ "notice", DIST_LOG_NOTICE }, { "info", DIST_LOG_INFO },
	{ "debug", DIST_LOG_DEBUG },
};

void
dist_log_set_sink(dist_log_fn *new_sink, void *arg, enum dist_log_level level)
{
	pthread_rwlock_wrlock(&sink_lock);
	sink = new_sink;
	sink_arg = arg;
	atomic_store(&sink_level, new_sink ? (int)level : -1);
	pthread_rwlock_unlock(&sink_lock);
}

void
dist_log_forked(void)
{
	sink_lock = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
}

/* Names and texts of peers are in it: one record stays one line, and moves no cursor. */
static void
text_drop_controls(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

void
dist_log(enum dist_log_level level, const char *id, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	int cancel_state;
	va_list args;

	if ((int)level > atomic_load_explicit(&sink_level, memory_order_relaxed))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_drop_controls(text);

	cancel_state = dist_cancel_off();
	pthread_rwlock_rdlock(&sink_lock);
	if (sink && (int)level <= atomic_load(&sink_level))
		sink(level, id, text, sink_arg);
	pthread_rwlock_unlock(&sink_lock);
	dist_cancel_restore(cancel_state);
}

bool
dist_log_level_parse(const char *name, enum dist_log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret_level = levels[i].level;
			return true;
		}
	}
	return false;
}

static const char *
level_name(enum dist_log_level level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return "?";
}

/* systemd tells in JOURNAL_STREAM which device and inode its journal socket has. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long device, inode;
	struct stat status;

	return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void
dist_log_to_stderr(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	char line[LOG_LINE_MAX + 128], stamp[32];
	struct timespec now;
	struct tm utc;
	int length;

	(void)arg;
	if (stderr_is_journal()) {
		length = snprintf(line, sizeof(line), "<%d>%s %s\n", (int)level, id, text);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &utc);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
		length = snprintf(line, sizeof(line), "%s.%03ldZ %s %s %s\n", stamp,
		                  now.tv_nsec / 1000000, level_name(level), id, text);
	}
	/* One write, so that lines of several threads and processes stay whole. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return; /* a full disk must not end the work that is logged */
}
