/*
 * An agent keeps its node registered at one master, on a thread of its own: finds the
 * master, registers, beats, and begins anew whenever that fails.
 *
 *   SEARCHING --> HELD --> LEFT
 *       ^  |       |
 *       |  +-> REFUSED      the master said no: tried again all the same
 *       +----------+        the master is gone, or does not know the session
 *
 * HELD: the master has the registration; heartbeats renew it.
 * LEFT: the node drains: the master was told, and the thread is over.
 */
#ifndef DIST_AGENT_AGENT_H
#define DIST_AGENT_AGENT_H

#include "agent/registration.h"
#include "base/error.h"
#include "base/mutex.h"
#include "client/peer.h"
#include "client/runtime.h"
#include "server/server.h"

#include <pthread.h>
#include <stdatomic.h>

enum dist_agent_state {
	DIST_AGENT_SEARCHING,
	DIST_AGENT_REFUSED,
	DIST_AGENT_HELD,
	DIST_AGENT_LEFT,
};

struct dist_agent {
	/* Read-only once its thread runs. */
	struct dist_registrar *registrar;
	struct dist_hostport master;
	char label[DIST_HOST_MAX + 10]; /* "HOST[:PORT]" */
	pthread_t thread;
	bool runs;

	/* Guarded by the registrar's lock. */
	enum dist_agent_state state;
	dist_id master_id;      /* while HELD */
	struct dist_peer *peer; /* whoever takes it out closes it */
	char refusal[256];      /* while REFUSED */

	/* The thread's alone. */
	CLIENT *clnt;
	dist_heartbeat beat; /* session and token */
	int64_t beat_ms;
	int64_t retry_ms;
	unsigned seed;
	char last_trouble[DIST_ERROR_TEXT_MAX + 32]; /* already logged */
};

/* Told when a master orders the node to drain, and how a master sees the node. */
typedef void dist_registrar_drain_fn(void *arg);
typedef void dist_registrar_seen_fn(const char *address, void *arg);

/* All agents of a node. */
struct dist_registrar {
	/* Read-only after start. */
	const struct dist_self *self;
	struct dist_server *server;
	struct dist_runtime *runtime;
	int64_t heartbeat_ms;
	dist_registrar_drain_fn *on_drain;
	dist_registrar_seen_fn *on_seen;
	void *arg;
	struct dist_agent *agents;
	size_t n_agents;

	atomic_bool stopping;   /* give up all that is under way */
	struct dist_mutex lock; /* guards the rest, and what struct dist_agent says */
	struct dist_cond changed; /* an agent's state, or one of these */
	bool leaving;           /* deregister */
};

/*
 * One agent for each of @masters. @registrar's fields up to @arg are set by the caller.
 * DIST_ENOMEM, DIST_ESYSTEM: to be dist_registrar_stop()ped all the same.
 */
enum dist_err dist_registrar_start(struct dist_registrar *registrar,
                                   const struct dist_hostport *masters,
                                   size_t n_masters) DIST_MUST_CHECK;

/* As dist_node_wait_registered(). */
enum dist_err dist_registrar_wait(struct dist_registrar *registrar, unsigned n_masters,
                                  int64_t timeout_ms) DIST_MUST_CHECK;

/* Deregister everywhere, waiting until @deadline_ns for masters that do not answer. */
void dist_registrar_leave(struct dist_registrar *registrar, int64_t deadline_ns);

/* End and join the threads, whatever they do. */
void dist_registrar_stop(struct dist_registrar *registrar);

/* --- Between registrar.c and agent.c ------------------------------------------ */

void *dist_agent_run(void *agent);

#endif
