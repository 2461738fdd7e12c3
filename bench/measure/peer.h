/*
 * What the clients of all peers share, so that one definition of each figure holds for
 * all of them. Such a client is run as
 *
 *	client PORT PID[,PID...] N IN_FLIGHT SECONDS
 *
 * and keeps IN_FLIGHT calls at the server on PORT of 127.0.0.1 in flight, each the sum
 * of N integers, for SECONDS after a warm-up of as long, half a second at most. It
 * checks every sum and prints one line:
 *
 *	calls/s  p50 in us  p99 in us  client CPU in us a call  that of the PIDs
 */
#ifndef MEASURE_PEER_H
#define MEASURE_PEER_H

#include "measure/clock.h"
#include "measure/tally.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The clock is read once for up to so many calls that had ended together. */
#define PEER_GROUP 8

struct peer {
	/* Read-only. */
	int port;
	size_t n_ints;
	int32_t *ints; /* of 24 bits: their sum cannot overflow */
	int64_t sum;
	size_t n_in_flight;
	const char *pids;
	int64_t begin_ns, end_ns;
};

/* One thread of it. */
struct peer_thread {
	const struct peer *peer;
	size_t index;
	struct tally tally;
	void (*run)(struct peer_thread *thread);
};

/* Ends the process, with the usage on stderr, if the arguments are none. */
void peer_init(struct peer *peer, int argc, char **argv);

/*
 * Run @run in @n_threads threads, which return once peer->end_ns has passed and their
 * calls have ended; print the line, and free what @peer holds. Returns the exit status.
 */
int peer_run(struct peer *peer, size_t n_threads, void (*run)(struct peer_thread *));

/* A call that began at @began_ns ended at @now_ns with @sum; a wrong one ends the
 * process. */
void peer_end(struct peer_thread *thread, int64_t began_ns, int64_t now_ns,
              int64_t sum);

/* "client: sentence" on stderr, and the end of the process. */
void peer_die(const char *sentence) __attribute__((noreturn));

/* The sum of @n integers, as each server makes it. */
int64_t peer_sum(const int32_t *ints, size_t n);

/* TCP on 127.0.0.1 with TCP_NODELAY. */
int peer_connect(int port);
/* The same, listening; "listening on port N" on stdout. @port 0: any free one. */
int peer_listen(int port);

#ifdef __cplusplus
}
#endif

#endif
