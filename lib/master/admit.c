/*
 * A registration: where the node is, from what it says and where it comes from; then a
 * probe calls it back there, and only who answers is taken in.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "idl/registry.h"
#include "master/master_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ENDPOINTS_MAX 8     /* as in idl/registry.x */
#define REASON_MAX    255   /* likewise */
#define ADMITTING_MAX 20000 /* registrations that wait: each has memory */

/* --- Where the node is -------------------------------------------------------- */

/* A registration's endpoints as they will be listed. */
struct endpoints {
	dist_endpoint list[ENDPOINTS_MAX];
	char uaddrs[ENDPOINTS_MAX][DIST_ADDRESS_TEXT_MAX];
	unsigned n;
	char address[DIST_ADDRESS_TEXT_MAX]; /* the first one, for people */
	bool all_ipv4, all_ipv6;             /* see struct dist_entry */
};

/*
 * An unspecified host stands for where the registration comes from. "::" listens for
 * IPv4 too; "0.0.0.0" cannot be reached by IPv6, but on this very host it is 127.0.0.1
 * as well. False: the node cannot be reached by the family it came with.
 */
static bool
endpoint_complete(struct dist_sockaddr *address, const struct dist_sockaddr *peer)
{
	unsigned port = dist_sockaddr_port(address);

	if (!dist_sockaddr_is_any(address))
		return true;
	if (address->sa.sa_family == AF_INET && peer->sa.sa_family == AF_INET6) {
		if (!dist_sockaddr_is_loopback(peer))
			return false;
		return dist_sockaddr_from_numeric("127.0.0.1", (int)port, address);
	}
	*address = *peer;
	dist_sockaddr_set_port(address, port);
	return true;
}

/* An unspecified host that loopback has to stand for. */
static void
endpoints_note_all(struct endpoints *endpoints, const struct dist_sockaddr *address,
                   const struct dist_sockaddr *peer)
{
	if (!dist_sockaddr_is_any(address) || !dist_sockaddr_is_loopback(peer))
		return;
	endpoints->all_ipv4 = true;
	endpoints->all_ipv6 |= address->sa.sa_family == AF_INET6;
}

static void
endpoints_add(struct endpoints *endpoints, const struct dist_sockaddr *address)
{
	char *uaddr = endpoints->uaddrs[endpoints->n];
	dist_endpoint *endpoint = &endpoints->list[endpoints->n];

	dist_uaddr_format(address, uaddr);
	for (unsigned i = 0; i < endpoints->n; i++) {
		if (!strcmp(endpoints->list[i].uaddr, uaddr))
			return;
	}
	endpoint->netid = (char *)dist_sockaddr_netid(address);
	endpoint->uaddr = uaddr;
	if (endpoints->n++ == 0)
		dist_sockaddr_format(address, endpoints->address);
}

static enum dist_err
endpoints_complete(struct endpoints *endpoints, const dist_registration *as,
                   const struct dist_sockaddr *peer)
{
	char from[DIST_ADDRESS_TEXT_MAX];

	dist_sockaddr_format_host(peer, from);
	for (unsigned i = 0; i < as->endpoints.endpoints_len; i++) {
		const dist_endpoint *told = &as->endpoints.endpoints_val[i];
		struct dist_sockaddr address;

		if (i == ENDPOINTS_MAX ||
		    dist_uaddr_parse(told->netid, told->uaddr, &address))
			return dist_error_set(DIST_EREFUSED,
			                      "its address \"%.64s\" is none",
			                      told->uaddr);
		if (dist_sockaddr_is_loopback(&address) &&
		    !dist_sockaddr_is_loopback(peer))
			return dist_error_set(
				DIST_EREFUSED,
				"it listens on loopback, and comes from %s: "
				"start it with --listen or --advertise",
				from);
		endpoints_note_all(endpoints, &address, peer);
		if (endpoint_complete(&address, peer))
			endpoints_add(endpoints, &address);
	}
	if (!endpoints->n)
		return dist_error_set(
			DIST_EREFUSED,
			"it listens for IPv4 alone, and comes from %s: start it "
			"with --listen or --advertise",
			from);
	return DIST_OK;
}

static enum dist_err
entry_from(struct dist_entry **ret_entry, const dist_registration *as,
           const struct dist_sockaddr *peer, const struct dist_entry_limits *limits)
{
	struct endpoints endpoints = { .n = 0 };
	dist_registration listed = *as;
	enum dist_err err;

	err = dist_entry_check_limits(as, limits);
	if (!err)
		err = endpoints_complete(&endpoints, as, peer);
	if (err)
		return err;
	listed.endpoints.endpoints_len = endpoints.n;
	listed.endpoints.endpoints_val = endpoints.list;
	err = dist_entry_new(ret_entry, &listed, endpoints.address);
	if (err)
		return err;
	(*ret_entry)->all_ipv4 = endpoints.all_ipv4;
	(*ret_entry)->all_ipv6 = endpoints.all_ipv6;
	return DIST_OK;
}

/* --- Answers ------------------------------------------------------------------ */

static void
answer(struct dist_deferred *deferred, const dist_registered *registered)
{
	if (dist_register_1_reply(deferred, registered))
		dist_log_debug("registrant-gone", "why=\"%s\"", dist_error_text());
}

/* Whoever is refused tries again, some very often. */
static void
log_refusal(struct dist_master *master, const char *name, const char *address,
            const char *reason)
{
	unsigned n_dropped;
	bool allowed;

	dist_lock(&master->lock);
	allowed = dist_limit_allows(&master->refusal_limit, dist_clock_ns(),
	                            &n_dropped);
	dist_unlock(&master->lock);
	if (allowed)
		dist_log_warning("registration-refused",
		                 "name=\"%s\" address=%s why=\"%s\" not_shown=%u", name,
		                 address, reason, n_dropped);
}

static void refuse(struct dist_master *master, struct dist_deferred *deferred,
                   dist_registry_status status, const char *name, const char *address,
                   const char *format, ...) DIST_PRINTF(6, 7);

/* @name is "" where it is the name that is wrong; the address tells whose it was. */
static void
refuse(struct dist_master *master, struct dist_deferred *deferred,
       dist_registry_status status, const char *name, const char *address,
       const char *format, ...)
{
	dist_registered registered = { .status = status,
		                       .seen_as = { .netid = "", .uaddr = "" } };
	char reason[REASON_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	registered.reason = reason;
	memcpy(registered.master, master->id, sizeof(dist_id));
	log_refusal(master, name, address, reason);
	answer(deferred, &registered);
}

static void
grant(struct dist_master *master, struct dist_deferred *deferred,
      const struct dist_entry *entry, const dist_id token,
      const struct dist_grant *granted)
{
	dist_registered registered = {
		.status = DIST_REGISTRY_OK,
		.reason = "",
		.session = granted->session,
		.lease_ms = granted->lease_ms,
		.seen_as = entry->as.endpoints.endpoints_val[0],
	};

	memcpy(registered.token, token, sizeof(dist_id));
	memcpy(registered.master, master->id, sizeof(dist_id));
	answer(deferred, &registered);
}

/* --- The way in --------------------------------------------------------------- */

void
dist_admit(struct dist_master *master, const dist_registration *as,
           const struct dist_sockaddr *peer, uint64_t origin,
           struct dist_deferred *deferred)
{
	const struct dist_entry_limits limits = {
		.max_services = master->options.max_services,
		.max_attributes = master->options.max_attributes,
		.max_name_bytes = master->options.max_name_bytes,
	};
	struct dist_probe *probe = calloc(1, sizeof(*probe));
	char address[DIST_ADDRESS_TEXT_MAX];
	bool admitted;

	if (!probe) {
		dist_deferred_fail(deferred);
		return;
	}
	if (entry_from(&probe->entry, as, peer, &limits)) {
		free(probe);
		refuse(master, deferred, DIST_REGISTRY_REFUSED, "",
		       dist_sockaddr_format(peer, address), "%s", dist_error_text());
		return;
	}
	probe->kind = DIST_PROBE_ADMIT;
	probe->deferred = deferred;
	probe->origin = origin;
	dist_list_init(&probe->running);
	dist_lock(&master->lock);
	admitted = !master->stopping && master->n_admitting < ADMITTING_MAX;
	if (admitted) {
		master->n_admitting++;
		dist_list_append(&master->queued, &probe->link);
		dist_house_wake_locked(master);
	}
	dist_unlock(&master->lock);
	if (!admitted) {
		refuse(master, deferred, DIST_REGISTRY_REFUSED, probe->entry->as.name,
		       probe->entry->address, "%d registrations are under way, or the master stops",
		       ADMITTING_MAX);
		dist_entry_unref(probe->entry);
		free(probe);
	}
}

/*
 * A node whose connection broke meanwhile is not taken in: the end of that connection
 * was told before there was a session to probe. The look at it comes under the lock, so
 * it is either seen here, or on_closed finds the session.
 */
static enum dist_err
take_in(struct dist_master *master, struct dist_probe *probe, const dist_id token,
        struct dist_grant *ret_grant)
{
	enum dist_err err;

	dist_lock(&master->lock);
	if (dist_deferred_cancelled(probe->deferred))
		err = dist_error_set_plain(DIST_ECANCELED);
	else
		err = dist_table_register(master->table, probe->entry, token,
		                          probe->origin, dist_clock_ns(), ret_grant);
	dist_house_wake_locked(master);
	dist_unlock(&master->lock);
	return err;
}

void
dist_admit_judged(struct dist_master *master, struct dist_probe *probe,
                  enum dist_verdict verdict)
{
	struct dist_deferred *deferred;
	struct dist_grant granted;
	enum dist_err err = DIST_EREFUSED;
	dist_id token;

	if (verdict == DIST_VERDICT_ALIVE) {
		if (getrandom(token, sizeof(token), 0) != sizeof(token))
			err = dist_error_set_plain(DIST_ESYSTEM);
		else
			err = take_in(master, probe, token, &granted);
	}
	deferred = DIST_TAKE(probe->deferred);
	if (verdict != DIST_VERDICT_ALIVE)
		refuse(master, deferred, DIST_REGISTRY_UNREACHABLE,
		       probe->entry->as.name, probe->entry->address,
		       "the master could not call it back at %s: %s; see its --listen and "
		       "--advertise, and what stands between",
		       probe->entry->address, probe->why);
	else if (err == DIST_EREFUSED)
		refuse(master, deferred, DIST_REGISTRY_REFUSED, probe->entry->as.name,
		       probe->entry->address, "%s", dist_error_text());
	else if (err)
		dist_deferred_fail(deferred);
	else
		grant(master, deferred, probe->entry, token, &granted);
}
