/*
 * What a peer may send in the place of a reply: xids that are nobody's, replies twice
 * or too late, of another shape, with results that lie, or cut at any byte. The test is
 * the peer; another one, on a connection of its own in the same runtime, behaves, and
 * its calls go on whatever happens to the first.
 */
#include "support/check.h"

#include "client/peer.h"
#include "idl/node.h"
#include "lying.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "support/allocations.h"

#include <dist/log.h>
#include <dist/waiter.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_RECORD ((size_t)1 << 20)
/* No lie is believed so far: some buffers are this large. */
#define BELIEVED_MAX ((size_t)256 * 1024)

/* A peer as the client has it, and the other end of its connection. */
struct side {
	struct dist_peer *peer;
	CLIENT *clnt;
	int fd; /* -1: not connected */
};

static struct dist_runtime *runtime;
static int listener;
static struct dist_sockaddr address;
static struct side good, bad;

/* --- The peers ---------------------------------------------------------------- */

static void
side_open(struct side *side)
{
	const struct dist_peer_options options = { .max_record_bytes = MAX_RECORD };

	*side = (struct side){ .fd = -1 };
	assert_ok(dist_peer_open(&side->peer, runtime, &address, &options));
	side->clnt = dist_peer_client(side->peer, LYING_PROG, LYING_V1, NULL);
	assert_non_null(side->clnt);
}

/* The end of its connection; the next call makes another. */
static void
side_hang_up(struct side *side)
{
	close(side->fd);
	side->fd = -1;
}

static void
side_close(struct side *side)
{
	if (side->fd >= 0)
		side_hang_up(side);
	clnt_destroy(side->clnt);
	dist_peer_close(side->peer);
}

static int
setup(void **state)
{
	(void)state;
	assert_ok(dist_runtime_start(&runtime, "test"));
	assert_true(dist_sockaddr_from_numeric("127.0.0.1", 0, &address));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, &address.sa, address.length), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, &address.sa, &address.length), 0);
	side_open(&good);
	side_open(&bad);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	side_close(&good);
	side_close(&bad);
	close(listener);
	dist_runtime_stop(runtime);
	return 0;
}

/* --- Calls and replies -------------------------------------------------------- */

struct pending {
	struct dist_waiter *waiter;
	uint32_t xid;
	lying_ints result;
};

/* The next record that the client sent, whose xid this is. */
static uint32_t
take_call(struct side *side)
{
	struct timeval limit = { 20, 0 };
	uint8_t bytes[1024];
	uint32_t length;

	if (side->fd < 0) {
		side->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(side->fd >= 0);
		setsockopt(side->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
	assert_int_equal(recv(side->fd, bytes, 4, MSG_WAITALL), 4);
	length = dist_load_be32(bytes) & 0x7fffffff;
	assert_in_range(length, 40, sizeof(bytes));
	assert_int_equal(recv(side->fd, bytes, length, MSG_WAITALL), length);
	return dist_load_be32(bytes);
}

static void
call_begin(struct side *side, struct pending *pending)
{
	memset(pending, 0, sizeof(*pending));
	pending->waiter = dist_go(side->clnt, lying_ints_1, (lying_ints){ 0, NULL },
	                          &pending->result);
	assert_non_null(pending->waiter);
	pending->xid = take_call(side);
}

static void
send_words(int fd, const uint32_t *words, size_t n)
{
	uint8_t bytes[256];

	assert_true(4 * n <= sizeof(bytes));
	for (size_t i = 0; i < n; i++)
		dist_store_be32(bytes + 4 * i, words[i]);
	assert_int_equal(send(fd, bytes, 4 * n, MSG_NOSIGNAL), 4 * n);
}

/* A record of these words. */
#define SEND_RECORD(fd, ...) \
	do { \
		const uint32_t words_[] = { 0, __VA_ARGS__ }; \
		uint32_t marked_[DIST_ARRAY_SIZE(words_)]; \
		memcpy(marked_, words_, sizeof(words_)); \
		marked_[0] = 0x80000000u | (uint32_t)(sizeof(words_) - 4); \
		send_words(fd, marked_, DIST_ARRAY_SIZE(marked_)); \
	} while (0)

/* Up to the results. */
#define SUCCESS_HEAD(xid) (xid), REPLY, MSG_ACCEPTED, 0, 0, SUCCESS

/* A success: one number. */
static void
answer(struct side *side, uint32_t xid, uint32_t number)
{
	SEND_RECORD(side->fd, SUCCESS_HEAD(xid), 1, number);
}

static void
call_free(struct pending *pending)
{
	dist_waiter_free(pending->waiter);
	xdr_free((xdrproc_t)xdr_lying_ints, (char *)&pending->result);
}

static void
expect_number(struct pending *pending, int number)
{
	assert_ok(dist_waiter_wait(pending->waiter, DIST_FOREVER));
	assert_int_equal(pending->result.lying_ints_len, 1);
	assert_int_equal(pending->result.lying_ints_val[0], number);
	call_free(pending);
}

/* It was sent, and nothing that came was its reply. */
static void
expect_lost(struct pending *pending)
{
	assert_err(dist_waiter_wait(pending->waiter, DIST_FOREVER), DIST_ECONNRESET);
	assert_int_equal(dist_waiter_status(pending->waiter), RPC_CANTRECV);
	assert_non_null(strstr(dist_waiter_error(pending->waiter), "may have run"));
	assert_null(pending->result.lying_ints_val);
	call_free(pending);
}

/* It was sent, and the node said that it did not run. */
static void
expect_not_run(struct pending *pending)
{
	assert_err(dist_waiter_wait(pending->waiter, DIST_FOREVER), DIST_EBUSY);
	assert_non_null(strstr(dist_waiter_error(pending->waiter), "did not run"));
	call_free(pending);
}

static void
assert_others_go_on(void)
{
	struct pending pending;

	call_begin(&good, &pending);
	answer(&good, pending.xid, 4711);
	expect_number(&pending, 4711);
}

/* --- xids --------------------------------------------------------------------- */

static void
test_a_reply_with_an_unknown_xid_is_nobodys(void **state)
{
	struct pending one, two;

	(void)state;
	call_begin(&bad, &one);
	call_begin(&bad, &two);
	answer(&bad, one.xid - 1, 1);
	answer(&bad, two.xid + 1, 2);
	answer(&bad, one.xid ^ 0x80000000u, 3);
	answer(&bad, two.xid, 20); /* all before it has been read by then */
	expect_number(&two, 20);
	assert_err(dist_waiter_wait(one.waiter, 0), DIST_ETIMEDOUT);
	answer(&bad, one.xid, 10);
	expect_number(&one, 10);
	assert_others_go_on();
}

/* Whoever guesses the next xid answers nobody: it is not given out yet. */
static void
test_a_reply_before_its_call_is_nobodys(void **state)
{
	struct pending one, two;

	(void)state;
	call_begin(&bad, &one);
	answer(&bad, one.xid + 1, 666);
	answer(&bad, one.xid, 1);
	expect_number(&one, 1);
	call_begin(&bad, &two);
	assert_int_equal(two.xid, one.xid + 1);
	assert_err(dist_waiter_wait(two.waiter, 0), DIST_ETIMEDOUT);
	answer(&bad, two.xid, 2);
	expect_number(&two, 2);
	assert_others_go_on();
}

/* Of three calls how often each callback ran. */
static atomic_uint n_told[3];

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	(void)waiter;
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static void
test_a_repeated_reply_ends_its_call_once(void **state)
{
	struct pending calls[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		atomic_store(&n_told[i], 0);
		call_begin(&bad, &calls[i]);
		assert_ok(dist_waiter_then(calls[i].waiter, on_end, &n_told[i]));
	}
	for (uint32_t i = 0; i < 5; i++)
		answer(&bad, calls[0].xid, 10 + i);
	answer(&bad, calls[1].xid, 20);
	answer(&bad, calls[0].xid, 30);
	answer(&bad, calls[2].xid, 40);
	/* Callbacks run in order, so that all others have when the last one has. */
	while (atomic_load(&n_told[2]) == 0)
		sched_yield();
	assert_int_equal(atomic_load(&n_told[0]), 1);
	assert_int_equal(atomic_load(&n_told[1]), 1);
	expect_number(&calls[0], 10);
	expect_number(&calls[1], 20);
	expect_number(&calls[2], 40);
	assert_others_go_on();
}

static void
test_a_stale_reply_is_given_to_no_other_call(void **state)
{
	enum { N = 200 };
	static struct pending given_up[N], others[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		call_begin(&bad, &given_up[i]);
		dist_waiter_cancel(given_up[i].waiter);
		assert_err(dist_waiter_wait(given_up[i].waiter, DIST_FOREVER),
		           DIST_ECANCELED);
	}
	for (int i = 0; i < N; i++)
		call_begin(&bad, &others[i]);
	for (int i = 0; i < N; i++) {
		answer(&bad, given_up[i].xid, 666);
		answer(&bad, given_up[i].xid, 667); /* and a repeated one at that */
	}
	for (uint32_t i = 0; i < N; i++)
		answer(&bad, others[i].xid, i);
	for (int i = 0; i < N; i++) {
		expect_number(&others[i], i);
		assert_null(given_up[i].result.lying_ints_val);
		call_free(&given_up[i]);
	}
	assert_others_go_on();
}

/* --- Shapes ------------------------------------------------------------------- */

static atomic_uint n_lost_lines;

static void
on_log(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level, (void)arg;
	if (strcmp(id, "connection-lost") == 0 && strstr(text, "why=\""))
		atomic_fetch_add(&n_lost_lines, 1);
}

/*
 * After @bytes in the place of a reply both calls on the connection are lost. The xid
 * of the first is put at @xid_at, unless that is 0.
 */
static void
expect_broken(const char *what, uint8_t *bytes, size_t length, size_t xid_at)
{
	struct pending one, two;

	call_begin(&bad, &one);
	call_begin(&bad, &two);
	atomic_store(&n_lost_lines, 0);
	dist_log_set_sink(on_log, NULL, DIST_LOG_INFO);
	if (xid_at)
		dist_store_be32(bytes + xid_at, one.xid);
	assert_int_equal(send(bad.fd, bytes, length, MSG_NOSIGNAL), length);
	expect_lost(&one);
	expect_lost(&two);
	assert_others_go_on();
	dist_log_set_sink(NULL, NULL, DIST_LOG_INFO);
	if (atomic_load(&n_lost_lines) != 1)
		fail_msg("%s: %u lines tell of it", what, atomic_load(&n_lost_lines));
	side_hang_up(&bad);
}

static void
test_what_is_no_reply_ends_its_connection_alone(void **state)
{
	static const struct {
		const char *what;
		uint32_t words[12]; /* of a record; the first is replaced by the xid */
		unsigned n;
	} rows[] = {
		{ "a call", { 0, CALL, 2, LYING_PROG, 1, 1, 0, 0, 0, 0 }, 10 },
		{ "message type 2", { 0, 2, 0, 0, 0, 0 }, 6 },
		{ "neither accepted nor denied", { 0, REPLY, 2, 0, 0, 0 }, 6 },
		{ "accept state 6", { 0, REPLY, MSG_ACCEPTED, 0, 0, 6 }, 6 },
		{ "reject state 2", { 0, REPLY, MSG_DENIED, 2 }, 4 },
		{ "an xid alone", { 0 }, 1 },
		{ "no status", { 0, REPLY }, 2 },
		{ "no verifier", { 0, REPLY, MSG_ACCEPTED }, 3 },
		{ "half a verifier", { 0, REPLY, MSG_ACCEPTED, 0 }, 4 },
		{ "no accept state", { 0, REPLY, MSG_ACCEPTED, 0, 0 }, 5 },
		{ "a lying verifier", { 0, REPLY, MSG_ACCEPTED, 0, 0xfffffffc, 0 }, 6 },
		{ "a verifier of 404 bytes", { 0, REPLY, MSG_ACCEPTED, 0, 404, 0 }, 6 },
		{ "a mismatch without versions",
		  { 0, REPLY, MSG_ACCEPTED, 0, 0, 2 },
		  6 },
		{ "a denial without a reason", { 0, REPLY, MSG_DENIED }, 3 },
		{ "RPC_MISMATCH without versions", { 0, REPLY, MSG_DENIED, 0 }, 4 },
		{ "an authentication error, and which",
		  { 0, REPLY, MSG_DENIED, 1 },
		  4 },
	};
	uint8_t bytes[13 * 4];

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(rows); i++) {
		dist_store_be32(bytes, 0x80000000u | 4 * rows[i].n);
		for (unsigned j = 0; j < rows[i].n; j++)
			dist_store_be32(bytes + 4 + 4 * j, rows[i].words[j]);
		expect_broken(rows[i].what, bytes, 4 + 4 * rows[i].n, 4);
	}
}

static void
test_what_is_no_record_ends_its_connection_alone(void **state)
{
	uint8_t empty[] = { 0x80, 0, 0, 0 };
	uint8_t three_bytes[] = { 0x80, 0, 0, 3, 1, 2, 3 };
	uint8_t too_long[] = { 0x80, 0x10, 0, 1 };
	uint8_t longest[] = { 0x7f, 0xff, 0xff, 0xff };
	uint8_t empty_fragments[17 * 4] = { 0 };

	(void)state;
	expect_broken("an empty record", empty, sizeof(empty), 0);
	expect_broken("three bytes", three_bytes, sizeof(three_bytes), 0);
	expect_broken("a record over the limit", too_long, sizeof(too_long), 0);
	expect_broken("the longest fragment", longest, sizeof(longest), 0);
	expect_broken("empty fragments", empty_fragments, sizeof(empty_fragments), 0);
}

/* --- Results ------------------------------------------------------------------ */

/* Only this call fails: where its record ends is known, so the connection goes on. */
static void
expect_undecodable(struct pending *one, struct pending *two)
{
	assert_err(dist_waiter_wait(one->waiter, DIST_FOREVER), DIST_EDECODE);
	assert_int_equal(dist_waiter_status(one->waiter), RPC_CANTDECODERES);
	assert_null(one->result.lying_ints_val);
	call_free(one);
	answer(&bad, two->xid, 5);
	expect_number(two, 5);
}

/* Goodbye: what is not answered by then did not run, and only that. */
static void
test_what_a_goodbye_leaves_unanswered_did_not_run(void **state)
{
	struct pending one, two, three;

	(void)state;
	call_begin(&bad, &one);
	call_begin(&bad, &two);
	call_begin(&bad, &three);
	answer(&bad, two.xid, 2);
	SEND_RECORD(bad.fd, 0, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	            DIST_NOT_RUN_GOODBYE, SYSTEM_ERR);
	expect_number(&two, 2);
	expect_not_run(&one);
	expect_not_run(&three);
	side_hang_up(&bad);
	assert_others_go_on();
}

static void
test_results_that_are_too_short_fail_their_call_alone(void **state)
{
	struct pending one, two;

	(void)state;
	call_begin(&bad, &one);
	call_begin(&bad, &two);
	SEND_RECORD(bad.fd, SUCCESS_HEAD(one.xid));
	expect_undecodable(&one, &two);
	call_begin(&bad, &one);
	call_begin(&bad, &two);
	SEND_RECORD(bad.fd, SUCCESS_HEAD(one.xid), 3, 1, 2);
	expect_undecodable(&one, &two);
	assert_others_go_on();
}

/* As libtirpc has it: what follows the results is passed over. */
static void
test_what_follows_the_results_is_passed_over(void **state)
{
	struct pending one, two;

	(void)state;
	call_begin(&bad, &one);
	call_begin(&bad, &two);
	SEND_RECORD(bad.fd, SUCCESS_HEAD(one.xid), 1, 7, 0xffffffff, 0xffffffff);
	answer(&bad, two.xid, 8);
	expect_number(&one, 7);
	expect_number(&two, 8);
}

/* One of each type, answered with @words. */
#define EXPECT_LIE(stub, type, argument, ...) \
	do { \
		type result_; \
		struct dist_waiter *waiter_; \
		memset(&result_, 0, sizeof(result_)); \
		waiter_ = dist_go(bad.clnt, stub, argument, &result_); \
		assert_non_null(waiter_); \
		xid = take_call(&bad); \
		allocations_start(); \
		SEND_RECORD(bad.fd, SUCCESS_HEAD(xid), __VA_ARGS__); \
		assert_err(dist_waiter_wait(waiter_, DIST_FOREVER), DIST_EDECODE); \
		allocations_stop(); \
		assert_in_range(allocations_largest(), 0, BELIEVED_MAX); \
		dist_waiter_free(waiter_); \
		xdr_free((xdrproc_t)xdr_##type, (char *)&result_); \
	} while (0)

static void
test_a_lying_count_in_results_takes_no_memory(void **state)
{
	lying_link link = { 0, NULL };
	uint32_t xid;

	(void)state;
	assert_others_go_on();
	EXPECT_LIE(lying_ints_1, lying_ints, ((lying_ints){ 0, NULL }), 0xffffffff, 1);
	EXPECT_LIE(lying_ints_1, lying_ints, ((lying_ints){ 0, NULL }), 0x10000000, 1);
	EXPECT_LIE(lying_bytes_1, lying_bytes, ((lying_bytes){ 0, NULL }), 0x7fffffff,
	           1);
	EXPECT_LIE(lying_bytes_1, lying_bytes, ((lying_bytes){ 0, NULL }), 0xfffffffd,
	           1);
	EXPECT_LIE(lying_text_1, lying_text, "", 0xffffffff, 1);
	EXPECT_LIE(lying_texts_1, lying_texts, ((lying_texts){ 0, NULL }), 0x40000000,
	           1, 0);
	EXPECT_LIE(lying_texts_1, lying_texts, ((lying_texts){ 0, NULL }), 1,
	           0x7fffffff, 0);
	EXPECT_LIE(lying_pairs_1, lying_pairs, ((lying_pairs){ 0, NULL }), 0x0aaaaaab,
	           0, 1, 0);
	EXPECT_LIE(lying_pairs_1, lying_pairs, ((lying_pairs){ 0, NULL }), 1, 0, 1,
	           0x7ffffff0, 0);
	EXPECT_LIE(lying_link_1, lying_link, link, 1, 1, 2, 1);
	assert_others_go_on();
}

/* The stack of the thread that reads is the library's, or whoever's waits. */
static void
test_a_list_of_100000_nodes_does_not_decode_and_no_crash(void **state)
{
	enum { N = 100000 };
	size_t size = 4 + 24 + 8 * (size_t)N;
	lying_link link = { 0, NULL }, result = { 0, NULL };
	struct dist_waiter *waiter;
	uint8_t *record = calloc(1, size);

	(void)state;
	assert_non_null(record);
	waiter = dist_go(bad.clnt, lying_link_1, link, &result);
	assert_non_null(waiter);
	dist_store_be32(record, 0x80000000u | (uint32_t)(size - 4));
	dist_store_be32(record + 4, take_call(&bad));
	dist_store_be32(record + 8, REPLY);
	for (size_t i = 0; i + 1 < N; i++)
		dist_store_be32(record + 28 + 8 * i + 4, 1);
	assert_int_equal(send(bad.fd, record, size, MSG_NOSIGNAL), size);
	assert_err(dist_waiter_wait(waiter, DIST_FOREVER), DIST_EDECODE);
	assert_non_null(strstr(dist_waiter_error(waiter), "deep"));
	assert_null(result.next);
	dist_waiter_free(waiter);
	free(record);
	assert_others_go_on();
}

/* --- Going away --------------------------------------------------------------- */

/* With a FIN, and with a reset. All but the last byte is no reply. */
static void
test_a_peer_may_go_away_at_every_byte_of_a_reply(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	uint8_t reply[4 + 24 + 8] = { 0x80, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, REPLY };

	(void)state;
	dist_store_be32(reply + 28, 1);
	dist_store_be32(reply + 32, 9);
	for (size_t cut = 0; cut <= sizeof(reply); cut++) {
		for (int reset = 0; reset < 2; reset++) {
			struct pending pending, other;

			call_begin(&bad, &pending);
			call_begin(&bad, &other);
			dist_store_be32(reply + 4, pending.xid);
			assert_int_equal(send(bad.fd, reply, cut, MSG_NOSIGNAL), cut);
			if (cut == sizeof(reply))
				expect_number(&pending, 9);
			if (reset)
				setsockopt(bad.fd, SOL_SOCKET, SO_LINGER, &at_once,
				           sizeof(at_once));
			side_hang_up(&bad);
			if (cut < sizeof(reply))
				expect_lost(&pending);
			expect_lost(&other);
			assert_others_go_on();
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_a_reply_with_an_unknown_xid_is_nobodys),
	TEST(test_a_reply_before_its_call_is_nobodys),
	TEST(test_a_repeated_reply_ends_its_call_once),
	TEST(test_a_stale_reply_is_given_to_no_other_call),
	TEST(test_what_is_no_reply_ends_its_connection_alone),
	TEST(test_what_is_no_record_ends_its_connection_alone),
	TEST(test_what_a_goodbye_leaves_unanswered_did_not_run),
	TEST(test_results_that_are_too_short_fail_their_call_alone),
	TEST(test_what_follows_the_results_is_passed_over),
	TEST(test_a_lying_count_in_results_takes_no_memory),
	TEST(test_a_list_of_100000_nodes_does_not_decode_and_no_crash),
	TEST(test_a_peer_may_go_away_at_every_byte_of_a_reply),
};

CHECK_MAIN(tests)
