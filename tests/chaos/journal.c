#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_LINE_MAX 1024
#define JOURNAL_FAILED   97

static int journal_fd = -1;

static _Noreturn void
journal_give_up(const char *what)
{
	dprintf(STDERR_FILENO, "journal: %s: %s\n", what, strerror(errno));
	_exit(JOURNAL_FAILED);
}

void
journal_open(const char *path)
{
	journal_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (journal_fd < 0)
		journal_give_up(path);
}

void
journal_write(const char *format, ...)
{
	char line[JOURNAL_LINE_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	if (write(journal_fd, line, (size_t)length) != length)
		journal_give_up("writing a line");
}

int64_t
journal_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
