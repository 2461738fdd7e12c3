/*
 * The journal of a process: lines that outlive a kill -9 of it. Each is one write() to
 * a file opened for appending, so lines of several threads never mix.
 */
#ifndef CHAOS_JOURNAL_H
#define CHAOS_JOURNAL_H

#include <dist/macros.h>
#include <stdint.h>

/* Ends the process when it cannot be opened: without a journal nothing is shown. */
void journal_open(const char *path);

/* One line; the newline is added. Ends the process when it cannot be written. */
void journal_write(const char *format, ...) DIST_PRINTF(1, 2);

/* CLOCK_MONOTONIC, which all processes of one machine share. */
int64_t journal_now_ns(void);

#endif
