/*
 * Bytes of a peer that means harm: lying lengths at every level, nesting, fragments
 * without end, credentials, and a peer that goes away at any byte. What each costs is
 * looked at, and that another connection of the same server goes on.
 */
#include "fixture.h"
#include "lying.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/core.h"
#include "support/allocations.h"

#include <dist/log.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct dist_service lying_prog_1_service;

/* No lie is believed so far: some buffers are this large. */
#define BELIEVED_MAX ((size_t)256 * 1024)

/* --- The procedures: they say how much came --------------------------------------- */

static atomic_uint n_runs;

/* An empty result, but for a string, which XDR cannot leave out. */
#define ANSWER_NOTHING(result) \
	do { \
		atomic_fetch_add(&n_runs, 1); \
		memset((result), 0, sizeof(*(result))); \
		return TRUE; \
	} while (0)

bool_t
lying_ints_1_svc(lying_ints ints, lying_ints *result, struct svc_req *rqstp)
{
	(void)ints, (void)rqstp;
	ANSWER_NOTHING(result);
}

bool_t
lying_bytes_1_svc(lying_bytes bytes, lying_bytes *result, struct svc_req *rqstp)
{
	(void)bytes, (void)rqstp;
	ANSWER_NOTHING(result);
}

bool_t
lying_text_1_svc(lying_text text, lying_text *result, struct svc_req *rqstp)
{
	(void)text, (void)rqstp;
	atomic_fetch_add(&n_runs, 1);
	*result = strdup("");
	return *result != NULL;
}

bool_t
lying_texts_1_svc(lying_texts texts, lying_texts *result, struct svc_req *rqstp)
{
	(void)texts, (void)rqstp;
	ANSWER_NOTHING(result);
}

bool_t
lying_pairs_1_svc(lying_pairs pairs, lying_pairs *result, struct svc_req *rqstp)
{
	(void)pairs, (void)rqstp;
	ANSWER_NOTHING(result);
}

bool_t
lying_link_1_svc(lying_link link, lying_link *result, struct svc_req *rqstp)
{
	(void)link, (void)rqstp;
	ANSWER_NOTHING(result);
}

int
lying_prog_1_freeresult(SVCXPRT *xprt, xdrproc_t xdr_result, caddr_t result)
{
	return dist_freeresult(xprt, xdr_result, result);
}

/* --- A server, a peer that behaves, and one that does not --------------------- */

struct scene {
	struct dist_server *server;
	int good, bad;
	uint32_t good_xid;
};

static struct scene
scene_open(const struct dist_server_options *options)
{
	struct scene scene = { .good_xid = 1 };

	scene.server = fixture_server_with(options, &lying_prog_1_service);
	scene.good = fixture_connect(scene.server);
	scene.bad = fixture_connect(scene.server);
	return scene;
}

/* The one that behaves has an answer, on the connection that it has had all along. */
static void
assert_others_go_on(struct scene *scene)
{
	const struct fixture_call call = { .xid = ++scene->good_xid,
		                           .prog = LYING_PROG,
		                           .vers = LYING_V1 };

	fixture_send_call(scene->good, &call);
	fixture_expect_void(scene->good, scene->good_xid);
}

/* The bad one is gone, as it was ended; here is the next. */
static void
bad_again(struct scene *scene)
{
	close(scene->bad);
	scene->bad = fixture_connect(scene->server);
}

static void
scene_close(struct scene *scene)
{
	assert_others_go_on(scene);
	close(scene->good);
	close(scene->bad);
	dist_server_stop(scene->server);
}

#define count_of(scene, counter) atomic_load(&(scene)->server->counters.counter)

/* --- Lying counts ------------------------------------------------------------- */

struct lie {
	const char *what;
	uint32_t proc;
	uint32_t words[6];
	unsigned n_words;
};

/* The first word that lies claims more than the record holds. */
static const struct lie lies[] = {
	{ "an array of all numbers there are", LYING_INTS, { 0xffffffff, 1, 2 }, 3 },
	{ "an array of a gigabyte", LYING_INTS, { 0x10000000, 1, 2 }, 3 },
	{ "an array of one more than there are", LYING_INTS, { 3, 1, 2 }, 3 },
	{ "bytes, two gigabytes", LYING_BYTES, { 0x7fffffff, 0x61626364 }, 2 },
	{ "bytes, four gigabytes", LYING_BYTES, { 0xffffffff, 0x61626364 }, 2 },
	{ "bytes whose padded length is 0", LYING_BYTES, { 0xfffffffd, 0 }, 2 },
	{ "a text of two gigabytes", LYING_TEXT, { 0x7fffffff, 0x61626364 }, 2 },
	{ "a text of four gigabytes", LYING_TEXT, { 0xffffffff, 0x61626364 }, 2 },
	{ "texts without end", LYING_TEXTS, { 0x40000000, 1, 0x61000000 }, 3 },
	{ "a text in texts", LYING_TEXTS, { 1, 0x7fffffff, 0x61626364 }, 3 },
	{ "structs without end", LYING_PAIRS, { 0x10000000, 0, 1, 0 }, 4 },
	{ "structs of 24 bytes whose sum wraps round",
	  LYING_PAIRS,
	  { 0x0aaaaaab, 0, 1, 0 },
	  4 },
	{ "bytes in a struct", LYING_PAIRS, { 1, 0, 1, 0x7ffffff0, 0 }, 5 },
	{ "a list that ends in the middle", LYING_LINK, { 1, 1, 2, 1 }, 4 },
};

/* CVE-2017-8779: a few bytes had rpcbind allocate gigabytes, and keep them. */
static void
test_a_lying_count_takes_no_memory_at_any_level(void **state)
{
	struct scene scene = scene_open(NULL);
	uint32_t xid = 100;

	(void)state;
	assert_others_go_on(&scene);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(lies); i++) {
		struct fixture_call call = { .xid = ++xid,
			                     .prog = LYING_PROG,
			                     .vers = LYING_V1,
			                     .proc = lies[i].proc,
			                     .n_args = lies[i].n_words };

		memcpy(call.args, lies[i].words, sizeof(lies[i].words));
		atomic_store(&n_runs, 0);
		allocations_start();
		fixture_send_call(scene.bad, &call);
		fixture_expect(scene.bad, xid, REPLY, MSG_ACCEPTED, 0, 0, GARBAGE_ARGS);
		allocations_stop();
		if (allocations_largest() > BELIEVED_MAX)
			fail_msg("%s: %zu bytes were taken", lies[i].what,
			         allocations_largest());
		assert_int_equal(atomic_load(&n_runs), 0);
	}
	scene_close(&scene);
}

/* A mark, a credential's length, a verifier's: these cost the connection. */
static void
test_a_lying_length_before_the_arguments_takes_no_memory(void **state)
{
	static const uint32_t lying[][13] = {
		/* The first word is how many follow. */
		{ 1, 0xffffffff },
		{ 2, 0x88000000, 1 }, /* not over the limit of 128 MiB */
		{ 9, 0x80000020, 1, CALL, 2, LYING_PROG, 1, 1, AUTH_SYS, 0xffffffff },
		{ 9, 0x80000020, 1, CALL, 2, LYING_PROG, 1, 1, AUTH_SYS, 0x7ffffffc },
		{ 11, 0x80000028, 1, CALL, 2, LYING_PROG, 1, 1, 0, 0, 0, 0xfffffff8 },
		{ 11, 0x80000028, 1, CALL, 2, LYING_PROG, 1, 1, 0, 0, 0, 401 },
	};
	struct dist_server_options options = { .workers = 1, .record_timeout_ms = 1 };
	struct scene scene = scene_open(&options);
	uint8_t bytes[13 * 4];

	(void)state;
	assert_others_go_on(&scene);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(lying); i++) {
		for (uint32_t j = 0; j < lying[i][0]; j++)
			dist_store_be32(bytes + 4 * j, lying[i][1 + j]);
		allocations_start();
		fixture_send(scene.bad, bytes, 4 * lying[i][0]);
		fixture_expect_closed(scene.bad);
		allocations_stop();
		assert_in_range(allocations_largest(), 0, BELIEVED_MAX);
		assert_others_go_on(&scene);
		bad_again(&scene);
	}
	scene_close(&scene);
}

/* What decodes well, and takes more memory than its record by far, has a bound too. */
static void
test_decoding_stays_within_the_budget_of_the_options(void **state)
{
	enum { N = 20000 };
	struct dist_server_options options = { .workers = 1,
		                               .max_decode_bytes = 65536 };
	struct scene scene = scene_open(&options);
	struct fixture_call call = {
		.xid = 7, .prog = LYING_PROG, .vers = LYING_V1, .proc = LYING_TEXTS
	};
	size_t head = fixture_call_write(&call, (uint8_t[FIXTURE_CALL_MAX]){ 0 });
	size_t size = head + 4 + 4 * (size_t)N;
	uint8_t *record = calloc(1, size);

	(void)state;
	assert_non_null(record);
	fixture_call_write(&call, record);
	dist_store_be32(record, 0x80000000u | (uint32_t)(size - 4));
	dist_store_be32(record + head, N); /* texts, all empty: 8 bytes for a pointer */
	allocations_start();
	fixture_send(scene.bad, record, size);
	fixture_expect(scene.bad, 7, REPLY, MSG_ACCEPTED, 0, 0, GARBAGE_ARGS);
	allocations_stop();
	assert_in_range(allocations_largest(), 0, BELIEVED_MAX);
	free(record);
	scene_close(&scene);
}

/* --- Nesting ------------------------------------------------------------------ */

static uint8_t *
make_list(uint32_t n, size_t *ret_size)
{
	const struct fixture_call call = {
		.xid = 8, .prog = LYING_PROG, .vers = LYING_V1, .proc = LYING_LINK
	};
	size_t head = fixture_call_write(&call, (uint8_t[FIXTURE_CALL_MAX]){ 0 });
	size_t size = head + 8 * (size_t)n;
	uint8_t *record = calloc(1, size + FIXTURE_CALL_MAX);

	assert_non_null(record);
	fixture_call_write(&call, record);
	dist_store_be32(record, 0x80000000u | (uint32_t)(size - 4));
	for (uint32_t i = 0; i < n; i++) {
		dist_store_be32(record + head + 8 * i, i);
		dist_store_be32(record + head + 8 * i + 4, i + 1 < n);
	}
	*ret_size = size;
	return record;
}

/* Generated code recurses for each: a stack of 8 MiB would end, and the process. */
static void
test_a_list_of_100000_nodes_is_garbage_and_no_crash(void **state)
{
	struct scene scene = scene_open(NULL);
	uint8_t *record;
	size_t size;

	(void)state;
	record = make_list(100000, &size);
	for (int i = 0; i < 3; i++) {
		fixture_send(scene.bad, record, size);
		fixture_expect(scene.bad, 8, REPLY, MSG_ACCEPTED, 0, 0, GARBAGE_ARGS);
		assert_others_go_on(&scene);
	}
	free(record);
	record = make_list(100, &size);
	fixture_send(scene.bad, record, size);
	fixture_expect_success(scene.bad, 8, 0, 0);
	free(record);
	scene_close(&scene);
}

/* --- Fragments ---------------------------------------------------------------- */

/* Each is one byte, and none the last: they end with the limit on a record. */
static void
test_fragments_without_end_end_their_connection(void **state)
{
	struct dist_server_options options = { .workers = 1, .max_record_bytes = 4096 };
	struct scene scene = scene_open(&options);
	uint8_t fragments[5 * 512];

	(void)state;
	for (size_t i = 0; i < sizeof(fragments); i += 5)
		memcpy(fragments + i, (uint8_t[]){ 0, 0, 0, 1, 'x' }, 5);
	for (int i = 0; i < 8; i++) {
		fixture_send(scene.bad, fragments, sizeof(fragments));
		assert_others_go_on(&scene);
	}
	fixture_send(scene.bad, fragments, 5);
	fixture_expect_closed(scene.bad);
	assert_int_equal(count_of(&scene, bad_records), 1);
	scene_close(&scene);
}

/* The same below the limit: they end with time. */
static void
test_fragments_that_go_on_too_long_end_with_time(void **state)
{
	struct dist_server_options options = { .workers = 1, .record_timeout_ms = 1 };
	struct scene scene = scene_open(&options);

	(void)state;
	fixture_send(scene.bad, (uint8_t[]){ 0, 0, 0, 1, 'x', 0, 0, 0, 1, 'y' }, 10);
	fixture_expect_closed(scene.bad);
	scene_close(&scene);
}

/* Sixteen in a record are passed over, and no more. */
static void
test_empty_fragments_make_no_progress_for_ever(void **state)
{
	static const uint8_t empty[17 * 4];
	struct scene scene = scene_open(NULL);
	struct fixture_call call = { .xid = 9, .prog = LYING_PROG, .vers = LYING_V1 };
	uint8_t record[FIXTURE_CALL_MAX];
	size_t size = fixture_call_write(&call, record);

	(void)state;
	fixture_send(scene.bad, empty, 16 * 4);
	fixture_send(scene.bad, record, size);
	fixture_expect_void(scene.bad, 9);
	fixture_send(scene.bad, empty, 17 * 4);
	fixture_expect_closed(scene.bad);
	scene_close(&scene);
}

/* --- Versions and credentials ------------------------------------------------- */

static void
test_other_rpc_versions_are_answered_rpc_mismatch(void **state)
{
	static const uint32_t versions[] = { 1, 3, 0x7fffffff, 0xffffffff };
	struct scene scene = scene_open(NULL);
	struct fixture_call call = { .prog = LYING_PROG, .vers = LYING_V1 };

	(void)state;
	for (uint32_t i = 0; i < DIST_ARRAY_SIZE(versions); i++) {
		call.xid = i;
		call.rpc_version = versions[i];
		fixture_send_call(scene.bad, &call);
		fixture_expect(scene.bad, i, REPLY, MSG_DENIED, RPC_MISMATCH, 2, 2);
	}
	/* It knows better now. */
	call.rpc_version = 0;
	fixture_send_call(scene.bad, &call);
	fixture_expect_void(scene.bad, call.xid);
	scene_close(&scene);
}

/* A call with a credential of @length bytes, 0xff each. */
static void
send_with_cred(int fd, uint32_t xid, uint32_t flavor, uint32_t length)
{
	uint32_t padded = (length + 3) / 4 * 4, size = 24 + 8 + padded + 8;
	const uint32_t words[] = {
		0x80000000u | size, xid, CALL, 2, LYING_PROG, 1, 0, flavor, length
	};
	uint8_t record[1024] = { 0 };

	for (unsigned i = 0; i < DIST_ARRAY_SIZE(words); i++)
		dist_store_be32(record + 4 * i, words[i]);
	memset(record + sizeof(words), 0xff, length);
	fixture_send(fd, record, 4 + size);
}

static void
test_unknown_flavors_are_rejected_and_the_connection_goes_on(void **state)
{
	/* AUTH_SHORT, AUTH_DH, RPCSEC_GSS, AUTH_TLS, and some that nobody has. */
	static const uint32_t flavors[] = { 2, 3, 6, 7, 4711, 0x2d150001, 0xffffffff };
	struct scene scene = scene_open(NULL);
	uint32_t xid = 0;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(flavors); i++) {
		for (uint32_t length = 0; length <= 400; length += 100) {
			send_with_cred(scene.bad, ++xid, flavors[i], length);
			fixture_expect(scene.bad, xid, REPLY, MSG_DENIED, AUTH_ERROR,
			               AUTH_REJECTEDCRED);
		}
	}
	assert_int_equal(count_of(&scene, auth_rejected), xid);
	scene_close(&scene);
}

/* RFC 5531 section 8.2: a body has up to 400 bytes. */
static void
test_a_credential_over_400_bytes_ends_its_connection(void **state)
{
	struct scene scene = scene_open(NULL);

	(void)state;
	for (uint32_t flavor = 0; flavor < 2; flavor++) {
		send_with_cred(scene.bad, 1, flavor, 400);
		if (flavor == AUTH_SYS)
			fixture_expect(scene.bad, 1, REPLY, MSG_DENIED, AUTH_ERROR,
			               AUTH_BADCRED);
		else
			fixture_expect_void(scene.bad, 1);
		for (uint32_t length = 401; length <= 405; length++) {
			send_with_cred(scene.bad, 2, flavor, length);
			fixture_expect_closed(scene.bad);
			bad_again(&scene);
		}
	}
	assert_int_equal(count_of(&scene, bad_records), 10);
	scene_close(&scene);
}

/* --- Going away --------------------------------------------------------------- */

static bool
only_the_good_one_is_there(void *arg)
{
	struct dist_server *server = arg;

	return atomic_load(&server->n_connections) == 1;
}

/* With a FIN, and with a reset; what had come in whole before is run or not, once. */
static void
test_a_peer_may_go_away_at_every_byte_of_a_call(void **state)
{
	const struct fixture_call call = { .xid = 3,
		                           .prog = LYING_PROG,
		                           .vers = LYING_V1,
		                           .proc = LYING_INTS,
		                           .args = { 2, 5, 6 },
		                           .n_args = 3 };
	const struct linger at_once = { .l_onoff = 1 };
	struct scene scene = scene_open(NULL);
	uint8_t record[FIXTURE_CALL_MAX];
	size_t size = fixture_call_write(&call, record);

	(void)state;
	atomic_store(&n_runs, 0);
	for (size_t cut = 0; cut <= size; cut++) {
		for (int reset = 0; reset < 2; reset++) {
			bad_again(&scene);
			fixture_send(scene.bad, record, cut);
			if (reset)
				setsockopt(scene.bad, SOL_SOCKET, SO_LINGER, &at_once,
				           sizeof(at_once));
			close(scene.bad);
			scene.bad = -1;
			assert_others_go_on(&scene);
		}
	}
	fixture_until(only_the_good_one_is_there, scene.server);
	assert_in_range(atomic_load(&n_runs), 0, 2);
	scene_close(&scene);
}

/* --- What tells of it --------------------------------------------------------- */

static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_lines, n_not_shown;

static void
on_log(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	const char *not_shown = strstr(text, "not_shown=");

	(void)level, (void)arg;
	if (strcmp(id, "bad-record") != 0)
		return;
	pthread_mutex_lock(&lines_lock);
	assert_non_null(strstr(text, "peer=127.0.0.1:"));
	assert_non_null(strstr(text, "why=\""));
	assert_non_null(not_shown);
	n_lines++;
	n_not_shown += (unsigned)atoi(not_shown + strlen("not_shown="));
	pthread_mutex_unlock(&lines_lock);
}

/* All are counted; the log has ten lines a second at most, and says how many it left
 * out. */
static void
test_counters_and_some_log_lines_tell_of_broken_records(void **state)
{
	enum { N = 200 };
	struct scene scene = scene_open(NULL);
	int64_t began_ns = dist_clock_ns(), seconds;

	(void)state;
	n_lines = n_not_shown = 0;
	dist_log_set_sink(on_log, NULL, DIST_LOG_WARNING);
	for (int i = 0; i < N; i++) {
		fixture_send(scene.bad, "GET / HTTP/1.1\r\n\r\n", 18);
		fixture_expect_closed(scene.bad);
		bad_again(&scene);
	}
	assert_others_go_on(&scene);
	dist_log_set_sink(NULL, NULL, DIST_LOG_WARNING);
	seconds = (dist_clock_ns() - began_ns) / 1000000000 + 2;
	assert_int_equal(count_of(&scene, bad_records), N);
	assert_in_range(n_lines, 1, 10 * seconds);
	assert_in_range(n_lines + n_not_shown, n_lines, N);
	scene_close(&scene);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_lying_count_takes_no_memory_at_any_level),
	cmocka_unit_test(test_a_lying_length_before_the_arguments_takes_no_memory),
	cmocka_unit_test(test_decoding_stays_within_the_budget_of_the_options),
	cmocka_unit_test(test_a_list_of_100000_nodes_is_garbage_and_no_crash),
	cmocka_unit_test(test_fragments_without_end_end_their_connection),
	cmocka_unit_test(test_fragments_that_go_on_too_long_end_with_time),
	cmocka_unit_test(test_empty_fragments_make_no_progress_for_ever),
	cmocka_unit_test(test_other_rpc_versions_are_answered_rpc_mismatch),
	cmocka_unit_test(test_unknown_flavors_are_rejected_and_the_connection_goes_on),
	cmocka_unit_test(test_a_credential_over_400_bytes_ends_its_connection),
	cmocka_unit_test(test_a_peer_may_go_away_at_every_byte_of_a_call),
	cmocka_unit_test(test_counters_and_some_log_lines_tell_of_broken_records),
};

CHECK_MAIN(tests)
