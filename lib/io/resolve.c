/*
 * A request is shared by the thread that looks up and the one that waits; whichever
 * comes last frees it. The one that looks up may be stuck for as long as a name server
 * keeps silent, so nobody waits for it, and there is a bound on how many are left
 * behind.
 */
#include "io/resolve.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX 64
/* How long the caller's flag may go unseen. */
#define STOP_INTERVAL_NS (50 * DIST_NS_PER_MS)

static atomic_uint lookups; /* threads that are looking up */

struct lookup {
	char host[DIST_HOST_MAX]; /* read-only after birth */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	unsigned n_refs;
	bool done;
	int status; /* of getaddrinfo() */
	int saved_errno;
	struct dist_addresses found;
};

static struct lookup *
lookup_new(const char *host)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	pthread_condattr_t monotonic;

	if (!lookup)
		return NULL;
	snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	lookup->n_refs = 2;
	pthread_mutex_init(&lookup->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&lookup->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return lookup;
}

static void
lookup_free(struct lookup *lookup)
{
	pthread_cond_destroy(&lookup->changed);
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

/* Unlocks, and frees it when the other side is gone already. */
static void
lookup_leave(struct lookup *lookup)
{
	bool last = --lookup->n_refs == 0;

	pthread_mutex_unlock(&lookup->lock);
	if (last)
		lookup_free(lookup);
}

static void
addresses_add(struct dist_addresses *addresses, const struct sockaddr *sa,
              socklen_t length)
{
	struct dist_sockaddr address;

	if (addresses->n == DIST_RESOLVE_MAX || length > sizeof(address.storage))
		return;
	memset(&address, 0, sizeof(address));
	memcpy(&address.storage, sa, length);
	address.length = length;
	for (unsigned i = 0; i < addresses->n; i++) {
		if (dist_sockaddr_equal(&addresses->list[i], &address))
			return;
	}
	addresses->list[addresses->n++] = address;
}

static void *
lookup_run(void *arg)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct lookup *lookup = arg;
	int status, saved_errno;

	pthread_setname_np(pthread_self(), "dist-resolve");
	status = getaddrinfo(lookup->host, NULL, &hints, &found);
	saved_errno = errno;

	pthread_mutex_lock(&lookup->lock);
	lookup->status = status;
	lookup->saved_errno = saved_errno;
	if (status == 0) {
		for (struct addrinfo *each = found; each; each = each->ai_next)
			addresses_add(&lookup->found, each->ai_addr, each->ai_addrlen);
		freeaddrinfo(found);
	}
	lookup->done = true;
	pthread_cond_signal(&lookup->changed);
	lookup_leave(lookup);
	atomic_fetch_sub(&lookups, 1);
	return NULL;
}

/* A detached thread that no signal of the program interrupts. 0 or an errno. */
static int
thread_start(void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int why;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	why = pthread_create(&thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return why;
}

static bool
is_set(const atomic_bool *stop)
{
	return stop && atomic_load(stop);
}

static void
lookup_wait_until(struct lookup *lookup, int64_t until_ns)
{
	struct timespec until = { .tv_sec = until_ns / 1000000000,
		                  .tv_nsec = until_ns % 1000000000 };

	pthread_cond_timedwait(&lookup->changed, &lookup->lock, &until);
}

/* Under the lock: until it is done, time is up, or the caller has enough. */
static void
lookup_wait(struct lookup *lookup, int64_t deadline_ns, const atomic_bool *stop)
{
	int64_t now = dist_clock_ns();

	while (!lookup->done && now < deadline_ns && !is_set(stop)) {
		lookup_wait_until(lookup,
		                  DIST_MIN(deadline_ns, now + STOP_INTERVAL_NS));
		now = dist_clock_ns();
	}
}

/* Under the lock: what came of it. */
static enum dist_err
lookup_result(struct lookup *lookup, const atomic_bool *stop,
              struct dist_addresses *ret)
{
	if (lookup->done && lookup->status == 0 && lookup->found.n > 0) {
		*ret = lookup->found;
		return DIST_OK;
	}
	if (!lookup->done && is_set(stop))
		return dist_error_set(DIST_ECLOSED, "the look-up of %s was called off",
		                      lookup->host);
	if (!lookup->done)
		return dist_error_set(
			DIST_ERESOLVE,
			"the host name %s was not resolved in time: no name "
			"server answers; give an address, or look at "
			"/etc/resolv.conf",
			lookup->host);
	if (lookup->status == EAI_MEMORY)
		return dist_error_set_plain(DIST_ENOMEM);
	if (lookup->status == EAI_SYSTEM)
		return dist_error_set_errno(DIST_ERESOLVE, lookup->saved_errno,
		                            "the host name %s does not resolve",
		                            lookup->host);
	return dist_error_set(
		DIST_ERESOLVE, "the host name %s does not resolve: %s", lookup->host,
		lookup->status ? gai_strerror(lookup->status) : "it has no address");
}

static enum dist_err
lookup_start(const char *host, struct lookup **ret_lookup)
{
	struct lookup *lookup;
	int why;

	if (atomic_fetch_add(&lookups, 1) >= LOOKUPS_MAX) {
		atomic_fetch_sub(&lookups, 1);
		return dist_error_set(
			DIST_ERESOLVE,
			"the host name %s was not looked up: %d look-ups wait "
			"for a name server already",
			host, LOOKUPS_MAX);
	}
	lookup = lookup_new(host);
	why = lookup ? thread_start(lookup_run, lookup) : ENOMEM;
	if (why == 0) {
		*ret_lookup = lookup;
		return DIST_OK;
	}
	atomic_fetch_sub(&lookups, 1);
	if (!lookup)
		return dist_error_set_plain(DIST_ENOMEM);
	lookup_free(lookup);
	return dist_error_set_errno(DIST_ESYSTEM, why, "no thread to look %s up", host);
}

/* What every host calls itself costs no look-up; IPv4 first, which it always has. */
static void
resolve_localhost(int port, struct dist_addresses *ret)
{
	(void)dist_sockaddr_from_numeric("127.0.0.1", port, &ret->list[0]);
	(void)dist_sockaddr_from_numeric("::1", port, &ret->list[1]);
	ret->n = 2;
}

static enum dist_err
resolve_name(const char *host, int64_t deadline_ns, const atomic_bool *stop,
             struct dist_addresses *ret)
{
	struct lookup *lookup = NULL;
	enum dist_err err;
	int before;

	err = lookup_start(host, &lookup);
	if (err)
		return err;
	/* A thread that is cancelled here would take the lock with it. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&lookup->lock);
	lookup_wait(lookup, deadline_ns, stop);
	err = lookup_result(lookup, stop, ret);
	lookup_leave(lookup);
	pthread_setcancelstate(before, NULL);
	return err;
}

enum dist_err
dist_resolve(const char *host, int port, int64_t deadline_ns, const atomic_bool *stop,
             struct dist_addresses *ret)
{
	struct dist_addresses found = { 0 };
	enum dist_err err;

	if (host[0] == '\0' || strcasecmp(host, "localhost") == 0) {
		resolve_localhost(port, ret);
		return DIST_OK;
	}
	if (dist_sockaddr_from_numeric(host, port, &found.list[0])) {
		found.n = 1;
		*ret = found;
		return DIST_OK;
	}
	err = resolve_name(host, deadline_ns, stop, &found);
	if (err)
		return err;
	for (unsigned i = 0; i < found.n; i++)
		dist_sockaddr_set_port(&found.list[i], port < 0 ? 0 : (unsigned)port);
	*ret = found;
	return DIST_OK;
}
