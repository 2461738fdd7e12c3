#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
agent_init(struct dist_agent *agent, struct dist_registrar *registrar,
           const struct dist_hostport *master)
{
	bool v6 = strchr(master->host, ':') != NULL;
	int n;

	agent->registrar = registrar;
	agent->master = *master;
	n = snprintf(agent->label, sizeof(agent->label), "%s%s%s", v6 ? "[" : "",
	             master->host[0] ? master->host : "localhost", v6 ? "]" : "");
	if (master->port >= 0)
		snprintf(agent->label + n, sizeof(agent->label) - (size_t)n, ":%d",
		         master->port);
	/* Nodes that lost a master together do not come back together. */
	agent->seed = (unsigned)dist_clock_ns() ^ (unsigned)(uintptr_t)agent;
	for (size_t i = 0; i < sizeof(dist_id); i++)
		agent->seed = agent->seed * 31 +
		              (unsigned char)registrar->self->as.instance[i];
}

enum dist_err
dist_registrar_start(struct dist_registrar *registrar,
                     const struct dist_hostport *masters, size_t n_masters)
{
	enum dist_err err = DIST_OK;

	dist_mutex_init(&registrar->lock, DIST_RANK_AGENT);
	dist_cond_init(&registrar->changed);
	registrar->agents = calloc(n_masters + 1, sizeof(*registrar->agents));
	if (!registrar->agents)
		return dist_error_set_plain(DIST_ENOMEM);
	registrar->n_agents = n_masters;
	for (size_t i = 0; i < n_masters; i++)
		agent_init(&registrar->agents[i], registrar, &masters[i]);
	for (size_t i = 0; !err && i < n_masters; i++) {
		struct dist_agent *agent = &registrar->agents[i];

		err = dist_thread_start(&agent->thread, "dist-agent", dist_agent_run,
		                        agent);
		agent->runs = !err;
	}
	return err;
}

static unsigned
count_locked(const struct dist_registrar *registrar, enum dist_agent_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < registrar->n_agents; i++)
		n += registrar->agents[i].state == state;
	return n;
}

static enum dist_err
refusal_locked(const struct dist_registrar *registrar)
{
	for (size_t i = 0; i < registrar->n_agents; i++) {
		const struct dist_agent *agent = &registrar->agents[i];

		if (agent->state == DIST_AGENT_REFUSED)
			return dist_error_set(DIST_EREFUSED,
			                      "the master at %s refused the node: %s",
			                      agent->label, agent->refusal);
	}
	return DIST_OK;
}

enum dist_err
dist_registrar_wait(struct dist_registrar *registrar, unsigned n_masters,
                    int64_t timeout_ms)
{
	int64_t until_ns = dist_deadline_in_ms(timeout_ms);
	enum dist_err err = DIST_OK;
	unsigned n_held = 0;
	bool over = false;

	if (n_masters > registrar->n_agents)
		return dist_error_set(DIST_EINVAL, "the node has %zu masters, not %u",
		                      registrar->n_agents, n_masters);
	dist_lock(&registrar->lock);
	while (!err &&
	       (n_held = count_locked(registrar, DIST_AGENT_HELD)) < n_masters) {
		if (registrar->n_agents - count_locked(registrar, DIST_AGENT_REFUSED) <
		    n_masters)
			err = refusal_locked(registrar);
		else if (registrar->leaving)
			err = dist_error_set(DIST_ECLOSED, "the node drains");
		else if (over)
			err = dist_error_set(
				DIST_ETIMEDOUT,
				"%u of %u masters hold a registration after "
				"%lld ms",
				n_held, n_masters, (long long)timeout_ms);
		else
			over = !dist_cond_wait_until(&registrar->changed,
			                             &registrar->lock, until_ns);
	}
	dist_unlock(&registrar->lock);
	return err;
}

void
dist_registrar_leave(struct dist_registrar *registrar, int64_t deadline_ns)
{
	bool over = false;

	if (!registrar->n_agents)
		return;
	dist_lock(&registrar->lock);
	registrar->leaving = true;
	dist_cond_broadcast(&registrar->changed);
	while (!over && count_locked(registrar, DIST_AGENT_LEFT) < registrar->n_agents)
		over = !dist_cond_wait_until(&registrar->changed, &registrar->lock,
		                             deadline_ns);
	dist_unlock(&registrar->lock);
}

/* A call that is under way ends when its peer is closed. */
static void
agent_interrupt(struct dist_agent *agent)
{
	struct dist_registrar *registrar = agent->registrar;
	struct dist_peer *peer;

	dist_lock(&registrar->lock);
	peer = DIST_TAKE(agent->peer);
	dist_unlock(&registrar->lock);
	dist_peer_close(peer);
}

void
dist_registrar_stop(struct dist_registrar *registrar)
{
	if (!registrar->agents)
		return;
	dist_lock(&registrar->lock);
	atomic_store(&registrar->stopping, true);
	dist_cond_broadcast(&registrar->changed);
	dist_unlock(&registrar->lock);
	for (size_t i = 0; i < registrar->n_agents; i++)
		agent_interrupt(&registrar->agents[i]);
	for (size_t i = 0; i < registrar->n_agents; i++) {
		if (registrar->agents[i].runs)
			pthread_join(registrar->agents[i].thread, NULL);
	}
	free(registrar->agents);
	registrar->agents = NULL;
	registrar->n_agents = 0;
	dist_mutex_fini(&registrar->lock);
}
