#include "client/last.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/thread.h"
#include "client/peer_internal.h"

/* CLIENTs that a thread remembers; the one it has not used for longest makes room. */
#define LAST_MAX 64

struct last_table {
	unsigned n;
	struct dist_last entries[LAST_MAX]; /* the most recent first */
};

static DIST_THREAD_LOCAL struct last_table *table;
static DIST_THREAD_LOCAL struct dist_last alone; /* instead, for want of memory; no peer */
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
table_free(void *arg)
{
	struct last_table *old = arg;

	for (unsigned i = 0; i < old->n; i++)
		dist_peer_unref(old->entries[i].peer);
	free(old);
	table = NULL;
}

static void
make_key(void)
{
	pthread_key_create(&at_exit, table_free);
}

static struct last_table *
table_get(void)
{
	if (!table) {
		pthread_once(&once, make_key);
		table = calloc(1, sizeof(*table));
		/* That may need memory, too; without it nobody would free the table. */
		if (table && pthread_setspecific(at_exit, table)) {
			free(table);
			table = NULL;
		}
	}
	return table;
}

bool
dist_last_prepare(void)
{
	if (table_get())
		return true;
	dist_error_set_plain(DIST_ENOMEM);
	return false;
}

struct dist_last *
dist_last_find(uint64_t clnt_id)
{
	if (!table && alone.clnt_id == clnt_id)
		return &alone;
	for (unsigned i = 0; table && i < table->n; i++) {
		if (table->entries[i].clnt_id == clnt_id)
			return &table->entries[i];
	}
	return NULL;
}

void
dist_last_set(uint64_t clnt_id, const struct rpc_err *rpc_err, struct dist_peer *peer)
{
	struct last_table *mine = table_get();
	unsigned at;

	if (!mine) {
		alone = (struct dist_last){ clnt_id, *rpc_err, NULL };
		return;
	}
	/* The same CLIENT, answered by the same node: mostly it is so. */
	if (mine->n && mine->entries[0].clnt_id == clnt_id && mine->entries[0].peer == peer) {
		mine->entries[0].rpc_err = *rpc_err;
		return;
	}
	for (at = 0; at < mine->n && mine->entries[at].clnt_id != clnt_id; at++)
		;
	if (at == mine->n && mine->n < LAST_MAX)
		mine->n++;
	else if (at == mine->n)
		at--;
	if (peer)
		dist_peer_ref(peer);
	dist_peer_unref(mine->entries[at].peer);
	memmove(&mine->entries[1], &mine->entries[0], at * sizeof(mine->entries[0]));
	mine->entries[0] = (struct dist_last){ clnt_id, *rpc_err, peer };
}

void
dist_last_forget(uint64_t clnt_id)
{
	struct dist_last *last = dist_last_find(clnt_id);
	size_t at;

	if (!last || last == &alone)
		return;
	dist_peer_unref(last->peer);
	at = (size_t)(last - table->entries);
	table->n--;
	memmove(last, last + 1, (table->n - at) * sizeof(*last));
	table->entries[table->n] = (struct dist_last){ 0 };
}
