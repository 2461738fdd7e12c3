/*
 * Memory of small calls, where a server cannot choose how they come: cut anywhere, more
 * of them than a turn takes, behind one that gets stuck, or all at once.
 */
#include "fixture.h"

#include "server/core.h"
#include "support/allocations.h"

#include <stdlib.h>
#include <unistd.h>

#define N_ROUNDS 30

static size_t
write_call(uint32_t xid, uint32_t proc, uint8_t *to)
{
	struct fixture_call call = { .xid = xid,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = proc,
		                     .args = { xid, 1 },
		                     .n_args = proc == NULLPROC    ? 0
		                               : proc == PROBE_ADD ? 2
		                                                   : 1 };

	return fixture_call_write(&call, to);
}

/* The @n calls of NULLPROC from the @first on. */
static size_t
write_nulls_from(uint32_t first, uint32_t n, uint8_t *to)
{
	size_t length = 0;

	for (uint32_t i = first; i < first + n; i++)
		length += write_call(100 + i, NULLPROC, to + length);
	return length;
}

static size_t
write_nulls(uint32_t n, uint8_t *to)
{
	return write_nulls_from(0, n, to);
}

/* Each once, in any order: a run whose thread lost its CPU is overtaken by those behind. */
static void
expect_nulls(int fd, uint32_t n)
{
	static const uint32_t rest[] = { REPLY, MSG_ACCEPTED, 0, 0, SUCCESS };
	bool seen[700] = { false };
	struct fixture_reply reply;
	uint32_t i;

	for (uint32_t n_seen = 0; n_seen < n; n_seen++) {
		assert_true(fixture_receive(fd, &reply));
		i = reply.words[0] - 100;
		assert_true(i < n && !seen[i]);
		seen[i] = true;
		assert_int_equal(reply.n_words, 6);
		assert_memory_equal(reply.words + 1, rest, sizeof(rest));
	}
}

/*
 * A reply by another thread than the one that reads. For these a connection has a block from
 * the first on, and a run that is overtaken may be the first, at any time.
 */
static void
call_by_the_pool(int fd)
{
	uint8_t record[FIXTURE_CALL_MAX];

	fixture_gate_open();
	fixture_send(fd, record, write_call(7, PROBE_HOLD, record));
	fixture_expect_success(fd, 7, 7);
}

/* One has the loop, one is the watchdog. */
static bool
all_threads_wait(void *arg)
{
	struct dist_workers *workers = &((struct dist_server *)arg)->workers;
	bool wait;

	dist_lock(&workers->lock);
	wait = workers->watched && workers->n_idle + 2 == workers->n_threads;
	dist_unlock(&workers->lock);
	return wait;
}

/* Under a sanitizer a thread takes memory when it begins, so all of them have. */
static struct dist_server *
start_server(const struct dist_server_options *options)
{
	struct dist_server *server = fixture_server(options);

	fixture_until(all_threads_wait, server);
	return server;
}

static void
expect_none(unsigned long n)
{
	if (n)
		allocations_show();
	assert_int_equal(n, 0);
}

/* --- How they come -------------------------------------------------------------- */

static void
send_cut(int fd, int other, const uint8_t *record, size_t length)
{
	uint8_t null[FIXTURE_CALL_MAX];
	size_t null_length = write_nulls(1, null);

	for (size_t cut = 1; cut < length; cut++) {
		fixture_send(fd, record, cut);
		/* When another is served, the first part was read. */
		fixture_send(other, null, null_length);
		expect_nulls(other, 1);
		fixture_send(fd, record + cut, length - cut);
		fixture_expect_success(fd, 7, 8);
	}
}

static void
test_a_record_that_is_cut_takes_none(void **state)
{
	struct dist_server *server = start_server(NULL);
	int fd = fixture_connect(server), other = fixture_connect(server);
	uint8_t record[FIXTURE_CALL_MAX];
	size_t length = write_call(7, PROBE_ADD, record);

	(void)state;
	call_by_the_pool(fd);
	call_by_the_pool(other);
	send_cut(fd, other, record, length);
	allocations_start();
	send_cut(fd, other, record, length);
	expect_none(allocations_stop());
	close(fd);
	close(other);
	dist_server_stop(server);
}

static void
test_more_than_a_turn_takes_none(void **state)
{
	enum { N = 700 };
	struct dist_server *server = start_server(NULL);
	int fd = fixture_connect(server);
	uint8_t *records = malloc((size_t)N * FIXTURE_CALL_MAX);
	size_t length = write_nulls(N, records);

	(void)state;
	call_by_the_pool(fd);
	for (unsigned round = 0; round < 2 * N_ROUNDS; round++) {
		if (round == N_ROUNDS)
			allocations_start();
		fixture_send(fd, records, length);
		expect_nulls(fd, N);
	}
	expect_none(allocations_stop());
	free(records);
	close(fd);
	dist_server_stop(server);
}

/* The one in the middle gets stuck, and another thread goes on with those behind it. */
static void
test_a_loop_that_changes_hands_takes_none(void **state)
{
	enum { N = 200 };
	struct dist_server *server = start_server(NULL);
	struct dist_served *served =
		dist_served_table_find(&server->services, PROBE_PROG, 1);
	int fd = fixture_connect(server);
	uint8_t *records = malloc((2 * (size_t)N + 1) * FIXTURE_CALL_MAX);
	size_t length = write_nulls(N, records);

	(void)state;
	length += write_call(7, PROBE_MOODY, records + length);
	length += write_nulls_from(N, N, records + length);
	fixture_moody(true);
	for (unsigned round = 0; round < 2 * N_ROUNDS; round++) {
		if (round == N_ROUNDS)
			allocations_start();
		fixture_gate_reset();
		fixture_moody(true);
		atomic_store(&dist_served_pace(served, PROBE_MOODY)->is_short, true);
		fixture_send(fd, records, length);
		expect_nulls(fd, 2 * N);
		fixture_gate_open();
		fixture_expect_success(fd, 7, 7);
	}
	expect_none(allocations_stop());
	free(records);
	close(fd);
	dist_server_stop(server);
}

/* --- The memory of queued calls -------------------------------------------------- */

#define CALLS_MAX 5000

static struct dist_mutex lock;
static struct dist_server_call *calls[CALLS_MAX];

static void
take(struct dist_call_memory *memory, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		calls[i] = dist_call_memory_take(memory);
		assert_non_null(calls[i]);
		/* Room for the call and its record, as malloc() gave it. */
		memset(calls[i], (int)i, sizeof(*calls[i]) + DIST_SERVER_CALL_RECORD);
	}
}

static void
give(struct dist_call_memory *memory, unsigned n)
{
	dist_lock(&lock);
	for (unsigned i = 0; i < n; i++)
		dist_call_memory_give_locked(memory, calls[i]);
	dist_unlock(&lock);
}

static void
test_what_is_given_back_is_taken_again(void **state)
{
	struct dist_call_memory memory;

	(void)state;
	dist_mutex_init(&lock, DIST_RANK_SERVER);
	dist_call_memory_init(&memory, &lock);
	take(&memory, 256);
	give(&memory, 256);
	allocations_start();
	for (unsigned n = 1; n <= 256; n++) {
		take(&memory, n);
		give(&memory, n);
		if (n % 2) {
			dist_lock(&lock);
			dist_call_memory_collect_locked(&memory);
			dist_unlock(&lock);
		}
	}
	expect_none(allocations_stop());
	dist_call_memory_fini(&memory);
	dist_mutex_fini(&lock);
}

/* With a trim a second: not in the first ones, and all but a few within a minute. */
static void
test_what_a_burst_took_fades(void **state)
{
	struct dist_call_memory memory;
	unsigned n_made;

	(void)state;
	dist_mutex_init(&lock, DIST_RANK_SERVER);
	dist_call_memory_init(&memory, &lock);
	take(&memory, CALLS_MAX);
	give(&memory, CALLS_MAX);
	n_made = memory.n_made;
	assert_in_range(n_made, CALLS_MAX, 2 * CALLS_MAX);
	for (unsigned i = 0; i < 3; i++) {
		dist_call_memory_trim(&memory);
		assert_int_equal(memory.n_made, n_made);
	}
	for (unsigned i = 3; i < 60; i++) {
		take(&memory, 3);
		dist_call_memory_trim(&memory);
		give(&memory, 3);
		assert_true(memory.n_made <= n_made);
		n_made = memory.n_made;
	}
	assert_true(n_made <= CALLS_MAX / 10);
	for (unsigned i = 0; i < 200; i++)
		dist_call_memory_trim(&memory);
	assert_true(memory.n_made <= 50);
	take(&memory, 100);
	give(&memory, 100);
	dist_call_memory_fini(&memory);
	dist_mutex_fini(&lock);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_record_that_is_cut_takes_none),
	cmocka_unit_test(test_more_than_a_turn_takes_none),
	cmocka_unit_test(test_a_loop_that_changes_hands_takes_none),
	cmocka_unit_test(test_what_is_given_back_is_taken_again),
	cmocka_unit_test(test_what_a_burst_took_fades),
};

CHECK_MAIN(tests)
