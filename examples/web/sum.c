/* /sum: three random numbers, added by one node, which the reply names. */
#include "web/web.h"

#include "arith.h"

#include <stdlib.h>
#include <sys/random.h>

/* One request under way: its connection is suspended until the call has ended. */
struct sum {
	struct MHD_Connection *connection;
	int numbers[3];
	quad_t total;
};

static json_t *
sum_to_json(const struct sum *sum, struct dist_waiter *waiter)
{
	return json_pack("{s:[i,i,i],s:I,s:s}", "numbers", sum->numbers[0],
	                 sum->numbers[1], sum->numbers[2], "sum",
	                 (json_int_t)sum->total, "node",
	                 dist_waiter_node(waiter)->name);
}

/* On a callback thread, once, however the call ended. */
static void
sum_end(struct dist_waiter *waiter, void *arg)
{
	struct sum *sum = arg;
	enum clnt_stat stat = dist_waiter_status(waiter);

	if (stat != RPC_SUCCESS)
		web_reply_error(sum->connection, web_status(stat),
		                dist_waiter_error(waiter));
	else
		web_reply(sum->connection, MHD_HTTP_OK, sum_to_json(sum, waiter));
	MHD_resume_connection(sum->connection);
	dist_waiter_free(waiter);
	free(sum);
}

/* Three numbers from 0 to 999. */
static bool
sum_pick_numbers(struct sum *sum)
{
	uint16_t random[3];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	for (int i = 0; i < 3; i++)
		sum->numbers[i] = random[i] % 1000;
	return true;
}

/* False: it could not be started; this thread's error says why. */
static bool
sum_start(struct sum *sum, CLIENT *arith)
{
	int_array numbers = { 3, sum->numbers };
	struct dist_waiter *waiter;

	waiter = dist_go(arith, arith_sum_1, numbers, &sum->total);
	if (waiter && !dist_waiter_then(waiter, sum_end, sum))
		return true;
	dist_waiter_free(waiter);
	return false;
}

enum MHD_Result
web_sum(struct web *web, struct MHD_Connection *connection)
{
	struct sum *sum = calloc(1, sizeof(*sum));

	if (!sum || !sum_pick_numbers(sum)) {
		free(sum);
		return web_reply_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
		                       "no memory, or no random numbers");
	}

	/* First, since the call may end before dist_go() has returned. */
	sum->connection = connection;
	MHD_suspend_connection(connection);
	if (!sum_start(sum, web->arith)) {
		web_reply_error(connection,
		                web_status(dist_error_to_clnt_stat(dist_error_last())),
		                dist_error_text());
		MHD_resume_connection(connection);
		free(sum);
	}
	return MHD_YES;
}
