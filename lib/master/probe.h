/*
 * A probe calls a node back: PING at the address it is listed under, over a connection
 * of its own. The instance in the answer is checked, because ports are reused.
 */
#ifndef DIST_MASTER_PROBE_H
#define DIST_MASTER_PROBE_H

#include "base/list.h"
#include "base/map.h"
#include "client/peer.h"
#include "client/runtime.h"
#include "idl/node.h"
#include "registry/entry.h"

#include <dist/waiter.h>
#include <stdbool.h>
#include <stdint.h>

/* What a probe is for. */
enum dist_probe_kind {
	DIST_PROBE_ADMIT,  /* the node wants to register */
	DIST_PROBE_CLOSED, /* its registration's connection has ended */
	DIST_PROBE_REPORT, /* a cluster could not reach it */
	DIST_PROBE_TURN,   /* its turn has come */
};

enum dist_verdict {
	DIST_VERDICT_ALIVE,
	DIST_VERDICT_DEAD,    /* nobody listens there, or another process answers */
	DIST_VERDICT_SILENT,  /* no answer in time, or the connection was lost */
	DIST_VERDICT_UNKNOWN, /* it could not be asked: no memory, no descriptor */
};

struct dist_probe {
	/* The maker's. */
	enum dist_probe_kind kind;
	struct dist_entry *entry; /* a reference */
	uint64_t session;         /* 0: not registered yet */
	bool second;              /* it was silent once */
	bool closed_since;        /* its registration's connection ended meanwhile */
	int64_t started_ns;
	struct dist_list link;    /* queued or done */
	struct dist_list running; /* while it runs */
	struct dist_map_link by_session;
	struct dist_deferred *deferred; /* of the registration, kind ADMIT */
	uint64_t origin;

	/* The probe's own. */
	void (*done)(struct dist_probe *probe, void *arg);
	void *arg;
	struct dist_peer *peer;
	CLIENT *clnt;
	struct dist_waiter *waiter;
	dist_ping_result answer;
	enum dist_err err;
	char why[256]; /* for people, unless ALIVE */
};

/*
 * Ask. @done is called once, under no lock: on the runtime's callback thread, or before
 * this returns when it could not be asked; then dist_probe_finish().
 */
void dist_probe_start(struct dist_probe *probe, struct dist_runtime *runtime,
                      int64_t timeout_ms,
                      void (*done)(struct dist_probe *probe, void *arg), void *arg);

/* End it early: it is done soon, and silent. Not after dist_probe_finish(). */
void dist_probe_cancel(struct dist_probe *probe);

/* Close its connection and tell what came of it; probe->why says it for people. Never
 * on the callback thread. */
enum dist_verdict dist_probe_finish(struct dist_probe *probe);

#endif
