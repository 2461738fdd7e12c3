/* The registry's procedures (idl/registry.x), on the server's threads. */
#include "base/clock.h"
#include "base/error.h"
#include "idl/registry.h"
#include "master/master_internal.h"

#include <string.h>

static struct dist_master *
master_of(struct svc_req *rqstp)
{
	return dist_request_server_arg(rqstp);
}

/* The reply comes when the node was called back. FALSE: SYSTEM_ERR, no memory. */
bool_t
dist_register_1_svc(dist_registration as, dist_registered *result,
                    struct svc_req *rqstp)
{
	struct dist_master *master = master_of(rqstp);
	const struct dist_sockaddr *peer = dist_request_peer(rqstp);
	uint64_t origin = dist_request_conn_id(rqstp);
	struct dist_deferred *deferred;

	(void)result;
	dist_request_watch_conn(rqstp);
	deferred = dist_request_defer(rqstp);
	if (deferred)
		dist_admit(master, &as, peer, origin, deferred);
	return FALSE;
}

bool_t
dist_heartbeat_1_svc(dist_heartbeat beat, dist_registry_status *result,
                     struct svc_req *rqstp)
{
	struct dist_master *master = master_of(rqstp);

	dist_lock(&master->lock);
	*result = dist_table_heartbeat(master->table, &beat,
	                               dist_request_conn_id(rqstp), dist_clock_ns());
	dist_unlock(&master->lock);
	/* The connection may be a new one: its end tells of the node's from now on, also if
	 * that was before. */
	dist_request_watch_conn(rqstp);
	return TRUE;
}

bool_t
dist_deregister_1_svc(dist_heartbeat beat, dist_registry_status *result,
                      struct svc_req *rqstp)
{
	struct dist_master *master = master_of(rqstp);

	dist_lock(&master->lock);
	*result = dist_table_deregister(master->table, &beat, dist_clock_ns());
	dist_house_wake_locked(master);
	dist_unlock(&master->lock);
	return TRUE;
}

/* Answered through a handle because the view is the table's own memory, not a result
 * that rpcgen's code could free. */
bool_t
dist_list_1_svc(bool_t with_gone, dist_view *result, struct svc_req *rqstp)
{
	struct dist_master *master = master_of(rqstp);
	struct dist_sockaddr seen_at = *dist_request_local(rqstp);
	struct dist_deferred *deferred = dist_request_defer(rqstp);
	struct dist_snapshot *snapshot = NULL;
	enum dist_err err;

	(void)result;
	if (!deferred)
		return FALSE;
	dist_lock(&master->lock);
	err = dist_table_list(master->table, with_gone, dist_clock_ns(), &snapshot);
	dist_unlock(&master->lock);
	if (!err)
		err = dist_viewpoint_apply(snapshot, &seen_at);
	if (err)
		dist_deferred_fail(deferred);
	else
		(void)!dist_list_1_reply(deferred, &snapshot->view);
	dist_snapshot_free(snapshot);
	return FALSE;
}

bool_t
dist_watch_1_svc(dist_watch watch, dist_view *result, struct svc_req *rqstp)
{
	struct dist_sockaddr seen_at = *dist_request_local(rqstp);
	struct dist_deferred *deferred = dist_request_defer(rqstp);

	(void)result;
	if (deferred)
		dist_watch_hold(master_of(rqstp), deferred, &watch, &seen_at);
	return FALSE;
}

void
dist_master_report(struct dist_master *master, const dist_id instance)
{
	struct dist_suspect suspect;

	dist_lock(&master->lock);
	if (dist_table_find_instance(master->table, instance, &suspect))
		dist_house_probe_locked(master, DIST_PROBE_REPORT, &suspect);
	dist_unlock(&master->lock);
}

bool_t
dist_report_1_svc(dist_report report, void *result, struct svc_req *rqstp)
{
	(void)result;
	dist_master_report(master_of(rqstp), report.instance);
	return TRUE;
}

bool_t
dist_drain_1_svc(char *name, bool_t *result, struct svc_req *rqstp)
{
	struct dist_master *master = master_of(rqstp);

	dist_lock(&master->lock);
	*result = dist_table_drain(master->table, name) > 0;
	dist_house_wake_locked(master);
	dist_unlock(&master->lock);
	return TRUE;
}

bool_t
dist_account_1_svc(dist_account account, u_int *result, struct svc_req *rqstp)
{
	char address[DIST_ADDRESS_TEXT_MAX];

	*result = dist_callers_account(
		master_of(rqstp)->callers, &account,
		dist_sockaddr_format(dist_request_peer(rqstp), address),
		dist_request_conn_id(rqstp));
	/* Its end tells that the caller is gone; also if that was before. */
	dist_request_watch_conn(rqstp);
	return TRUE;
}
