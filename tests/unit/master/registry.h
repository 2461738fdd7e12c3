/*
 * A master on a free port of loopback, a caller of its registry, and nodes made by
 * hand: a server that answers PING, registered by this test's own calls.
 */
#ifndef UNIT_MASTER_REGISTRY_H
#define UNIT_MASTER_REGISTRY_H

#include "support/check.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "client/peer.h"
#include "client/runtime.h"
#include "idl/registry.h"
#include "server/server.h"

#include <dist/master.h>
#include <dist/waiter.h>

/* Longer than anything here takes. */
#define PATIENCE_MS 20000

/* A service of which only its number matters. */
extern const struct dist_service hollow_service;

struct registry {
	struct dist_master *master;
	struct dist_runtime *runtime;
	struct dist_peer *peer; /* for all but registrations */
	CLIENT *clnt;
};

/* A registry whose master has @options, listening and rpcbind apart. */
void registry_open(struct registry *registry,
                   const struct dist_master_options *options);
void registry_close(struct registry *registry);

/* Another connection to the same master. */
struct dist_peer *registry_dial(struct registry *registry);

/* The answer of LIST, or of WATCH held for @hold_ms; dist_view_free() it. */
dist_view registry_list(struct registry *registry, bool with_gone);
dist_view registry_watch(struct registry *registry, const dist_view *since,
                         unsigned hold_ms);
void registry_free_view(dist_view *view);

/* Watch until the view has @n live nodes; fails after PATIENCE_MS. */
void registry_await_live(struct registry *registry, unsigned n);

/* A node made by hand. */
struct handmade {
	struct dist_server *server;
	struct dist_peer *peer; /* its own connection to the master */
	CLIENT *clnt;
	dist_registered registered;
	dist_registration as;
	dist_endpoint endpoint;
	char uaddr[DIST_ADDRESS_TEXT_MAX];
	dist_service_entry service;
};

/* Its server listens; it is not registered yet. @number makes instance and name. */
void handmade_open(struct handmade *node, struct registry *registry, unsigned number);
/* REGISTER; what the master said. */
dist_registry_status handmade_register(struct handmade *node);
dist_registry_status handmade_beat(struct handmade *node);
/* As a kill: server and connection are gone at once. */
void handmade_kill(struct handmade *node);
void handmade_close(struct handmade *node);

#endif
