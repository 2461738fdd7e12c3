#include "server/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/large.h"
#include "base/log.h"
#include "server/core.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Beyond these, sums and products would overflow. */
#define WORKERS_MAX    65536
#define TIMEOUT_MAX_MS INT64_C(1000000000000)

DIST_DEFINE_FREEP(dist_server_stop, struct dist_server *)

static unsigned
count_cpus(void)
{
	cpu_set_t set;
	int n = 0;

	if (!sched_getaffinity(0, sizeof(set), &set))
		n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

#define DEFAULT(field, value) \
	do { \
		if (!(field)) \
			(field) = (value); \
	} while (0)

static void
default_timeout(int64_t *timeout_ms, int64_t value)
{
	DEFAULT(*timeout_ms, value);
	*timeout_ms = DIST_MIN(*timeout_ms, TIMEOUT_MAX_MS);
}

/* A quarter of the machine's memory. */
static size_t
memory_quarter(void)
{
	long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	if (n_pages <= 0 || page <= 0)
		return (size_t)1024 * 1024 * 1024;
	return (size_t)n_pages / 4 * (size_t)page;
}

static void
options_fill_in(struct dist_server_options *options)
{
	DEFAULT(options->name, "server");
	DEFAULT(options->workers, count_cpus());
	DEFAULT(options->queue, 1024);
	DEFAULT(options->queue_bytes,
	        DIST_MIN(memory_quarter(), (size_t)1024 * 1024 * 1024));
	DEFAULT(options->max_calls_per_connection, 8192);
	DEFAULT(options->max_record_bytes, (size_t)128 * 1024 * 1024);
	/* Of the largest, one must fit beside the others. */
	DEFAULT(options->max_buffered_bytes,
	        DIST_MAX(memory_quarter(), 2 * options->max_record_bytes));
	DEFAULT(options->max_connections, 20000);
	DEFAULT(options->max_connections_per_peer, 12000);
	default_timeout(&options->idle_timeout_ms, 600000);
	default_timeout(&options->header_timeout_ms, 10000);
	default_timeout(&options->record_timeout_ms, 30000);
	default_timeout(&options->reply_timeout_ms, 60000);
	default_timeout(&options->idle_spared_ms, 1000);
	default_timeout(&options->watched_spared_ms, options->idle_spared_ms);
	options->max_record_bytes =
		DIST_MIN(options->max_record_bytes, (size_t)DIST_RECORD_FRAGMENT_MAX);
}

static enum dist_err
options_check(const struct dist_server_options *options)
{
	if (options->workers > WORKERS_MAX)
		return dist_error_set(DIST_EINVAL, "%u workers are over the limit of %d",
		                      options->workers, WORKERS_MAX);
	if (options->idle_timeout_ms < 0 || options->header_timeout_ms < 0 ||
	    options->record_timeout_ms < 0 || options->reply_timeout_ms < 0 ||
	    options->idle_spared_ms < 0 || options->watched_spared_ms < 0)
		return dist_error_set(DIST_EINVAL,
		                      "idle_timeout_ms, header_timeout_ms, "
		                      "record_timeout_ms and reply_timeout_ms are not "
		                      "negative");
	return DIST_OK;
}

static struct dist_server *
server_new(const struct dist_server_options *options)
{
	struct dist_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->options = *options;
	options_fill_in(&server->options);
	snprintf(server->name, sizeof(server->name), "%s", server->options.name);
	/* Borrowed for the call only. */
	server->options.name = server->name;
	server->options.listen = NULL;
	server->options.listeners = NULL;
	server->epoll_fd = server->wake_fd = server->loop.reserve_fd = -1;
	return server;
}

enum dist_err
dist_server_open(struct dist_server **ret_server,
                 const struct dist_server_options *options)
{
	DIST_CLEANUP(dist_server_stopp) struct dist_server *server = NULL;
	struct dist_server *made;
	enum dist_err err;

	err = options_check(options);
	if (!err)
		err = dist_fork_watch(NULL);
	if (err)
		return err;
	made = server_new(options);
	if (!made)
		return dist_error_set_plain(DIST_ENOMEM);
	err = dist_workers_init(&made->workers, made, made->options.workers);
	if (err) {
		free(made);
		return err;
	}
	/* From here on stop undoes all of it. */
	server = made;
	dist_large_begin();
	dist_list_init(&server->loop.conns);
	if (options->listeners)
		err = dist_listeners_share(&server->listeners, options->listeners);
	else
		err = dist_listeners_open(&server->listeners, options->listen,
		                          options->default_port);
	if (!err)
		err = dist_server_loop_init(server);
	if (!err)
		err = dist_served_table_add(&server->services, &dist_node_program,
		                            true);
	if (err)
		return err;

	*ret_server = DIST_TAKE(server);
	return DIST_OK;
}

enum dist_err
dist_server_add(struct dist_server *server, const struct dist_service *service)
{
	return dist_served_table_add(&server->services, service, false);
}

enum dist_err
dist_server_start(struct dist_server *server)
{
	server->started = true;
	server->started_ns = dist_clock_ns();
	server->fork_generation = dist_fork_generation();
	return dist_workers_start(&server->workers);
}

const struct dist_listeners *
dist_server_listeners(const struct dist_server *server)
{
	return &server->listeners;
}

void
dist_server_load(struct dist_server *server, struct dist_server_load *ret_load)
{
	struct dist_workers *workers = &server->workers;

	dist_lock(&workers->lock);
	*ret_load = (struct dist_server_load){
		.capacity = workers->n_slots,
		.running = workers->n_running +
		           atomic_load(&workers->inline_slot_taken),
		.queued = dist_workers_n_queued(workers),
		.deferred = atomic_load(&server->n_deferred),
		.n_connections = atomic_load(&server->n_connections),
		.n_takeovers = workers->n_takeovers,
		.calls = atomic_load_explicit(&server->counters.calls,
		                              memory_order_relaxed),
	};
	dist_unlock(&workers->lock);
}

/* --- The end -------------------------------------------------------------------- */

static bool
server_is_drained(struct dist_server *server)
{
	struct dist_server_load load;

	dist_server_load(server, &load);
	if (load.running > 0 || load.queued > 0 || load.deferred > 0)
		return false;
	return load.n_connections == 0 || atomic_load(&server->quiet);
}

/*
 * This happens once in a server's life and takes seconds, so it looks every few
 * milliseconds instead of having everything that ends anywhere tell of it.
 */
enum dist_err
dist_server_drain(struct dist_server *server, int64_t timeout_ms)
{
	int64_t deadline = dist_deadline_in_ms(timeout_ms);
	struct timespec pause = { 0, 5 * DIST_NS_PER_MS };
	struct dist_server_load load;

	atomic_store(&server->draining, true);
	dist_server_loop_wake(server);
	while (!server_is_drained(server)) {
		if (dist_clock_ns() >= deadline) {
			dist_server_load(server, &load);
			return dist_error_set(
				DIST_ETIMEDOUT,
				"%u calls still run, %u wait, %u are to be "
				"answered later, on %u connections",
				load.running, load.queued, load.deferred,
				load.n_connections);
		}
		nanosleep(&pause, NULL);
	}
	return DIST_OK;
}

void
dist_server_stop(struct dist_server *server)
{
	if (!server)
		return;
	atomic_store(&server->draining, true);
	atomic_store(&server->stopping, true);
	if (server->started) {
		dist_server_loop_wake(server);
		dist_workers_join(&server->workers);
	}
	dist_server_loop_fini(server);
	dist_listeners_close(&server->listeners);
	dist_workers_fini(&server->workers);
	dist_served_table_fini(&server->services);
	dist_large_end();
	free(server);
}
