#include "caller.h"

#include "chaos.h"
#include "journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLER_MAX_PAYLOAD (700 * 1000)
#define CALLER_WINDOW      12
#define CALLER_TEXT_MAX    300
/* Between two bursts, and how long one is. */
#define CALLER_BURST_EVERY 400
#define CALLER_BURST       100
/* When the cluster has been closed: for what has not ended, though it should have. */
#define CALLER_LAST_WAIT_MS 10000

static const char *const kind_names[CALLER_N_KINDS] = {
	"sync", "wait", "cancel", "any", "queue", "then",
};

static const struct {
	int64_t timeout_ms, wait_ms;
	int64_t hedge_ms; /* of the idempotent ones */
} manners[CALLER_N_MANNERS / 2] = {
	{ 0, 0, 0 },    { 0, 0, 20 },     { 0, 3000, 0 },   { 0, 3000, 5 },
	{ 20, 0, 0 },   { 20, 3000, 0 },  { 100, 0, 0 },    { 100, 3000, 20 },
	{ 600, 0, 20 }, { 600, 3000, 0 }, { 2500, 0, 200 }, { 2500, 3000, 0 },
};

static atomic_uint_fast64_t next_token, n_begun, n_ended;

void
caller_tokens_from(uint64_t first)
{
	next_token = first;
}

void
caller_count(uint64_t *ret_begun, uint64_t *ret_ended)
{
	*ret_ended = n_ended;
	*ret_begun = n_begun;
}

/* --- Chance ----------------------------------------------------------------------- */

/* xorshift64*: Marsaglia, "Xorshift RNGs", 2003. */
static uint64_t
caller_random(struct caller *caller)
{
	caller->random ^= caller->random >> 12;
	caller->random ^= caller->random << 25;
	caller->random ^= caller->random >> 27;
	return (caller->random * UINT64_C(0x2545f4914f6cdd1d)) >> 16;
}

static unsigned
caller_between(struct caller *caller, unsigned from, unsigned to)
{
	return from + (unsigned)(caller_random(caller) % (to - from + 1));
}

static unsigned
caller_draw_work_us(struct caller *caller)
{
	unsigned percent = caller_between(caller, 0, 99);

	if (percent < 70)
		return caller_between(caller, 0, 300);
	if (percent < 93)
		return caller_between(caller, 1000, 20000);
	if (percent < 99)
		return caller_between(caller, 20000, 200000);
	return caller_between(caller, 300000, 2000000);
}

static unsigned
caller_draw_size(struct caller *caller)
{
	unsigned permille = caller_between(caller, 0, 999);

	if (permille < 850)
		return caller_between(caller, 0, 64);
	if (permille < 970)
		return caller_between(caller, 64, 4096);
	if (permille < 997)
		return caller_between(caller, 4096, 65536);
	return caller_between(caller, 262144, CALLER_MAX_PAYLOAD);
}

/* --- One call --------------------------------------------------------------------- */

struct call {
	uint64_t token;
	int64_t from_ns;
	unsigned procedure;
	CLIENT *client;
	chaos_work work;
	chaos_answer answer;
	struct dist_waiter *waiter;
	atomic_bool busy; /* begun, and not yet ended */
};

/* Draws a call, and writes down that it is about to be made. */
static void
call_begin(struct caller *caller, struct call *call)
{
	unsigned manner = caller_between(caller, 0, CALLER_N_MANNERS - 1);
	unsigned percent = caller_between(caller, 0, 99);
	bool quick = percent < 50;

	memset(&call->answer, 0, sizeof(call->answer));
	call->token = next_token++;
	call->procedure = quick ? CHAOS_QUICK : percent < 90 ? CHAOS_RUN : CHAOS_LATER;
	call->client = caller->clients[manner];
	call->waiter = NULL;
	call->work.token = call->token;
	call->work.work_us = quick ? 0 : caller_draw_work_us(caller);
	call->work.payload.payload_len =
		quick ? caller_between(caller, 0, 32) : caller_draw_size(caller);
	call->work.payload.payload_val = caller->payload;
	for (u_int i = 0; i < call->work.payload.payload_len; i++)
		caller->payload[i] = (char)(call->token >> (8 * (i % 8)));
	call->busy = true;
	n_begun++;
	journal_write("S %llu %s %u %u %lld %lld %u %u %lld",
	              (unsigned long long)call->token, kind_names[caller->kind],
	              call->procedure,
	              manner % 2 + (manner % 2 && manners[manner / 2].hedge_ms),
	              (long long)manners[manner / 2].timeout_ms,
	              (long long)manners[manner / 2].wait_ms, call->work.work_us,
	              call->work.payload.payload_len, (long long)journal_now_ns());
	call->from_ns = journal_now_ns();
}

/* The polynomial of Ethernet and zlib, so that the checker needs none of its own. */
static uint32_t
crc32_add(uint32_t crc, const void *bytes, size_t length)
{
	static uint32_t table[256];
	const uint8_t *byte = bytes;

	/* Threads may fill it at once: with the same numbers. */
	if (!__atomic_load_n(&table[255], __ATOMIC_ACQUIRE)) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t rest = i;

			for (int bit = 0; bit < 8; bit++)
				rest = rest >> 1 ^
				       (rest & 1 ? UINT32_C(0xedb88320) : 0);
			__atomic_store_n(&table[i], rest, __ATOMIC_RELEASE);
		}
	}
	crc = ~crc;
	while (length--)
		crc = __atomic_load_n(&table[(crc ^ *byte++) & 255], __ATOMIC_RELAXED) ^
		      crc >> 8;
	return ~crc;
}

static uint32_t
answer_crc(const chaos_answer *answer)
{
	uint64_t token = htole64(answer->token);
	uint32_t crc = crc32_add(0, &token, sizeof(token));

	return crc32_add(crc, answer->payload.payload_val, answer->payload.payload_len);
}

/* Texts end a line, so a line end in one would be a lie. */
static const char *
text_in_line(char *line, const char *text)
{
	size_t length = strlen(text);

	if (length >= CALLER_TEXT_MAX)
		length = CALLER_TEXT_MAX - 1;
	memcpy(line, text, length);
	line[length] = '\0';
	for (char *at = line; *at; at++) {
		if (*at == '\n')
			*at = ' ';
	}
	return line;
}

static void
call_forget(struct call *call)
{
	n_ended++;
	call->busy = false;
}

static void
call_not_started(struct call *call, enum dist_err err)
{
	char line[CALLER_TEXT_MAX];

	journal_write("N %llu %s %lld %s", (unsigned long long)call->token,
	              dist_error_name(err), (long long)journal_now_ns(),
	              text_in_line(line, dist_error_text()));
	call_forget(call);
}

static void
call_ended(struct call *call, enum dist_err err, enum clnt_stat status,
           const struct dist_node_info *node, const char *text, int64_t to_ns)
{
	const chaos_answer *answer = &call->answer;
	char line[CALLER_TEXT_MAX];

	journal_write("E %llu %s %d %s %s %d %u %lld %lld %s",
	              (unsigned long long)call->token, dist_error_name(err),
	              (int)status, node ? node->name : "-",
	              answer->node && !err ? answer->node : "-", err ? 0 : answer->pid,
	              err ? 0 : answer_crc(answer), (long long)call->from_ns,
	              (long long)to_ns, text_in_line(line, err ? text : ""));
	xdr_free((xdrproc_t)xdr_chaos_answer, (char *)&call->answer);
	call_forget(call);
}

/* For a waiter whose wait has just said how it ended. */
static void
call_ended_with(struct call *call, enum dist_err err)
{
	int64_t to_ns = journal_now_ns();
	struct dist_waiter *waiter = call->waiter;

	call_ended(call, err, dist_waiter_status(waiter), dist_waiter_node(waiter),
	           dist_waiter_error(waiter), to_ns);
	dist_waiter_free(waiter);
}

static bool
call_start(struct caller *caller, struct call *call)
{
	call_begin(caller, call);
	switch (call->procedure) {
	case CHAOS_RUN:
		call->waiter =
			dist_go(call->client, chaos_run_1, call->work, &call->answer);
		break;
	case CHAOS_QUICK:
		call->waiter =
			dist_go(call->client, chaos_quick_1, call->work, &call->answer);
		break;
	default:
		call->waiter =
			dist_go(call->client, chaos_later_1, call->work, &call->answer);
		break;
	}
	if (!call->waiter)
		call_not_started(call, dist_error_last());
	return call->waiter;
}

/* The cluster is closed: a waiter that has not ended is one that was left. */
static void
call_must_have_ended(struct call *call, const char *where)
{
	enum dist_err err;

	if (!dist_waiter_done(call->waiter))
		journal_write("L %llu %s", (unsigned long long)call->token, where);
	err = dist_waiter_wait(call->waiter, CALLER_LAST_WAIT_MS);
	if (err != DIST_ETIMEDOUT)
		call_ended_with(call, err);
}

/* --- The pace --------------------------------------------------------------------- */

static bool
caller_goes_on(const struct caller *caller)
{
	return !caller->era->resting && !caller->era->closed;
}

static void
rest_us(unsigned us)
{
	struct timespec rest = { .tv_sec = us / 1000000,
		                 .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&rest, NULL);
}

/* Between two calls; none within a burst, which comes now and then. */
static void
caller_rest(struct caller *caller, unsigned *n_calls)
{
	unsigned phase = ++*n_calls % (CALLER_BURST_EVERY + CALLER_BURST);

	if (phase < CALLER_BURST_EVERY)
		rest_us(caller_between(caller, 0, 2 * caller->era->pace_us));
}

/* --- One at a time ---------------------------------------------------------------- */

static void
caller_sync(struct caller *caller)
{
	unsigned n_calls = 0;
	struct call call;
	enum clnt_stat status;
	int64_t to_ns;

	while (caller_goes_on(caller)) {
		call_begin(caller, &call);
		if (call.procedure == CHAOS_RUN)
			status = chaos_run_1(call.work, &call.answer, call.client);
		else if (call.procedure == CHAOS_QUICK)
			status = chaos_quick_1(call.work, &call.answer, call.client);
		else
			status = chaos_later_1(call.work, &call.answer, call.client);
		to_ns = journal_now_ns();
		call_ended(&call, status == RPC_SUCCESS ? DIST_OK : dist_error_last(),
		           status, dist_last_node(call.client), dist_error_text(),
		           to_ns);
		caller_rest(caller, &n_calls);
	}
}

static void
caller_wait(struct caller *caller)
{
	unsigned n_calls = 0;
	struct call call;
	enum dist_err err;

	while (caller_goes_on(caller)) {
		if (call_start(caller, &call)) {
			int64_t slice_ms = n_calls % 2 ? DIST_FOREVER : 7;

			while ((err = dist_waiter_wait(call.waiter, slice_ms)) ==
			       DIST_ETIMEDOUT)
				;
			call_ended_with(&call, err);
		}
		caller_rest(caller, &n_calls);
	}
}

static void
caller_cancel(struct caller *caller)
{
	unsigned n_calls = 0;
	struct call call;
	enum dist_err err;

	while (caller_goes_on(caller)) {
		if (call_start(caller, &call)) {
			err = dist_waiter_wait(call.waiter,
			                       caller_between(caller, 0, 20));
			if (err == DIST_ETIMEDOUT) {
				dist_waiter_cancel(call.waiter);
				call_must_have_ended(&call, "after-cancel");
			} else {
				call_ended_with(&call, err);
			}
		}
		caller_rest(caller, &n_calls);
	}
}

/* --- Several at once -------------------------------------------------------------- */

static void
caller_any(struct caller *caller)
{
	struct dist_waiter *waiters[CALLER_WINDOW] = { NULL };
	struct call calls[CALLER_WINDOW] = { 0 };
	unsigned n_calls = 0, n_left = 0;

	while (caller_goes_on(caller) || (n_left && !caller->era->closed)) {
		size_t i = CALLER_WINDOW;
		enum dist_err err = dist_wait_any(waiters, CALLER_WINDOW,
		                                  caller_goes_on(caller) ? 0 : 20, &i);

		/* All that have ended first, so that none is seen late. */
		if (i < CALLER_WINDOW) {
			call_ended_with(&calls[i], err);
			waiters[i] = NULL;
			n_left--;
			continue;
		}
		i = caller_between(caller, 0, CALLER_WINDOW - 1);
		if (!waiters[i] && caller_goes_on(caller) &&
		    call_start(caller, &calls[i])) {
			waiters[i] = calls[i].waiter;
			n_left++;
		}
		caller_rest(caller, &n_calls);
	}
	for (size_t i = 0; i < CALLER_WINDOW; i++) {
		if (waiters[i])
			call_must_have_ended(&calls[i], "after-close");
	}
}

/* False: none has ended. */
static bool
queue_take(struct dist_queue *queue, int64_t timeout_ms, unsigned *n_left)
{
	struct dist_waiter *waiter = dist_queue_take(queue, timeout_ms);

	if (!waiter)
		return false;
	call_ended_with(dist_waiter_tag(waiter), dist_waiter_wait(waiter, 0));
	--*n_left;
	return true;
}

static void
queue_add(struct caller *caller, struct dist_queue *queue, struct call *call,
          unsigned *n_left)
{
	if (!call_start(caller, call))
		return;
	if (dist_queue_add(queue, call->waiter, call) == DIST_OK)
		++*n_left;
	else
		call_ended_with(call, dist_waiter_wait(call->waiter, DIST_FOREVER));
}

static void
caller_queue(struct caller *caller)
{
	struct call calls[CALLER_WINDOW] = { 0 };
	struct dist_queue *queue = NULL;
	unsigned n_calls = 0, n_left = 0;

	/* Its descriptor may not be had for a while. */
	while (caller_goes_on(caller) && dist_queue_new(&queue))
		rest_us(10000);
	while (queue && (caller_goes_on(caller) || (n_left && !caller->era->closed))) {
		struct call *call =
			&calls[caller_between(caller, 0, CALLER_WINDOW - 1)];

		if (queue_take(queue, caller_goes_on(caller) ? 0 : 20, &n_left))
			continue;
		if (!call->busy && caller_goes_on(caller))
			queue_add(caller, queue, call, &n_left);
		caller_rest(caller, &n_calls);
	}
	for (unsigned i = 0; i < CALLER_WINDOW && n_left; i++)
		queue_take(queue, 0, &n_left);
	for (size_t i = 0; i < CALLER_WINDOW; i++) {
		if (calls[i].busy)
			journal_write("L %llu after-close-queue",
			              (unsigned long long)calls[i].token);
	}
	dist_queue_free(queue);
}

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	struct call *call = arg;
	int64_t to_ns = journal_now_ns();
	enum clnt_stat status = dist_waiter_status(waiter);
	enum dist_err err = dist_waiter_wait(waiter, 0);

	if (!call->busy) {
		journal_write("T %llu", (unsigned long long)call->token);
		return;
	}
	/*
	 * Its own callback is not to wait for it; how it ended the status tells, but
	 * for RPC_FAILED, which stands for several errors: here the cluster was closed.
	 */
	if (err == DIST_EDEADLK)
		err = status == RPC_FAILED ? DIST_ECLOSED
		                           : dist_error_from_clnt_stat(status);
	call_ended(call, status == RPC_SUCCESS ? DIST_OK : err, status,
	           dist_waiter_node(waiter), dist_waiter_error(waiter), to_ns);
	dist_waiter_free(waiter);
}

static void
caller_then(struct caller *caller)
{
	struct call calls[CALLER_WINDOW] = { 0 };
	unsigned n_calls = 0;
	bool any_left;

	do {
		struct call *call =
			&calls[caller_between(caller, 0, CALLER_WINDOW - 1)];

		if (!call->busy && caller_goes_on(caller) && call_start(caller, call)) {
			struct dist_waiter *waiter = call->waiter;

			/* The callback frees it. */
			if (dist_waiter_then(waiter, on_end, call))
				call_ended_with(call,
				                dist_waiter_wait(waiter, DIST_FOREVER));
		}
		caller_rest(caller, &n_calls);
		any_left = false;
		for (size_t i = 0; i < CALLER_WINDOW; i++)
			any_left |= calls[i].busy;
	} while (caller_goes_on(caller) || (any_left && !caller->era->closed));
	for (size_t i = 0; i < CALLER_WINDOW; i++) {
		if (calls[i].busy)
			journal_write("L %llu after-close-then",
			              (unsigned long long)calls[i].token);
	}
}

/* --- The thread ------------------------------------------------------------------- */

static bool
caller_prepare(struct caller *caller)
{
	for (unsigned i = 0; i < CALLER_N_MANNERS; i++) {
		struct dist_call_options options = {
			.idempotent = i % 2,
			.timeout_ms = manners[i / 2].timeout_ms,
			.wait_for_nodes_ms = manners[i / 2].wait_ms,
			.hedge_after_ms = i % 2 ? manners[i / 2].hedge_ms : 0,
		};

		caller->clients[i] = dist_client_create_with(
			caller->era->cluster, CHAOS_PROG, CHAOS_V1, &options);
		if (!caller->clients[i])
			return false;
	}
	caller->payload = malloc(CALLER_MAX_PAYLOAD);
	return caller->payload;
}

void *
caller_main(void *arg)
{
	static void (*const kinds[CALLER_N_KINDS])(struct caller *) = {
		caller_sync, caller_wait,  caller_cancel,
		caller_any,  caller_queue, caller_then,
	};
	struct caller *caller = arg;

	if (caller_prepare(caller))
		kinds[caller->kind](caller);
	else
		journal_write("# a caller had no memory to begin with");
	for (unsigned i = 0; i < CALLER_N_MANNERS; i++) {
		if (caller->clients[i])
			clnt_destroy(caller->clients[i]);
	}
	free(caller->payload);
	return NULL;
}
