#include "io/outbuf.h"

#include "base/cleanup.h"
#include "base/reserve.h"
#include "support/allocations.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int ours, peer;
};

static struct pair
pair_open(void)
{
	int fds[2], small = 4096;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	/* A small one, so that it is full soon. */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	return (struct pair){ fds[0], fds[1] };
}

static void
pair_close(struct pair *pair)
{
	close(pair->ours);
	if (pair->peer >= 0)
		close(pair->peer);
}

/* The byte that belongs at @offset of the stream. */
static uint8_t
pattern(uint64_t offset)
{
	return (uint8_t)(offset * 31 + offset / 251);
}

static void
fill(uint8_t *to, size_t length, uint64_t offset)
{
	for (size_t i = 0; i < length; i++)
		to[i] = pattern(offset + i);
}

/* Reads what is there, at most @most, and holds it against the pattern. */
static size_t
pair_read(const struct pair *pair, uint64_t offset, size_t most)
{
	uint8_t bytes[65536];
	ssize_t n = read(pair->peer, bytes, DIST_MIN(most, sizeof(bytes)));

	if (n <= 0)
		return 0;
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], pattern(offset + (uint64_t)i));
	return (size_t)n;
}

static void
append(struct dist_outbuf *out, size_t length)
{
	uint8_t *bytes = malloc(length + 1);

	assert_non_null(bytes);
	fill(bytes, length, out->appended);
	assert_ok(dist_outbuf_append(out, bytes, length));
	free(bytes);
}

static enum dist_sent
send_round(struct dist_outbuf *out, const struct pair *pair, bool *ret_more)
{
	enum dist_sent sent;

	dist_outbuf_begin(out);
	sent = dist_outbuf_send(out, pair->ours);
	*ret_more = dist_outbuf_end(out);
	return sent;
}

static void
count_release(void *arg)
{
	++*(unsigned *)arg;
}

static void
test_what_is_appended_arrives_in_order(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	bool more;

	(void)state;
	dist_outbuf_init(&out);
	for (size_t i = 0; i < 50; i++)
		append(&out, i);
	assert_int_equal(dist_outbuf_pending(&out), 1225);
	assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_ALL);
	assert_false(more);
	assert_int_equal(dist_outbuf_pending(&out), 0);
	assert_int_equal(pair_read(&pair, 0, 2000), 1225);
	assert_int_equal(pair_read(&pair, 0, 1), 0);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

static void
test_sending_nothing_is_done_at_once(void **state)
{
	struct dist_outbuf out;
	struct pair none = { -1, -1 };
	bool more = true;

	(void)state;
	dist_outbuf_init(&out);
	assert_int_equal(send_round(&out, &none, &more), DIST_SENT_ALL);
	assert_false(more);
	assert_ok(dist_outbuf_append(&out, "", 0));
	assert_int_equal(send_round(&out, &none, &more), DIST_SENT_ALL);
	dist_outbuf_fini(&out);
}

/* Long pieces are sent from where they are and released once, after their last byte. */
static void
test_a_referenced_piece_is_released_when_it_is_sent(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	uint8_t *bytes = malloc(100000);
	unsigned n_released = 0;
	uint64_t at = 0;
	bool more = true;

	(void)state;
	assert_non_null(bytes);
	dist_outbuf_init(&out);
	append(&out, 10);
	fill(bytes, 100000, 10);
	assert_ok(dist_outbuf_refer(&out, bytes, 100000, count_release, &n_released));
	append(&out, 10);
	assert_int_equal(dist_outbuf_pending(&out), 100020);

	assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_BLOCKED);
	assert_true(more);
	assert_int_equal(n_released, 0);
	while (more) {
		at += pair_read(&pair, at, 5000);
		assert_int_not_equal(send_round(&out, &pair, &more), DIST_SENT_BROKEN);
		assert_true(n_released == (out.accepted >= 100010));
	}
	assert_int_equal(n_released, 1);
	while (at < 100020)
		at += pair_read(&pair, at, 5000);
	dist_outbuf_fini(&out);
	assert_int_equal(n_released, 1);
	free(bytes);
	pair_close(&pair);
}

/* What the caller writes later into its room leaves before what it is the head of. */
static void
test_a_head_leaves_before_what_it_is_the_head_of(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	uint8_t bytes[3000], *room;
	unsigned n_released = 0;
	bool more;

	(void)state;
	dist_outbuf_init(&out);
	append(&out, 10);
	fill(bytes, sizeof(bytes), 30);
	room = dist_outbuf_room_and_refer(&out, 20, bytes, sizeof(bytes), count_release,
	                                  &n_released);
	assert_non_null(room);
	fill(room, 20, 10);
	room = dist_outbuf_room(&out, 5);
	assert_non_null(room);
	fill(room, 5, 3030);
	assert_int_equal(dist_outbuf_pending(&out), 3035);

	assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_ALL);
	assert_false(more);
	assert_int_equal(n_released, 1);
	assert_int_equal(pair_read(&pair, 0, 4000), 3035);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

static void
test_ending_it_releases_what_was_not_sent(void **state)
{
	struct dist_outbuf out;
	unsigned n_released = 0;

	(void)state;
	dist_outbuf_init(&out);
	assert_ok(dist_outbuf_refer(&out, "abc", 3, count_release, &n_released));
	dist_outbuf_begin(&out);
	assert_ok(dist_outbuf_refer(&out, "def", 3, count_release, &n_released));
	append(&out, 100);
	dist_outbuf_fini(&out);
	assert_int_equal(n_released, 2);
}

/* What is appended while the batch is sent leaves with the next one. */
static void
test_appending_during_a_send_keeps_order(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	uint64_t at = 0;

	(void)state;
	dist_outbuf_init(&out);
	append(&out, 100);
	dist_outbuf_begin(&out);
	append(&out, 50);
	assert_int_equal(dist_outbuf_send(&out, pair.ours), DIST_SENT_ALL);
	append(&out, 50);
	assert_true(dist_outbuf_end(&out));
	assert_int_equal(dist_outbuf_pending(&out), 100);
	assert_int_equal(pair_read(&pair, 0, 1000), 100);
	dist_outbuf_begin(&out);
	assert_int_equal(dist_outbuf_send(&out, pair.ours), DIST_SENT_ALL);
	assert_false(dist_outbuf_end(&out));
	at = 100 + pair_read(&pair, 100, 1000);
	assert_int_equal(at, 200);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

/* Pieces of all sizes, a peer that reads at random: the stream is what was appended. */
static void
test_a_full_socket_loses_and_repeats_nothing(void **state)
{
	static uint8_t referred[200][3000];
	struct pair pair = pair_open();
	struct dist_outbuf out;
	unsigned seed = 3, n_released = 0, n_blocked = 0, n_referred = 0;
	uint64_t at = 0;
	bool more = false;

	(void)state;
	dist_outbuf_init(&out);
	for (int i = 0; i < 2000; i++) {
		if (rand_r(&seed) % 10 == 0 && n_referred < 200) {
			size_t length = (size_t)rand_r(&seed) % 3000;

			fill(referred[n_referred], length, out.appended);
			assert_ok(dist_outbuf_refer(&out, referred[n_referred++],
			                            length, count_release,
			                            &n_released));
		} else {
			append(&out, (size_t)rand_r(&seed) % 2000);
		}
		if (rand_r(&seed) % 3 == 0)
			n_blocked +=
				send_round(&out, &pair, &more) == DIST_SENT_BLOCKED;
		if (rand_r(&seed) % 4 == 0)
			at += pair_read(&pair, at, (size_t)rand_r(&seed) % 9000);
	}
	do {
		assert_int_not_equal(send_round(&out, &pair, &more), DIST_SENT_BROKEN);
		at += pair_read(&pair, at, 9000);
	} while (more);
	while (at < out.appended)
		at += pair_read(&pair, at, 9000);
	assert_int_equal(pair_read(&pair, at, 1), 0);
	assert_int_equal(out.accepted, out.appended);
	assert_int_equal(n_released, n_referred);
	assert_true(n_blocked > 10);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

static void
test_more_pieces_than_one_call_takes_leave_in_order(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	unsigned n_released = 0;
	static uint8_t bytes[1000];
	uint64_t at = 0;
	bool more;

	(void)state;
	fill(bytes, sizeof(bytes), 0);
	dist_outbuf_init(&out);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_ok(dist_outbuf_refer(&out, &bytes[i], 1, count_release,
		                            &n_released));
	do {
		assert_int_not_equal(send_round(&out, &pair, &more), DIST_SENT_BROKEN);
		at += pair_read(&pair, at, 2000);
	} while (more);
	assert_int_equal(n_released, 1000);
	while (at < 1000)
		at += pair_read(&pair, at, 2000);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

/* Without a signal: a library must not end its program by SIGPIPE. */
static void
test_a_lost_peer_is_told(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	bool more;

	(void)state;
	dist_outbuf_init(&out);
	append(&out, 10);
	close(pair.peer);
	pair.peer = -1;
	assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_BROKEN);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(dist_outbuf_pending(&out), 10);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

/* Blocks of the process's reserve that nobody has. */
static unsigned
count_reserve(void)
{
	void *blocks[64];
	unsigned n = 0;

	while (n < 64 && (blocks[n] = dist_reserve_take()))
		n++;
	for (unsigned i = 0; i < n; i++)
		assert_true(dist_reserve_give(blocks[i]));
	return n;
}

/* One batch of @length bytes there, and another appended while it is sent. */
static void
pass_two(struct dist_outbuf *out, const struct pair *pair, size_t length)
{
	static uint8_t bytes[65536];
	bool more;

	assert_ok(dist_outbuf_append(out, bytes, length));
	dist_outbuf_begin(out);
	assert_ok(dist_outbuf_append(out, bytes, length));
	assert_int_equal(dist_outbuf_send(out, pair->ours), DIST_SENT_ALL);
	assert_true(dist_outbuf_end(out));
	assert_int_equal(send_round(out, pair, &more), DIST_SENT_ALL);
	while (read(pair->peer, bytes, sizeof(bytes)) > 0)
		;
}

/* A burst's memory does not stay with a connection that has little to say. */
static void
test_memory_follows_the_use(void **state)
{
	struct pair pair = pair_open();
	unsigned n_reserve = count_reserve();
	struct dist_outbuf out;
	uint64_t at = 0;
	bool more;

	(void)state;
	dist_outbuf_init(&out);
	append(&out, 10);
	assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_ALL);
	at += pair_read(&pair, at, 10);
	assert_int_equal(count_reserve(), n_reserve);
	for (int i = 0; i < 3000; i++)
		append(&out, 100);
	assert_in_range(count_reserve(), n_reserve - 3, n_reserve - 1);
	do {
		send_round(&out, &pair, &more);
		at += pair_read(&pair, at, 9000);
	} while (more);
	assert_int_equal(count_reserve(), n_reserve - 2);
	for (int i = 0; i < 100; i++) {
		append(&out, 50);
		assert_int_equal(send_round(&out, &pair, &more), DIST_SENT_ALL);
		while (at < out.appended)
			at += pair_read(&pair, at, 9000);
	}
	assert_int_equal(count_reserve(), n_reserve);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

static void
test_memory_is_given_back_when_asked_for(void **state)
{
	struct pair pair = pair_open();
	unsigned n_reserve = count_reserve();
	struct dist_outbuf out;

	(void)state;
	dist_outbuf_init(&out);
	pass_two(&out, &pair, 100);
	assert_int_equal(count_reserve(), n_reserve - 1);
	dist_outbuf_slim(&out);
	assert_int_equal(count_reserve(), n_reserve);
	assert_false(dist_list_empty(&out.spares));
	dist_outbuf_trim(&out);
	assert_true(dist_list_empty(&out.spares));
	assert_int_equal(count_reserve(), n_reserve);
	pass_two(&out, &pair, 100);
	dist_outbuf_fini(&out);
	assert_int_equal(count_reserve(), n_reserve);
	pair_close(&pair);
}

/* Whatever the batches are like, one after the other: two blocks go round. */
static void
test_batches_go_on_without_an_allocation(void **state)
{
	static const size_t lengths[] = { 40, 1024, 60, 1025, 16384, 3, 900 };
	struct pair pair = pair_open();
	struct dist_outbuf out;
	int large = 200 * 1024;

	(void)state;
	setsockopt(pair.ours, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	dist_outbuf_init(&out);
	pass_two(&out, &pair, 100);
	allocations_start();
	for (size_t i = 0; i < 7000; i++)
		pass_two(&out, &pair, lengths[i / 100 % 7]);
	for (size_t i = 0; i < 7000; i++)
		pass_two(&out, &pair, lengths[i % 7]);
	assert_int_equal(allocations_stop(), 0);
	dist_outbuf_fini(&out);
	pair_close(&pair);
}

/* Then each connection has blocks of its own, which stay as well. */
static void
test_the_reserve_may_be_used_up(void **state)
{
	struct pair pair = pair_open();
	struct dist_outbuf out;
	void *blocks[64];
	unsigned n = 0;

	(void)state;
	while (n < 64 && (blocks[n] = dist_reserve_take()))
		n++;
	dist_outbuf_init(&out);
	pass_two(&out, &pair, 2000);
	pass_two(&out, &pair, 2000);
	allocations_start();
	for (int i = 0; i < 1000; i++)
		pass_two(&out, &pair, 2000);
	assert_int_equal(allocations_stop(), 0);
	dist_outbuf_fini(&out);
	while (n > 0)
		assert_true(dist_reserve_give(blocks[--n]));
	pair_close(&pair);
}

/* --- Many threads ---------------------------------------------------------------- */

#define N_APPENDERS   4
#define N_RECORDS     3000
#define RECORD_LENGTH 37

/* As a connection has it: the owner's lock, and one writer at a time. */
struct shared {
	pthread_mutex_t lock;
	struct dist_outbuf out;
	bool writing;
	struct pair pair;
};

struct appender {
	pthread_t thread;
	struct shared *shared;
	uint8_t number;
	unsigned
		n_released; /* by whoever sends: counted under no lock, one at a time */
};

/* Writes for all as long as there is something; the caller holds the lock. */
static void
write_locked(struct shared *shared)
{
	struct pollfd writable = { .fd = shared->pair.ours, .events = POLLOUT };
	enum dist_sent sent;
	bool more = true;

	shared->writing = true;
	while (more) {
		dist_outbuf_begin(&shared->out);
		pthread_mutex_unlock(&shared->lock);
		sent = dist_outbuf_send(&shared->out, shared->pair.ours);
		if (sent == DIST_SENT_BLOCKED)
			poll(&writable, 1, -1);
		pthread_mutex_lock(&shared->lock);
		more = dist_outbuf_end(&shared->out) && sent != DIST_SENT_BROKEN;
	}
	shared->writing = false;
}

static void *
append_many(void *arg)
{
	struct appender *self = arg;
	struct shared *shared = self->shared;
	uint8_t record[RECORD_LENGTH];
	enum dist_err err;

	memset(record, self->number, sizeof(record));
	for (int i = 0; i < N_RECORDS; i++) {
		pthread_mutex_lock(&shared->lock);
		if (i % 10 == 0)
			err = dist_outbuf_refer(&shared->out, record, sizeof(record),
			                        count_release, &self->n_released);
		else
			err = dist_outbuf_append(&shared->out, record, sizeof(record));
		if (!err && !shared->writing)
			write_locked(shared);
		pthread_mutex_unlock(&shared->lock);
		if (err)
			break;
	}
	/* The record lies on this stack: stay until the last reference is sent. */
	pthread_mutex_lock(&shared->lock);
	while (dist_outbuf_pending(&shared->out) > 0) {
		if (!shared->writing)
			write_locked(shared);
		pthread_mutex_unlock(&shared->lock);
		sched_yield();
		pthread_mutex_lock(&shared->lock);
	}
	pthread_mutex_unlock(&shared->lock);
	return NULL;
}

/* Each record comes whole, whoever appends and whoever sends. */
static void
read_records(const struct pair *pair, unsigned *counts)
{
	struct pollfd readable = { .fd = pair->peer, .events = POLLIN };
	uint8_t record[RECORD_LENGTH];
	size_t have = 0;
	ssize_t n;

	for (int i = 0; i < N_APPENDERS * N_RECORDS;) {
		n = read(pair->peer, record + have, sizeof(record) - have);
		if (n < 0) {
			assert_int_equal(poll(&readable, 1, 30000), 1);
			continue;
		}
		have += (size_t)n;
		if (have < sizeof(record))
			continue;
		for (size_t k = 1; k < sizeof(record); k++)
			assert_int_equal(record[k], record[0]);
		counts[record[0]]++;
		have = 0;
		i++;
	}
}

static void
test_records_of_many_threads_come_whole(void **state)
{
	struct shared shared = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct appender appenders[N_APPENDERS];
	unsigned counts[256] = { 0 };

	(void)state;
	shared.pair = pair_open();
	dist_outbuf_init(&shared.out);
	for (int i = 0; i < N_APPENDERS; i++) {
		appenders[i] =
			(struct appender){ .shared = &shared, .number = (uint8_t)i };
		pthread_create(&appenders[i].thread, NULL, append_many, &appenders[i]);
	}
	read_records(&shared.pair, counts);
	for (int i = 0; i < N_APPENDERS; i++) {
		pthread_join(appenders[i].thread, NULL);
		assert_int_equal(counts[i], N_RECORDS);
	}
	dist_outbuf_fini(&shared.out);
	for (int i = 0; i < N_APPENDERS; i++)
		assert_int_equal(appenders[i].n_released, N_RECORDS / 10);
	pair_close(&shared.pair);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_is_appended_arrives_in_order),
	cmocka_unit_test(test_sending_nothing_is_done_at_once),
	cmocka_unit_test(test_a_referenced_piece_is_released_when_it_is_sent),
	cmocka_unit_test(test_a_head_leaves_before_what_it_is_the_head_of),
	cmocka_unit_test(test_ending_it_releases_what_was_not_sent),
	cmocka_unit_test(test_appending_during_a_send_keeps_order),
	cmocka_unit_test(test_a_full_socket_loses_and_repeats_nothing),
	cmocka_unit_test(test_more_pieces_than_one_call_takes_leave_in_order),
	cmocka_unit_test(test_a_lost_peer_is_told),
	cmocka_unit_test(test_records_of_many_threads_come_whole),
	cmocka_unit_test(test_memory_follows_the_use),
	cmocka_unit_test(test_memory_is_given_back_when_asked_for),
	cmocka_unit_test(test_batches_go_on_without_an_allocation),
	cmocka_unit_test(test_the_reserve_may_be_used_up),
};

CHECK_MAIN(tests)
