#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/locate.h"
#include "idl/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_MS      5000 /* one attempt: look-up, rpcbind, connecting */
#define REGISTER_MS    5000 /* the master calls back meanwhile */
#define BEAT_MIN_MS    500  /* a master's time to answer a heartbeat, at least */
#define LEAVE_MS       1000 /* likewise to answer DEREGISTER */
#define RETRY_FIRST_MS 50
#define BEAT_LEAST_MS  10   /* between two, whatever term a master grants */
#define DUPLICATE_MS   5000 /* between two looks whether we are still one */

/* --- State and sleep ---------------------------------------------------------- */

static void
agent_set_state(struct dist_agent *agent, enum dist_agent_state next)
{
	struct dist_registrar *registrar = agent->registrar;

	dist_lock(&registrar->lock);
	agent->state = next;
	dist_cond_broadcast(&registrar->changed);
	dist_unlock(&registrar->lock);
}

static bool
agent_is_stopping(const struct dist_agent *agent)
{
	return atomic_load(&agent->registrar->stopping);
}

/* Whether the node still wants to be registered after @ms, or was told otherwise. */
static bool
agent_sleep(struct dist_agent *agent, int64_t ms)
{
	struct dist_registrar *registrar = agent->registrar;
	int64_t until_ns = dist_deadline_in_ms(ms);
	bool goes_on, over = false;

	dist_lock(&registrar->lock);
	while ((goes_on = !registrar->leaving && !agent_is_stopping(agent)) && !over)
		over = !dist_cond_wait_until(&registrar->changed, &registrar->lock,
		                             until_ns);
	dist_unlock(&registrar->lock);
	return goes_on;
}

/* The same trouble is told once, not with each attempt. */
static void
agent_log_trouble(struct dist_agent *agent, const char *id, const char *why)
{
	char trouble[sizeof(agent->last_trouble)];

	snprintf(trouble, sizeof(trouble), "%s %s", id, why);
	if (!strcmp(trouble, agent->last_trouble))
		return;
	strcpy(agent->last_trouble, trouble);
	dist_log_warning(id, "master=%s why=\"%s\"", agent->label, why);
}

/* --- The connection to the master --------------------------------------------- */

static void
agent_hang_up(struct dist_agent *agent)
{
	struct dist_registrar *registrar = agent->registrar;
	struct dist_peer *peer;

	if (agent->clnt)
		clnt_destroy(agent->clnt);
	agent->clnt = NULL;
	dist_lock(&registrar->lock);
	peer = DIST_TAKE(agent->peer);
	dist_unlock(&registrar->lock);
	dist_peer_close(peer);
}

/* A CLIENT for the master at @address. */
static enum dist_err
agent_dial(struct dist_agent *agent, const struct dist_sockaddr *address)
{
	struct dist_registrar *registrar = agent->registrar;
	const struct dist_peer_options options = { .name = agent->label,
		                                   .features = DIST_FEATURE_META };
	const struct dist_call_options call = { .timeout_ms = REGISTER_MS,
		                                .max_tries = 1 };
	struct dist_peer *peer;
	bool stopping;
	enum dist_err err;

	err = dist_peer_open(&peer, registrar->runtime, address, &options);
	if (err)
		return err;
	agent->clnt = dist_peer_client(peer, DIST_REGISTRY, DIST_REGISTRY_V1, &call);
	dist_lock(&registrar->lock);
	stopping = agent_is_stopping(agent);
	if (!stopping)
		agent->peer = peer;
	dist_unlock(&registrar->lock);
	if (stopping)
		dist_peer_close(peer);
	if (stopping || !agent->clnt) {
		agent_hang_up(agent);
		return stopping ? dist_error_set_plain(DIST_ECLOSED) : DIST_ENOMEM;
	}
	return DIST_OK;
}

static void
agent_set_deadline(struct dist_agent *agent, int64_t ms)
{
	struct timeval timeout = { ms / 1000, ms % 1000 * 1000 };

	clnt_control(agent->clnt, CLSET_TIMEOUT, (char *)&timeout);
}

/* --- Registering -------------------------------------------------------------- */

static void
agent_tell_address(struct dist_agent *agent, const dist_endpoint *seen_as)
{
	struct dist_sockaddr address;
	char text[DIST_ADDRESS_TEXT_MAX];

	if (dist_uaddr_parse(seen_as->netid, seen_as->uaddr, &address))
		return;
	agent->registrar->on_seen(dist_sockaddr_format(&address, text),
	                          agent->registrar->arg);
}

static void
agent_granted(struct dist_agent *agent, const dist_registered *registered,
              const struct dist_candidate *candidate)
{
	struct dist_registrar *registrar = agent->registrar;
	int64_t third_ms = registered->lease_ms / 3;
	char text[DIST_ADDRESS_TEXT_MAX];

	agent->beat = (dist_heartbeat){ .session = registered->session };
	memcpy(agent->beat.token, registered->token, sizeof(dist_id));
	agent->beat_ms =
		DIST_MAX(BEAT_LEAST_MS, DIST_MIN(registrar->heartbeat_ms, third_ms));
	agent->retry_ms = RETRY_FIRST_MS;
	agent->last_trouble[0] = '\0';
	agent_tell_address(agent, &registered->seen_as);
	dist_log_notice("registered", "master=%s address=%s found=%s lease_ms=%u",
	                agent->label, dist_sockaddr_format(&candidate->address, text),
	                dist_located_name(candidate->how), registered->lease_ms);
	dist_lock(&registrar->lock);
	memcpy(agent->master_id, registered->master, sizeof(dist_id));
	agent->state = DIST_AGENT_HELD;
	dist_cond_broadcast(&registrar->changed);
	dist_unlock(&registrar->lock);
}

static void
agent_refused(struct dist_agent *agent, const char *reason)
{
	struct dist_registrar *registrar = agent->registrar;

	agent_log_trouble(agent, "registration-refused", reason);
	dist_lock(&registrar->lock);
	snprintf(agent->refusal, sizeof(agent->refusal), "%s", reason);
	agent->state = DIST_AGENT_REFUSED;
	dist_cond_broadcast(&registrar->changed);
	dist_unlock(&registrar->lock);
}

/* What came of an attempt. */
enum attempt {
	ATTEMPT_HELD,
	ATTEMPT_REFUSED, /* by a master: no need to look for one elsewhere */
	ATTEMPT_FAILED,  /* dist_error_text() says why */
};

static enum attempt
agent_register_at(struct dist_agent *agent, const struct dist_candidate *candidate)
{
	dist_registered registered = { .status = DIST_REGISTRY_OK };
	enum attempt attempt;

	if (agent_dial(agent, &candidate->address))
		return ATTEMPT_FAILED;
	agent_set_deadline(agent, REGISTER_MS);
	if (dist_register_1(agent->registrar->self->as, &registered, agent->clnt) !=
	    RPC_SUCCESS) {
		agent_hang_up(agent);
		return ATTEMPT_FAILED;
	}
	if (registered.status == DIST_REGISTRY_OK) {
		agent_granted(agent, &registered, candidate);
		attempt = ATTEMPT_HELD;
	} else {
		agent_refused(agent, registered.reason);
		agent_hang_up(agent);
		attempt = ATTEMPT_REFUSED;
	}
	xdr_free((xdrproc_t)xdr_dist_registered, &registered);
	return attempt;
}

/* At the first place where a master answers. False: not registered. */
static bool
agent_register(struct dist_agent *agent)
{
	struct dist_candidates candidates = { .n = 0 };
	enum attempt attempt = ATTEMPT_FAILED;
	char why[256];
	enum dist_err err;

	err = dist_locate_master(&agent->master, dist_deadline_in_ms(SEARCH_MS),
	                         &agent->registrar->stopping, &candidates);
	for (unsigned i = 0; !err && i < candidates.n && attempt == ATTEMPT_FAILED; i++)
		attempt = agent_register_at(agent, &candidates.list[i]);
	if (attempt == ATTEMPT_HELD)
		return true;
	if (attempt == ATTEMPT_FAILED && !agent_is_stopping(agent)) {
		snprintf(why, sizeof(why), "%.120s%s%.120s", candidates.rpcbind_said,
		         candidates.rpcbind_said[0] ? "; " : "", dist_error_text());
		agent_log_trouble(agent, "master-unreachable", why);
		agent_set_state(agent, DIST_AGENT_SEARCHING);
	}
	return false;
}

/* --- Holding it --------------------------------------------------------------- */

/*
 * Two names may be one master's. Only one agent registers there, or each would end the
 * other's session for ever: the one that stands first in the list.
 */
static bool
agent_is_duplicate(struct dist_agent *agent)
{
	struct dist_registrar *registrar = agent->registrar;
	bool duplicate = false;

	dist_lock(&registrar->lock);
	for (struct dist_agent *other = registrar->agents; other < agent; other++)
		duplicate |=
			other->state == DIST_AGENT_HELD &&
			!memcmp(other->master_id, agent->master_id, sizeof(dist_id));
	dist_unlock(&registrar->lock);
	return duplicate;
}

static void
agent_add_load(struct dist_agent *agent)
{
	struct dist_server_load load;

	dist_server_load(agent->registrar->server, &load);
	agent->beat.in_flight = load.running + load.deferred;
	agent->beat.queued = load.queued;
}

/* False: the registration is lost. */
static bool
agent_beat(struct dist_agent *agent)
{
	dist_registry_status status = DIST_REGISTRY_OK;

	agent_add_load(agent);
	agent_set_deadline(agent, DIST_MAX(agent->beat_ms, BEAT_MIN_MS));
	if (dist_heartbeat_1(agent->beat, &status, agent->clnt) != RPC_SUCCESS) {
		/* Too busy is alive: the lease lasts for two more beats. */
		if (dist_error_last() == DIST_EBUSY)
			return true;
		if (!agent_is_stopping(agent))
			agent_log_trouble(agent, "master-lost", dist_error_text());
		return false;
	}
	switch (status) {
	case DIST_REGISTRY_OK:
		return true;
	case DIST_REGISTRY_DRAIN:
		agent->registrar->on_drain(agent->registrar->arg);
		return true;
	default:
		dist_log_notice("session-unknown", "master=%s", agent->label);
		return false;
	}
}

/* Whether it may beat: not while an earlier agent has the same master. */
static bool
agent_is_the_one(struct dist_agent *agent)
{
	while (agent_is_duplicate(agent)) {
		if (!agent_sleep(agent, DUPLICATE_MS))
			return false;
	}
	return true;
}

/*
 * The look at who else is there comes before each beat: this registration may have
 * ended the other agent's session, whose new one has ended ours. A beat would find that
 * out, and both would register anew for ever.
 */
static void
agent_hold(struct dist_agent *agent)
{
	while (agent_is_the_one(agent) && agent_sleep(agent, agent->beat_ms) &&
	       agent_is_the_one(agent)) {
		if (!agent_beat(agent))
			return;
	}
}

static void
agent_leave(struct dist_agent *agent)
{
	dist_registry_status status = DIST_REGISTRY_OK;

	agent_set_deadline(agent, LEAVE_MS);
	if (dist_deregister_1(agent->beat, &status, agent->clnt) != RPC_SUCCESS)
		dist_log_info("deregister-failed", "master=%s why=\"%s\"", agent->label,
		              dist_error_text());
	else
		dist_log_info("deregistered", "master=%s", agent->label);
}

/* --- The thread --------------------------------------------------------------- */

/* Longer each time, at most a heartbeat; jittered, since many nodes lose one master. */
static int64_t
agent_next_delay(struct dist_agent *agent)
{
	int64_t cap_ms = DIST_MIN(agent->retry_ms, agent->registrar->heartbeat_ms);

	agent->retry_ms = DIST_MIN(agent->retry_ms * 2, agent->registrar->heartbeat_ms);
	return cap_ms / 2 + (int64_t)rand_r(&agent->seed) % (cap_ms / 2 + 1);
}

void *
dist_agent_run(void *arg)
{
	struct dist_agent *agent = arg;
	bool goes_on = true;

	agent->retry_ms = RETRY_FIRST_MS;
	while (goes_on) {
		if (!agent_register(agent)) {
			goes_on = agent_sleep(agent, agent_next_delay(agent));
			continue;
		}
		agent_hold(agent);
		goes_on = agent_sleep(agent, 0);
		if (!goes_on && !agent_is_stopping(agent))
			agent_leave(agent);
		agent_hang_up(agent);
		agent_set_state(agent, DIST_AGENT_SEARCHING);
	}
	agent_set_state(agent, DIST_AGENT_LEFT);
	return NULL;
}
