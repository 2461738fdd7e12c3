#include "master/probe.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* On the callback thread: the rest is the master's thread's. */
static void
probe_on_answer(struct dist_waiter *waiter, void *arg)
{
	struct dist_probe *probe = arg;

	(void)waiter;
	probe->done(probe, probe->arg);
}

static enum dist_err
probe_connect(struct dist_probe *probe, struct dist_runtime *runtime,
              int64_t timeout_ms)
{
	const dist_endpoint *endpoint = probe->entry->as.endpoints.endpoints_val;
	const struct dist_peer_options options = {
		.name = probe->entry->address,
		/* The call's own deadline comes first: silence is no refusal. */
		.connect_timeout_ms = 2 * timeout_ms,
	};
	const struct dist_call_options call = { .timeout_ms = timeout_ms,
		                                .max_tries = 1 };
	struct dist_sockaddr address;
	enum dist_err err;

	err = dist_uaddr_parse(endpoint->netid, endpoint->uaddr, &address);
	if (!err)
		err = dist_peer_open(&probe->peer, runtime, &address, &options);
	if (err)
		return err;
	probe->clnt = dist_peer_client(probe->peer, DIST_NODE, DIST_NODE_V1, &call);
	return probe->clnt ? DIST_OK : DIST_ENOMEM;
}

static enum dist_err
probe_ask(struct dist_probe *probe, struct dist_runtime *runtime, int64_t timeout_ms)
{
	enum dist_err err = probe_connect(probe, runtime, timeout_ms);

	if (err)
		return err;
	probe->waiter = dist_go(probe->clnt, dist_node_ping_1, &probe->answer);
	if (!probe->waiter)
		return dist_error_last();
	return dist_waiter_then(probe->waiter, probe_on_answer, probe);
}

void
dist_probe_start(struct dist_probe *probe, struct dist_runtime *runtime,
                 int64_t timeout_ms, void (*done)(struct dist_probe *probe, void *arg),
                 void *arg)
{
	probe->done = done;
	probe->arg = arg;
	probe->err = probe_ask(probe, runtime, timeout_ms);
	if (!probe->err)
		return; /* probe_on_answer() may have run by now */
	snprintf(probe->why, sizeof(probe->why), "%.250s", dist_error_text());
	done(probe, arg);
}

void
dist_probe_cancel(struct dist_probe *probe)
{
	dist_waiter_cancel(probe->waiter);
}

static void
probe_close(struct dist_probe *probe)
{
	dist_waiter_free(probe->waiter);
	probe->waiter = NULL;
	if (probe->clnt)
		clnt_destroy(probe->clnt);
	probe->clnt = NULL;
	dist_peer_close(probe->peer);
	probe->peer = NULL;
}

static enum dist_verdict
verdict_of(struct dist_probe *probe)
{
	switch (probe->err) {
	case DIST_OK:
		if (!memcmp(probe->answer.instance, probe->entry->as.instance,
		            sizeof(dist_id)))
			return DIST_VERDICT_ALIVE;
		snprintf(probe->why, sizeof(probe->why),
		         "another process answers there");
		return DIST_VERDICT_DEAD;
	case DIST_ECONNECT:
	case DIST_ERPC:
	case DIST_ENONODE:
	case DIST_EDECODE:
	case DIST_EPROTO:
		return DIST_VERDICT_DEAD;
	case DIST_EDEADLINE:
	case DIST_ECONNRESET:
	case DIST_ECANCELED:
	case DIST_ECLOSED:
		return DIST_VERDICT_SILENT;
	default:
		return DIST_VERDICT_UNKNOWN;
	}
}

enum dist_verdict
dist_probe_finish(struct dist_probe *probe)
{
	if (!probe->err && probe->waiter) {
		probe->err = dist_waiter_wait(probe->waiter, DIST_FOREVER);
		snprintf(probe->why, sizeof(probe->why), "%.250s",
		         dist_waiter_error(probe->waiter));
	}
	probe_close(probe);
	return verdict_of(probe);
}
