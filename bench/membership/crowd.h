/*
 * A crowd of simulated nodes in one thread: each listens on an address of its own in
 * 127.0.0.0/8, registers over a connection of its own, beats, and answers the master's
 * probes. They serve nothing: who calls a procedure of theirs gets no answer.
 *
 *   (new) --> JOINING --> MEMBER --> (gone)
 *
 *   JOINING  connected, or about to be; REGISTER is sent, its answer awaited
 *   MEMBER   it beats; an answer UNKNOWN sends it back to JOINING
 */
#ifndef MEMBERSHIP_CROWD_H
#define MEMBERSHIP_CROWD_H

#include "base/list.h"
#include "board.h"
#include "wire/uaddr.h"

#include <dist/macros.h>
#include <stdint.h>

struct crowd_options {
	struct dist_sockaddr master;
	struct board board;
	unsigned first; /* the place on the board of its first node */
	unsigned n_max; /* nodes it may ever have */
	unsigned heartbeat_ms;
	unsigned port; /* that each listens on, at its own address */
};

struct crowd_counts {
	unsigned long joined, left; /* granted registrations, nodes that ended */
	unsigned long refused;      /* registrations that were not granted */
	unsigned long broken;       /* connections that the master ended */
	unsigned long unknown;      /* heartbeats of sessions that it had forgotten */
	unsigned long beats, answers,
		late; /* late: no answer before the next was due */
	unsigned long probes;
};

struct crowd {
	struct crowd_options options; /* read-only, as is: */
	int64_t started_ns;
	int epoll_fd;

	struct dist_list members; /* in order of joining */
	unsigned n_members;
	unsigned n_joining;
	unsigned n_made;
	struct dist_list dead;
	struct dist_list *due; /* a list for each millisecond of a heartbeat */
	int64_t ticked_ms;     /* beats are sent up to here */
	struct crowd_counts counts;
};

/* A descriptor that epoll watches for the crowd; what is not its own has another kind.
 */
struct crowd_source {
	enum crowd_kind {
		CROWD_LISTENER,
		CROWD_REGISTRATION,
		CROWD_PROBE,
		CROWD_OTHER,
	} kind;
	int fd;
	struct node *node;
};

/* False: no memory or descriptors, and a sentence said so. */
bool crowd_init(struct crowd *crowd, const struct crowd_options *options);

/* One more joins; false: no more can be made, and a sentence said why. */
bool crowd_join(struct crowd *crowd);
/* The oldest member ends without a word: its descriptors are closed. False: there is
 * none. */
bool crowd_leave(struct crowd *crowd);

void crowd_on_event(struct crowd *crowd, struct crowd_source *source, uint32_t events);
/* Send the heartbeats that are due; often. */
void crowd_tick(struct crowd *crowd, int64_t now_ns);
/* After the events of one look at epoll: free the nodes that have ended. */
void crowd_reap(struct crowd *crowd);

#endif
