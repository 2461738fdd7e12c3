/*
 * distctl watch: what happens to nodes and services, as it happens.
 *
 * Each master is watched by one long call at a time (idl/registry.x), all of them in one
 * queue. One that is lost is looked for again, at a new address too, and told what was
 * seen last, so that it tells what has changed since.
 */
#include "distctl/config.h"

#include "distctl/event.h"
#include "distctl/server.h"
#include "distctl/track.h"
#include "program/clock.h"
#include "program/options.h"
#include "registry.h"

#include <dist/waiter.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A master that answers at once, whatever it is asked, must not keep us busy. */
#define ROUND_MIN_MS 5
/* Between two looks for one that was lost, and how long each may last: meanwhile the
 * others wait. */
#define LOOK_AGAIN_MS 500
#define LOOK_MS       500

struct watched {
	char *name;    /* "HOST[:PORT]", as it was given */
	char *address; /* where it was found; NULL: it is away */
	struct server server;
	bool is_new;      /* it was there at the start, and has not answered yet */
	bool is_followed; /* it has answered since it was found */
	bool has_failed;  /* it was found, gave no answer, and that was said */
	dist_watch seen;  /* what it told last */
	dist_view view;
	int64_t ask_ms; /* when to ask, or look for it, next; INT64_MAX: it is being asked */
};

struct watch {
	const struct config *config;
	struct watched *masters;
	size_t n_masters;
	struct track *track;
	struct dist_queue *queue;
	int signal_fd;
	int status; /* other than 0: the end, a sentence said why */
};

static void
on_event(const struct track_event *event, void *arg)
{
	struct watch *watch = arg;

	if (!watch->status)
		watch->status = event_print(event, watch->config->json);
}

/* --- Finding masters -------------------------------------------------------------- */

static enum dist_err
add_master(const char *name, const char *address, void *arg)
{
	struct watch *watch = arg;
	struct watched *masters, *master;

	masters = reallocarray(watch->masters, watch->n_masters + 1, sizeof(*masters));
	if (!masters)
		return DIST_ENOMEM;
	watch->masters = masters;
	master = &masters[watch->n_masters++];
	memset(master, 0, sizeof(*master));
	if (!address)
		program_fail("%s", dist_error_text()); /* another one may answer */
	master->name = strdup(name);
	master->address = address ? strdup(address) : NULL;
	master->is_new = address;
	return master->name && (master->address || !address) ? DIST_OK : DIST_ENOMEM;
}

static int
find_masters(struct watch *watch)
{
	enum dist_err err;

	err = dist_masters_find(watch->config->masters, watch->config->timeout_ms,
	                        add_master, watch);
	if (err == DIST_EADDRESS)
		return program_wrong_usage("--masters: %s", dist_error_text());
	if (err)
		return program_fail("%s", dist_error_string(err));
	for (size_t i = 0; i < watch->n_masters; i++) {
		if (watch->masters[i].address)
			return PROGRAM_DONE;
	}
	return PROGRAM_FAILED;
}

static enum dist_err
found_again(const char *name, const char *address, void *arg)
{
	struct watched *master = arg;

	(void)name;
	master->address = address ? strdup(address) : NULL;
	return DIST_OK;
}

/* --- Asking ----------------------------------------------------------------------- */

static void
lose(struct watch *watch, struct watched *master, const char *why)
{
	if (master->is_followed) {
		if (!watch->status)
			watch->status = event_master_lost(master->address, why,
			                                  watch->config->json);
		track_lost(watch->track, (size_t)(master - watch->masters), program_now_ms());
	} else if (master->address && !master->has_failed) {
		program_fail("master %s: %s", master->address, why);
		master->has_failed = true;
	}
	master->is_followed = false;
	server_close(&master->server);
	free(master->address);
	master->address = NULL;
	master->ask_ms = program_now_ms() + LOOK_AGAIN_MS;
}

/* One that is away is looked for first. False: it is not there. */
static bool
reach(struct watch *watch, struct watched *master)
{
	if (master->server.client)
		return true;
	if (!master->address &&
	    dist_masters_find(master->name, LOOK_MS, found_again, master))
		return false;
	return master->address &&
	       server_open(&master->server, master->address, DIST_REGISTRY,
	                   DIST_REGISTRY_V1, watch->config->timeout_ms) == PROGRAM_DONE;
}

/* At once what is new to us; then a call that is held until something changes. */
static void
ask(struct watch *watch, struct watched *master)
{
	struct dist_waiter *waiter;

	if (!reach(watch, master)) {
		lose(watch, master, dist_error_text());
		return;
	}
	master->seen.hold_ms =
		master->is_followed ? (unsigned)(watch->config->timeout_ms / 2) : 0;
	waiter = dist_go(master->server.client, dist_watch_1, master->seen,
	                 &master->view);
	if (!waiter || dist_queue_add(watch->queue, waiter, master))
		lose(watch, master, dist_error_text());
	else
		master->ask_ms = INT64_MAX;
}

static void
ask_due(struct watch *watch)
{
	for (size_t i = 0; i < watch->n_masters; i++) {
		if (watch->masters[i].ask_ms <= program_now_ms())
			ask(watch, &watch->masters[i]);
	}
}

/* --- Answers ---------------------------------------------------------------------- */

static void
take_view(struct watch *watch, struct watched *master)
{
	dist_view *view = &master->view;

	if (!track_view(watch->track, (size_t)(master - watch->masters), view,
	                master->is_new, program_now_ms()))
		watch->status = program_fail("out of memory");
	master->is_new = false;
	memcpy(master->seen.master, view->master, sizeof(dist_id));
	master->seen.epoch = view->epoch;
	xdr_free((xdrproc_t)xdr_dist_view, view);
	memset(view, 0, sizeof(*view));
	if (master->is_followed || watch->status)
		return;
	master->is_followed = true;
	master->has_failed = false;
	watch->status = event_master_followed(
		master->address, track_n_nodes(watch->track), watch->config->json);
}

static void
take_answer(struct watch *watch, struct dist_waiter *waiter)
{
	struct watched *master = dist_waiter_tag(waiter);

	if (dist_waiter_wait(waiter, DIST_FOREVER)) {
		lose(watch, master, dist_waiter_error(waiter));
	} else {
		take_view(watch, master);
		master->ask_ms = program_now_ms() + ROUND_MIN_MS;
	}
	dist_waiter_free(waiter);
}

/* --- The loop --------------------------------------------------------------------- */

/* For poll(). */
static int
wait_ms(const struct watch *watch)
{
	int64_t next_ms = track_tick(watch->track, program_now_ms()), left_ms;

	for (size_t i = 0; i < watch->n_masters; i++) {
		if (watch->masters[i].ask_ms < next_ms)
			next_ms = watch->masters[i].ask_ms;
	}
	if (next_ms == INT64_MAX)
		return -1;
	left_ms = next_ms - program_now_ms();
	return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* Until SIGINT or SIGTERM. */
static int
watch_all(struct watch *watch)
{
	struct dist_waiter *waiter;

	while (!watch->status) {
		struct pollfd polled[] = {
			{ .fd = watch->signal_fd, .events = POLLIN },
			{ .fd = dist_queue_fd(watch->queue), .events = POLLIN },
		};

		if (poll(polled, 2, wait_ms(watch)) < 0 && errno != EINTR)
			return program_fail("poll: %s", strerror(errno));
		if (polled[0].revents)
			break;
		while ((waiter = dist_queue_take(watch->queue, 0)))
			take_answer(watch, waiter);
		ask_due(watch);
	}
	return watch->status;
}

/* Taken by the loop: nothing is cut off in the middle of a line. */
static int
open_signals(struct watch *watch)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	watch->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return watch->signal_fd < 0 ? program_fail("signalfd: %s", strerror(errno))
	                            : PROGRAM_DONE;
}

static int
start(struct watch *watch)
{
	int status = find_masters(watch);

	if (status)
		return status;
	watch->track = track_new(watch->n_masters, on_event, watch);
	if (!watch->track)
		return program_fail("out of memory");
	if (dist_queue_new(&watch->queue))
		return program_fail("%s", dist_error_text());
	status = open_signals(watch);
	if (!status)
		ask_due(watch);
	return status;
}

static void
end(struct watch *watch)
{
	dist_queue_free(watch->queue);
	for (size_t i = 0; i < watch->n_masters; i++) {
		struct watched *master = &watch->masters[i];

		server_close(&master->server);
		xdr_free((xdrproc_t)xdr_dist_view, &master->view);
		free(master->name);
		free(master->address);
	}
	free(watch->masters);
	track_free(watch->track);
	if (watch->signal_fd >= 0)
		close(watch->signal_fd);
}

int
watch_run(const struct config *config)
{
	struct watch watch = { .config = config, .signal_fd = -1 };
	int status = start(&watch);

	if (!status)
		status = watch_all(&watch);
	end(&watch);
	return status;
}
