/*
 * A server that behaves as badly as a network allows: one thread that answers PROBE_ADD
 * and PROBE_MAKE late, out of order, twice, with xids that nobody asked for, in pieces,
 * as busy, or with an error, and ends connections at any byte.
 */
#ifndef CLIENT_HOSTILE_H
#define CLIENT_HOSTILE_H

#include <dist/cluster.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum hostile_manner {
	HOSTILE_RANDOM,
	HOSTILE_GOOD,       /* answers every call, once */
	HOSTILE_BUSY,       /* refuses every call unrun */
	HOSTILE_BUSY_FIRST, /* and this one every other call, the first one first */
	HOSTILE_TWICE,      /* answers with an xid of nobody's first, and then twice */
	HOSTILE_SILENT,     /* takes every call, and answers none */
	HOSTILE_CLOSES,     /* runs every call, and ends the connection instead of answering */
	HOSTILE_HOLDS,      /* keeps every call, for what it does next */
	HOSTILE_LEAVES,     /* runs no call, and says goodbye to those that it holds */
	HOSTILE_FAILS,      /* runs every call, and says SYSTEM_ERR */
	HOSTILE_NO_PROGRAM, /* these three refuse every call unrun, as RFC 5531 has it */
	HOSTILE_NO_PROCEDURE,
	HOSTILE_NO_ARGUMENTS,
};

/* Ids of calls that are counted: the first argument of PROBE_ADD. */
#define HOSTILE_IDS (1u << 22)

struct hostile;

/* Started on a port of its own. @seed of its moods. Given: hostile_stop() it. */
struct hostile *hostile_start(enum hostile_manner manner, uint64_t seed);
void hostile_stop(struct hostile *hostile);
/* From now on. */
void hostile_change(struct hostile *hostile, enum hostile_manner manner);
unsigned hostile_port(const struct hostile *hostile);
/* Calls that came to it so far. */
unsigned hostile_n_taken(const struct hostile *hostile);

/* How often any of them ran the call @id, and forgetting all of that. */
unsigned hostile_runs(uint32_t id);
void hostile_forget_runs(void);

/* Of these alone. Given: dist_cluster_close() it. */
struct dist_cluster *hostile_cluster(struct hostile *const *servers, unsigned n);

/* A number below @n. */
uint32_t hostile_random(uint64_t *seed, uint32_t n);

#endif
