/*
 * /palindrome?n=N: the binary palindromes from 0 to N, counted by all nodes.
 *
 * The range is cut into pieces, and each piece is a call. Whoever sees the last of them
 * end adds them up and sends the reply.
 */
#include "web/web.h"

#include "numbers.h"
#include "palindrome.h"
#include "palindrome/pieces.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some seconds of work for one core. */
#define COUNT_MAX_N 1000000000

struct piece {
	palindrome_range range;
	palindrome_tally tally;
	struct dist_waiter *waiter; /* kept for the node's name; NULL: not started */
};

/* One request under way: its connection is suspended until all pieces have ended. */
struct count {
	struct MHD_Connection *connection;
	int64_t last;
	uint64_t n_pieces;
	atomic_ulong n_left; /* pieces that have not ended, and one while starting */
	enum clnt_stat
		start_status; /* of a piece that did not start, and its sentence */
	char start_error[512];
	struct piece pieces[];
};

/* --- The reply ------------------------------------------------------------ */

/* The first thing that went wrong, and its sentence; RPC_SUCCESS: nothing did. */
static enum clnt_stat
count_status(const struct count *count, const char **ret_sentence)
{
	*ret_sentence = count->start_error;
	if (count->start_status != RPC_SUCCESS)
		return count->start_status;
	for (uint64_t i = 0; i < count->n_pieces; i++) {
		enum clnt_stat stat = dist_waiter_status(count->pieces[i].waiter);

		*ret_sentence = dist_waiter_error(count->pieces[i].waiter);
		if (stat != RPC_SUCCESS)
			return stat;
		*ret_sentence = "a node refused its piece of the range";
		if (count->pieces[i].tally.status != PALINDROME_COUNTED)
			return RPC_CANTDECODERES;
	}
	return RPC_SUCCESS;
}

/* {"n": 2000, "count": 93, "nodes": {NAME: PIECES, ...}} */
static json_t *
count_to_json(const struct count *count)
{
	json_t *nodes = json_object();
	json_int_t total = 0;

	for (uint64_t i = 0; i < count->n_pieces; i++) {
		const struct piece *piece = &count->pieces[i];
		const char *name = dist_waiter_node(piece->waiter)->name;
		json_int_t n_before = json_integer_value(json_object_get(nodes, name));

		total += piece->tally.palindrome_tally_u.count;
		json_object_set_new(nodes, name, json_integer(n_before + 1));
	}
	return json_pack("{s:I,s:I,s:o}", "n", (json_int_t)count->last, "count", total,
	                 "nodes", nodes);
}

static void
count_reply(struct count *count)
{
	const char *sentence;
	enum clnt_stat stat = count_status(count, &sentence);

	if (stat != RPC_SUCCESS)
		web_reply_error(count->connection, web_status(stat), sentence);
	else
		web_reply(count->connection, MHD_HTTP_OK, count_to_json(count));
	MHD_resume_connection(count->connection);
	for (uint64_t i = 0; i < count->n_pieces; i++)
		dist_waiter_free(count->pieces[i].waiter);
	free(count);
}

/* @n pieces have ended, or will never start. The last one replies. */
static void
count_ended(struct count *count, uint64_t n)
{
	if (atomic_fetch_sub(&count->n_left, n) == n)
		count_reply(count);
}

/* --- The calls ------------------------------------------------------------ */

/* On a callback thread, once for each piece, however its call ended. */
static void
piece_end(struct dist_waiter *waiter, void *arg)
{
	(void)waiter; /* count_reply() frees it, with all others */
	count_ended(arg, 1);
}

static bool
piece_start(struct count *count, struct piece *piece, CLIENT *palindrome)
{
	piece->waiter =
		dist_go(palindrome, palindrome_count_1, piece->range, &piece->tally);
	if (piece->waiter && !dist_waiter_then(piece->waiter, piece_end, count))
		return true;
	count->start_status = dist_error_to_clnt_stat(dist_error_last());
	snprintf(count->start_error, sizeof(count->start_error), "%s",
	         dist_error_text());
	return false;
}

/* When a piece does not start, those before it are of no use any more. */
static void
count_start(struct count *count, CLIENT *palindrome)
{
	uint64_t i = 0;

	for (; i < count->n_pieces; i++) {
		count->pieces[i].range = pieces_get(count->last, count->n_pieces, i);
		if (!piece_start(count, &count->pieces[i], palindrome))
			break;
	}
	for (uint64_t j = 0; i < count->n_pieces && j < i; j++)
		dist_waiter_cancel(count->pieces[j].waiter);
	count_ended(count, count->n_pieces - i + 1);
}

static struct count *
count_new(struct MHD_Connection *connection, int64_t last, uint64_t n_pieces)
{
	struct count *count;

	count = calloc(1, sizeof(*count) + n_pieces * sizeof(count->pieces[0]));
	if (!count)
		return NULL;
	count->connection = connection;
	count->last = last;
	count->n_pieces = n_pieces;
	atomic_init(&count->n_left, n_pieces + 1);
	return count;
}

/* The n of the query string; false: there is none, or none that is allowed. */
static bool
query_parse(struct MHD_Connection *connection, int64_t *ret_last)
{
	const char *text = NULL;
	size_t size = 0;

	MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, "n", 1, &text,
	                              &size);
	/* A %00 ends the string, and not the value. */
	return text && strlen(text) == size &&
	       number_parse(text, 0, COUNT_MAX_N, ret_last);
}

enum MHD_Result
web_palindrome(struct web *web, struct MHD_Connection *connection)
{
	struct count *count = NULL;
	uint64_t n_pieces;
	int64_t last;

	if (!query_parse(connection, &last))
		return web_reply_error(
			connection, MHD_HTTP_BAD_REQUEST,
			"n must be a whole number from 0 to 1000000000, as "
			"in /palindrome?n=2000");

	if (!pieces_plan(web->cluster, last, &n_pieces))
		count = count_new(connection, last, n_pieces);
	if (!count)
		return web_reply_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
		                       "out of memory");

	MHD_suspend_connection(connection);
	count_start(count, web->palindrome);
	return MHD_YES;
}
