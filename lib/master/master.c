#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "idl/registry.h"
#include "io/socket.h"
#include "master/master_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define WORKERS 2     /* procedures here only look into the table */
#define GATHER_US 2000 /* nobody waits for a heartbeat's answer */
#define QUEUE   65536 /* all nodes may beat at one moment */
/* Of one connection: a node has one REGISTER under way, a cluster one WATCH. */
#define MAX_DEFERRED 64
#define PROBE_MAX_MS UINT32_MAX
/* As in idl/registry.x. */
#define SERVICES_MAX   1024
#define ATTRIBUTES_MAX 64
#define NAME_MAX_BYTES 255
/* The longest account of a cluster, and some. Those who tell of more, whatever it is, would
 * keep others waiting for a heartbeat's answer. */
#define DECODE_MAX_BYTES ((size_t)8 * 1024 * 1024)
/* 10,000 nodes with some procedures each. */
#define STATS_MAX_BYTES ((size_t)256 * 1024 * 1024)

/* A registration's connection has ended: its nodes are asked at once. Or a caller's. */
static void
master_on_closed(uint64_t conn_id, void *arg)
{
	struct dist_master *master = arg;
	struct dist_suspect suspect;
	uint64_t session = 0;

	dist_callers_conn_ended(master->callers, conn_id);
	dist_lock(&master->lock);
	while ((session = dist_table_next_of(master->table, conn_id, session))) {
		if (dist_table_find(master->table, session, &suspect))
			dist_house_probe_locked(master, DIST_PROBE_CLOSED, &suspect);
	}
	dist_unlock(&master->lock);
}

/* --- Start -------------------------------------------------------------------- */

/* @most where none is given, and no more than that. */
static void
limit_fill_in(unsigned *limit, unsigned most)
{
	if (!*limit || *limit > most)
		*limit = most;
}

static void
options_fill_in(struct dist_master_options *options)
{
	limit_fill_in(&options->max_services, SERVICES_MAX);
	limit_fill_in(&options->max_attributes, ATTRIBUTES_MAX);
	limit_fill_in(&options->max_name_bytes, NAME_MAX_BYTES);
	if (!options->max_watchers)
		options->max_watchers = 100000;
	if (!options->max_stats_bytes)
		options->max_stats_bytes = STATS_MAX_BYTES;
}

static enum dist_err
options_check(struct dist_master_options *options)
{
	if (options->min_lease_ms < 0 || options->max_lease_ms < 0 ||
	    options->probe_ms < 0 || options->stats_ms < 0)
		return dist_error_set(DIST_EINVAL,
		                      "min_lease_ms, max_lease_ms, probe_ms and "
		                      "stats_ms are not negative");
	options->probe_ms = DIST_MIN(options->probe_ms, PROBE_MAX_MS);
	if (!options->min_lease_ms)
		options->min_lease_ms = 300;
	if (!options->max_lease_ms)
		options->max_lease_ms = DIST_MAX(60000, options->min_lease_ms);
	if (options->min_lease_ms > options->max_lease_ms ||
	    options->max_lease_ms > UINT32_MAX)
		return dist_error_set(
			DIST_EINVAL,
			"min_lease_ms (%lld) is over max_lease_ms (%lld), or "
			"that is over %u",
			(long long)options->min_lease_ms,
			(long long)options->max_lease_ms, UINT32_MAX);
	return DIST_OK;
}

static void
master_init(struct dist_master *master)
{

	master->process = getpid();
	dist_mutex_init(&master->lock, DIST_RANK_MASTER);
	dist_cond_init(&master->work);
	dist_cond_init(&master->told);
	dist_list_init(&master->queued);
	dist_list_init(&master->running);
	dist_list_init(&master->finished);
	dist_list_init(&master->watchers);
	dist_deadlines_init(&master->holds);
	master->tell_ns = INT64_MAX;
}

static enum dist_err
master_make_table(struct dist_master *master)
{
	const struct dist_table_options options = {
		.min_lease_ms = master->options.min_lease_ms,
		.max_lease_ms = master->options.max_lease_ms,
		.max_nodes = master->options.max_nodes,
		.max_of_origin = master->options.max_nodes_per_connection,
		.probe_ms = master->options.probe_ms,
	};
	uint64_t seed;
	enum dist_err err;

	if (getrandom(master->id, sizeof(master->id), 0) != sizeof(master->id))
		return dist_error_set(DIST_ESYSTEM, "no random numbers to be had");
	memcpy(&seed, master->id, sizeof(seed));
	err = dist_map_init(&master->probed, seed);
	if (err)
		return dist_error_set_plain(err);
	err = dist_table_new(&master->table, master->id, dist_clock_ns(), &options);
	if (!err)
		master->told_epoch = dist_table_epoch(master->table);
	return err;
}

static enum dist_err
master_make_server(struct dist_master *master)
{
	struct dist_server_options options = {
		.listen = master->options.listen,
		.listeners = master->options.listeners,
		.default_port = DIST_MASTER_PORT,
		.name = "master",
		.workers = WORKERS,
		.queue = QUEUE,
		.max_deferred = MAX_DEFERRED,
		.max_record_bytes = master->options.max_record_bytes,
		.max_decode_bytes = DECODE_MAX_BYTES,
		.max_buffered_bytes = master->options.max_buffered_bytes,
		.max_connections = master->options.max_connections,
		.max_connections_per_peer = master->options.max_connections_per_peer,
		.idle_timeout_ms = master->options.idle_timeout_ms,
		.header_timeout_ms = master->options.header_timeout_ms,
		.record_timeout_ms = master->options.record_timeout_ms,
		.reply_timeout_ms = master->options.reply_timeout_ms,
		/* A node says something thrice in a lease. */
		.watched_spared_ms = master->options.max_lease_ms,
		.prompt = true,
		.gather_us = GATHER_US,
		.on_closed = master_on_closed,
		.arg = master,
	};
	enum dist_err err;

	memcpy(options.instance, master->id, sizeof(options.instance));
	err = dist_server_open(&master->server, &options);
	if (!err)
		err = dist_server_add(master->server, &dist_registry_1_service);
	return err;
}

static enum dist_err
master_announce(struct dist_master *master)
{
	static const struct dist_announced registry = { DIST_REGISTRY,
		                                        DIST_REGISTRY_V1 };
	const struct dist_listeners *listeners = dist_server_listeners(master->server);
	struct dist_sockaddr addresses[DIST_LISTENERS_MAX];

	if (master->options.no_rpcbind)
		return DIST_OK;
	for (unsigned i = 0; i < listeners->n; i++)
		addresses[i] = dist_socket_local(listeners->fds[i]);
	return dist_announce_start(&master->announce, &registry, 1, addresses,
	                           listeners->n, NULL);
}

static enum dist_err
master_make_stats(struct dist_master *master)
{
	uint64_t seed;
	enum dist_err err;

	memcpy(&seed, master->id, sizeof(seed));
	err = dist_totals_new(&master->totals, seed);
	if (!err)
		err = dist_callers_new(&master->callers, master);
	if (!err)
		err = dist_gather_new(&master->gather, master);
	return err;
}

static enum dist_err
master_build(struct dist_master *master)
{
	enum dist_err err;

	err = master_make_table(master);
	if (!err)
		err = master_make_server(master);
	if (!err)
		err = dist_runtime_start(&master->runtime, "master");
	if (!err && master->options.stats_ms)
		err = master_make_stats(master);
	if (!err)
		err = dist_house_start(master);
	if (!err)
		err = dist_server_start(master->server);
	if (!err && master->gather)
		err = dist_gather_start(master->gather);
	if (!err)
		err = master_announce(master);
	return err;
}

static void
master_freep(struct dist_master **master)
{
	dist_master_stop(*master);
}

enum dist_err
dist_master_start_sized(struct dist_master **ret_master,
                        const struct dist_master_options *options, size_t options_size)
{
	DIST_CLEANUP(master_freep) struct dist_master *master = NULL;
	enum dist_err err;

	master = calloc(1, sizeof(*master));
	if (!master)
		return dist_error_set_plain(DIST_ENOMEM);
	master_init(master);
	err = dist_options_copy(&master->options, sizeof(master->options), options,
	                        options_size);
	if (!err)
		err = options_check(&master->options);
	options_fill_in(&master->options);
	if (!err)
		err = master_build(master);
	if (err)
		return err;
	master->options.listen = NULL; /* was borrowed, as were these */
	master->options.listeners = NULL;
	*ret_master = DIST_TAKE(master);
	return DIST_OK;
}

/* --- Questions and stop ------------------------------------------------------- */

unsigned
dist_master_port(struct dist_master *master)
{
	return dist_server_listeners(master->server)->port;
}

unsigned
dist_master_n_nodes(struct dist_master *master)
{
	unsigned n;

	if (master->process != getpid())
		return 0;
	dist_lock(&master->lock);
	n = dist_table_n_live(master->table);
	dist_unlock(&master->lock);
	return n;
}

/*
 * The entry in rpcbind first, so that nobody is sent here any more. The house thread
 * ends before the server, whose calls it answers, and before the runtime, which it
 * uses; calls that come in between find @stopping. Whoever gathers statistics ends
 * before all of these, and is freed last, since the house thread wakes it.
 */
void
dist_master_stop(struct dist_master *master)
{
	if (!master || master->process != getpid())
		return;
	dist_announce_stop(master->announce);
	dist_gather_stop(master->gather);
	dist_house_stop(master);
	dist_server_stop(master->server);
	if (master->runtime)
		dist_runtime_stop(master->runtime);
	dist_gather_free(master->gather);
	dist_callers_free(master->callers);
	dist_totals_free(master->totals);
	dist_table_free(master->table);
	dist_map_fini(&master->probed);
	dist_deadlines_fini(&master->holds);
	dist_mutex_fini(&master->lock);
	free(master);
}
