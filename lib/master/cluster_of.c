/*
 * A cluster on a master of the same process: its follower reads the table where others
 * watch over the network. The view is copied by way of its encoding, so that what the
 * follower gets is the very thing that a connection would have brought it.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/cluster.h"
#include "client/view_source.h"
#include "master/master_internal.h"
#include "wire/xdr.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIEW_MAX ((size_t)1024 * 1024 * 1024)

struct local_source {
	struct dist_master *master;
	bool interrupted; /* guarded by the master's lock */
};

static enum dist_err
copy_view(const dist_view *from, dist_view *ret_view)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;
	struct dist_bytes record;
	enum dist_err err;

	dist_encoder_init(&encoder, NULL, 0, VIEW_MAX);
	err = dist_encoder_put(&encoder, (xdrproc_t)xdr_dist_view, from);
	if (err)
		return err;
	record = (struct dist_bytes){ encoder.data, dist_encoder_length(&encoder) };
	dist_decoder_init(&decoder, record, dist_decoder_default_budget(record.length));
	memset(ret_view, 0, sizeof(*ret_view));
	return dist_decoder_get(&decoder, (xdrproc_t)xdr_dist_view, ret_view);
}

/* Until there is news for who has seen @epoch, or time is up. */
static void
source_wait_locked(struct dist_master *master, struct local_source *source,
                   const dist_id master_id, uint64_t epoch, int64_t hold_ms)
	DIST_REQUIRES(&master->lock)
{
	int64_t until_ns = dist_deadline_in_ms(hold_ms);
	bool over = hold_ms <= 0;

	while (!source->interrupted && !master->stopping && !over &&
	       epoch >= master->told_epoch &&
	       !memcmp(master_id, master->id, sizeof(dist_id)))
		over = !dist_cond_wait_until(&master->told, &master->lock, until_ns);
}

static enum dist_err
source_next(void *arg, const dist_id master_id, uint64_t epoch, int64_t hold_ms,
            dist_view *ret_view)
{
	DIST_CLEANUP(dist_snapshot_freep) struct dist_snapshot *snapshot = NULL;
	struct local_source *source = arg;
	struct dist_master *master = source->master;
	enum dist_err err;

	dist_lock(&master->lock);
	source_wait_locked(master, source, master_id, epoch, hold_ms);
	if (source->interrupted || master->stopping)
		err = dist_error_set_plain(DIST_ECLOSED);
	else
		err = dist_table_view(master->table, master_id, epoch, dist_clock_ns(),
		                      &snapshot);
	dist_unlock(&master->lock);
	return err ? err : copy_view(&snapshot->view, ret_view);
}

static void
source_interrupt(void *arg)
{
	struct local_source *source = arg;

	dist_lock(&source->master->lock);
	source->interrupted = true;
	dist_cond_broadcast(&source->master->told);
	dist_unlock(&source->master->lock);
}

static void
source_report(void *arg, const dist_id instance)
{
	struct local_source *source = arg;

	dist_master_report(source->master, instance);
}

static uint32_t
source_account(void *arg, const dist_account *account)
{
	struct local_source *source = arg;

	return dist_callers_account(source->master->callers, account, "", 0);
}

enum dist_err
dist_cluster_of_sized(struct dist_cluster **ret_cluster, struct dist_master *master,
                      const struct dist_cluster_options *options, size_t options_size)
{
	struct dist_view_source source = {
		.next = source_next,
		.interrupt = source_interrupt,
		.report = source_report,
		.account = source_account,
		.release = free,
	};
	struct local_source *local;

	if (master->process != getpid())
		return dist_error_set_plain(DIST_EFORKED);
	local = calloc(1, sizeof(*local));
	if (!local)
		return dist_error_set_plain(DIST_ENOMEM);
	local->master = master;
	source.arg = local;
	return dist_cluster_open_source(ret_cluster, source, options, options_size);
}
