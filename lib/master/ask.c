#include "master/ask.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* More than 500 procedures with all their times. */
#define RECORD_MAX ((size_t)4 * 1024 * 1024)

/* On the callback thread: the rest is the gatherer's. */
static void
ask_on_answer(struct dist_waiter *waiter, void *arg)
{
	struct dist_ask *ask = arg;

	(void)waiter;
	ask->done(ask->arg);
}

static enum dist_err
ask_go(struct dist_ask *ask, struct dist_runtime *runtime, const char *name,
       const struct dist_sockaddr *address, int64_t timeout_ms)
{
	const struct dist_peer_options options = {
		.name = name,
		/* The call's own deadline comes first. */
		.connect_timeout_ms = 2 * timeout_ms,
		.max_record_bytes = RECORD_MAX,
	};
	const struct dist_call_options call = { .timeout_ms = timeout_ms,
		                                .max_tries = 1 };
	enum dist_err err = dist_peer_open(&ask->peer, runtime, address, &options);

	if (err)
		return err;
	ask->clnt = dist_peer_client(ask->peer, DIST_NODE, DIST_NODE_V1, &call);
	if (!ask->clnt)
		return DIST_ENOMEM;
	ask->waiter = dist_go(ask->clnt, dist_node_stats_1, &ask->answer);
	if (!ask->waiter)
		return dist_error_last();
	return dist_waiter_then(ask->waiter, ask_on_answer, ask);
}

void
dist_ask_start(struct dist_ask *ask, struct dist_runtime *runtime, const char *name,
               const struct dist_sockaddr *address, int64_t timeout_ms,
               void (*done)(void *arg), void *arg)
{
	enum dist_err err;

	*ask = (struct dist_ask){ .done = done, .arg = arg };
	err = ask_go(ask, runtime, name, address, timeout_ms);
	if (!err)
		return; /* ask_on_answer() may have run by now */
	ask->err = err;
	snprintf(ask->why, sizeof(ask->why), "%.250s", dist_error_text());
	done(arg);
}

void
dist_ask_cancel(struct dist_ask *ask)
{
	dist_waiter_cancel(ask->waiter);
}

enum dist_err
dist_ask_finish(struct dist_ask *ask)
{
	if (!ask->err && ask->waiter) {
		ask->err = dist_waiter_wait(ask->waiter, DIST_FOREVER);
		snprintf(ask->why, sizeof(ask->why), "%.250s",
		         dist_waiter_error(ask->waiter));
	}
	dist_waiter_free(ask->waiter);
	if (ask->clnt)
		clnt_destroy(ask->clnt);
	dist_peer_close(ask->peer);
	ask->waiter = NULL;
	ask->clnt = NULL;
	ask->peer = NULL;
	return ask->err;
}
