/*
 * INTERFACES and INTERFACE of the node program: what the services carry of their .x. The
 * copies are rpcgen's to free.
 */
#include "base/cleanup.h"
#include "idl/node.h"
#include "server/core.h"
#include "server/xprt.h"

#include <stdlib.h>
#include <string.h>

/* NULL: the program was registered with a transport that is not ours. */
static struct dist_server *
server_of(struct svc_req *rqstp)
{
	const struct dist_server_call *call = dist_xprt_call(rqstp->rq_xprt);

	return call ? call->conn->server : NULL;
}

/* --- INTERFACES ----------------------------------------------------------------- */

/* Given; NULL: no memory. Too long to be told, a name is none. */
static char *
copy_name(const char *name)
{
	return strdup(name && strlen(name) <= DIST_STAT_IDENTIFIER_MAX ? name : "");
}

static bool
add_entry(dist_interfaces_result *result, const struct dist_served *served)
{
	dist_interface_entry *entry =
		&result->entries.entries_val[result->entries.entries_len];

	entry->prog = served->prog;
	entry->vers = served->vers;
	entry->length = (u_int)served->interface_length;
	entry->prog_name = copy_name(served->service->program_name);
	entry->vers_name = copy_name(served->service->version_name);
	if (entry->prog_name && entry->vers_name) {
		result->entries.entries_len++;
		return true;
	}
	free(entry->prog_name);
	free(entry->vers_name);
	return false;
}

static int
entry_compare(const void *left, const void *right)
{
	const dist_interface_entry *a = left, *b = right;

	if (a->prog != b->prog)
		return a->prog < b->prog ? -1 : 1;
	return a->vers < b->vers ? -1 : a->vers > b->vers;
}

static bool
add_entries(dist_interfaces_result *result, const struct dist_served_table *table)
{
	size_t n = DIST_MIN(table->n, DIST_INTERFACES_MAX);

	result->entries.entries_val =
		calloc(n + 1, sizeof(*result->entries.entries_val));
	if (!result->entries.entries_val)
		return false;
	for (size_t i = 0; i < table->n && result->entries.entries_len < n; i++) {
		if (table->list[i]->interface && !add_entry(result, table->list[i]))
			return false;
	}
	qsort(result->entries.entries_val, result->entries.entries_len,
	      sizeof(*result->entries.entries_val), entry_compare);
	return true;
}

bool_t
dist_node_interfaces_1_svc(dist_interfaces_result *result, struct svc_req *rqstp)
{
	struct dist_server *server = server_of(rqstp);

	if (!server)
		return FALSE;
	memset(result, 0, sizeof(*result));
	memcpy(result->instance, server->options.instance, sizeof(result->instance));
	if (add_entries(result, &server->services))
		return TRUE;
	xdr_free((xdrproc_t)xdr_dist_interfaces_result, result);
	return FALSE;
}

/* --- INTERFACE ------------------------------------------------------------------ */

/* False: no memory. */
static bool
take_piece(dist_interface_piece *result, const struct dist_served *served, size_t offset)
{
	size_t length = served->interface_length - offset;

	length = DIST_MIN(length, DIST_INTERFACE_PIECE);
	result->text.text_val = malloc(length);
	if (!result->text.text_val)
		return false;
	memcpy(result->text.text_val, served->interface + offset, length);
	result->text.text_len = (u_int)length;
	return true;
}

bool_t
dist_node_interface_1_svc(dist_interface_wanted wanted, dist_interface_piece *result,
                          struct svc_req *rqstp)
{
	struct dist_server *server = server_of(rqstp);
	const struct dist_served *served;

	if (!server)
		return FALSE;
	memset(result, 0, sizeof(*result));
	memcpy(result->instance, server->options.instance, sizeof(result->instance));
	served = dist_served_table_find(&server->services, wanted.prog, wanted.vers);
	if (!served)
		return TRUE;
	result->length = (u_int)served->interface_length;
	return wanted.offset >= served->interface_length ||
	       take_piece(result, served, wanted.offset);
}
