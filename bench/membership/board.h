/*
 * What happened to each simulated node and when, in a file that all processes of a run
 * map: those that simulate nodes write it, those that watch compare with it. Times are
 * CLOCK_MONOTONIC, which is one clock for the whole machine; 0: not yet.
 */
#ifndef MEMBERSHIP_BOARD_H
#define MEMBERSHIP_BOARD_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A node is called by its place on the board. */
#define BOARD_NAME_FORMAT "sim-%06u"
#define BOARD_NAME_SCAN   "name=sim-%u"

struct board_line {
	atomic_int_least64_t answered_ns; /* its registration was granted */
	atomic_int_least64_t closed_ns;   /* it ended */
};

struct board {
	struct board_line *lines;
	unsigned n;
};

/* False: it cannot be mapped, and a sentence said so. The file's size is the board's.
 */
static inline bool
board_open(struct board *board, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	void *lines;

	if (fd < 0 || fstat(fd, &status)) {
		perror(path);
		return false;
	}
	lines = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	             fd, 0);
	close(fd);
	if (lines == MAP_FAILED) {
		perror(path);
		return false;
	}
	board->lines = lines;
	board->n = (unsigned)((size_t)status.st_size / sizeof(*board->lines));
	return true;
}

#endif
