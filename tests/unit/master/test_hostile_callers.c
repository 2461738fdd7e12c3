/* Accounts that no cluster would tell: what they cost a master, and what they spoil. */
#include "unit/master/registry.h"

#include "base/histogram.h"
#include "master/gathered.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

#include <dist/overview.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROG 0x20000099

/* --- Accounts ----------------------------------------------------------------- */

/* What is in each of its procedures. */
struct shape {
	unsigned n_procedures, n_counters, n_times, n_buckets, name_bytes;
	uint64_t value;   /* of all counters and buckets */
	uint32_t program; /* 0: PROG */
};

static char *
long_name(unsigned bytes, unsigned number)
{
	char *name = malloc(bytes + 12);

	assert_non_null(name);
	memset(name, 'n', bytes + 12);
	snprintf(name, bytes + 12, "%u", number);
	if (strlen(name) < bytes) {
		name[strlen(name)] = 'n';
		name[bytes] = '\0';
	}
	return name;
}

static void
write_counters(dist_stat_counters *counters, const struct shape *shape)
{
	static const char *const known[] = { "calls", "ok", "retries", "in_flight" };

	counters->dist_stat_counters_val = calloc(shape->n_counters + 1, sizeof(dist_stat));
	counters->dist_stat_counters_len = shape->n_counters;
	for (unsigned i = 0; i < shape->n_counters; i++)
		counters->dist_stat_counters_val[i] = (dist_stat){
			i < 4 ? strdup(known[i]) : long_name(64, i),
			shape->value,
		};
}

static void
write_times(dist_stat_times *times, unsigned number, const struct shape *shape)
{
	times->name = number == 0 ? strdup("latency") : long_name(20, number);
	times->count = times->sum_ns = times->max_ns = shape->value;
	times->buckets.buckets_val = calloc(shape->n_buckets + 1, sizeof(dist_stat_bucket));
	times->buckets.buckets_len = shape->n_buckets;
	for (unsigned i = 0; i < shape->n_buckets; i++)
		times->buckets.buckets_val[i] = (dist_stat_bucket){
			(uint64_t)i * 1000, (uint64_t)i * 1000 + 1000, shape->value
		};
}

static void
write_procedure(dist_stat_procedure *procedure, unsigned number, const struct shape *shape)
{
	procedure->prog = shape->program ? shape->program : PROG;
	procedure->vers = 1;
	procedure->proc = number;
	procedure->prog_name = long_name(shape->name_bytes, number);
	procedure->vers_name = long_name(shape->name_bytes, number);
	procedure->proc_name = long_name(shape->name_bytes, number);
	write_counters(&procedure->counters, shape);
	procedure->times.times_val = calloc(shape->n_times + 1, sizeof(dist_stat_times));
	procedure->times.times_len = shape->n_times;
	for (unsigned i = 0; i < shape->n_times; i++)
		write_times(&procedure->times.times_val[i], i, shape);
}

/* xdr_free() it. */
static void
write_account(dist_account *account, unsigned number, const struct shape *shape)
{
	dist_stats_result *counted = &account->counted;

	*account = (dist_account){ .name = strdup("hostile") };
	memcpy(counted->instance, &number, sizeof(number));
	write_counters(&counted->counters, shape);
	counted->procedures.procedures_val =
		calloc(shape->n_procedures + 1, sizeof(dist_stat_procedure));
	counted->procedures.procedures_len = shape->n_procedures;
	for (unsigned i = 0; i < shape->n_procedures; i++)
		write_procedure(&counted->procedures.procedures_val[i], i, shape);
}

static enum clnt_stat
tell(struct registry *registry, unsigned number, const struct shape *shape, u_int *next_ms)
{
	dist_account account;
	enum clnt_stat stat;

	write_account(&account, number, shape);
	stat = dist_account_1(account, next_ms, registry->clnt);
	xdr_free((xdrproc_t)xdr_dist_account, &account);
	return stat;
}

/* --- Memory ------------------------------------------------------------------- */

/* What an account takes is what its bytes say, whatever there is most of in it. */
static void
test_all_memory_of_an_account_is_counted(void **state)
{
	static const struct shape shapes[] = {
		{ .n_procedures = 0 },
		{ .n_procedures = 300, .name_bytes = 1024 },
		{ .n_procedures = 100, .n_counters = 200 },
		{ .n_procedures = 100, .n_times = 16 },
		{ .n_procedures = 10, .n_times = 2, .n_buckets = 1000 },
		{ .n_procedures = 4000 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct dist_gathered *gathered;
		dist_account account;
		size_t before, took, bytes;

		write_account(&account, i, &shapes[i]);
		before = mallinfo2().uordblks;
		gathered = dist_gathered_new(account.name, "127.0.0.1:1", &account.counted);
		took = mallinfo2().uordblks - before;
		assert_non_null(gathered);
		bytes = gathered->bytes;
		dist_gathered_unref(gathered);
		xdr_free((xdrproc_t)xdr_dist_account, &account);
		/* Under a sanitizer mallinfo2() knows of nothing. */
		assert_true(bytes >= took * 9 / 10);
		assert_true(took == 0 || bytes <= 2 * took + 4096);
	}
}

/* --- Time --------------------------------------------------------------------- */

/* As many procedures as a cluster counts, with calls that took anything from nothing to
 * hours; and what it would take too long to read. */
static void
test_only_as_much_is_read_as_a_cluster_has_to_tell(void **state)
{
	static const struct shape longest = { .n_procedures = 257,
		                              .n_counters = 20,
		                              .n_times = 1,
		                              .n_buckets = DIST_HISTOGRAM_BUCKETS,
		                              .value = 1 };
	static const struct shape longer = { .n_procedures = 1024,
		                             .n_counters = 64,
		                             .n_times = 1,
		                             .n_buckets = 100,
		                             .name_bytes = 1024,
		                             .value = 1 };
	struct registry registry;
	u_int next_ms = 0;

	(void)state;
	registry_open(&registry, &(struct dist_master_options){ .stats_ms = 20 });
	assert_int_equal(tell(&registry, 1, &longest, &next_ms), RPC_SUCCESS);
	assert_int_equal(next_ms, 20);
	assert_int_equal(tell(&registry, 2, &longer, &next_ms), RPC_CANTDECODEARGS);
	assert_int_equal(tell(&registry, 1, &longest, &next_ms), RPC_SUCCESS);
	registry_close(&registry);
}

/* --- Gone while it is read ------------------------------------------------------ */

#define CALL_MAX ((size_t)16 * 1024 * 1024)

/* An account on its way, as a record; free() it. */
static uint8_t *
encode_account(unsigned number, const struct shape *shape, size_t *ret_length)
{
	const struct dist_auth none = { .flavor = AUTH_NONE };
	size_t head = DIST_RECORD_MARK_SIZE + dist_call_header_size(none.body, false);
	struct dist_encoder encoder;
	dist_account account;
	uint8_t *record;

	dist_encoder_init(&encoder, NULL, 0, CALL_MAX);
	record = dist_encoder_reserve(&encoder, head);
	assert_non_null(record);
	write_account(&account, number, shape);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_dist_account, &account));
	xdr_free((xdrproc_t)xdr_dist_account, &account);
	record = encoder.data;
	*ret_length = dist_encoder_length(&encoder);
	dist_record_mark(record, (uint32_t)(*ret_length - DIST_RECORD_MARK_SIZE));
	dist_call_header_write(record + DIST_RECORD_MARK_SIZE, number, DIST_REGISTRY,
	                       DIST_REGISTRY_V1, DIST_ACCOUNT, none, NULL);
	return record;
}

/* It has left for the master, as has its caller. */
static void
tell_and_leave(struct registry *registry, unsigned number, const struct shape *shape)
{
	struct dist_sockaddr address;
	size_t length, at = 0;
	uint8_t *record = encode_account(number, shape, &length);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	assert_true(dist_sockaddr_from_numeric(
		"127.0.0.1", (int)dist_master_port(registry->master), &address));
	assert_int_equal(connect(fd, &address.sa, address.length), 0);
	for (; at < length; at += (size_t)n) {
		n = send(fd, record + at, length - at, MSG_NOSIGNAL);
		assert_true(n > 0);
	}
	close(fd);
	free(record);
}

static void
count_callers(struct registry *registry, size_t *ret_here, uint64_t *ret_told)
{
	struct dist_overview *overview;
	struct dist_stats *totals;

	assert_ok(dist_master_overview(&overview, registry->master));
	*ret_here = overview->n_callers_in_all;
	dist_overview_free(overview);
	assert_ok(dist_master_caller_totals(&totals, registry->master));
	*ret_told = totals->nodes[0]->n_procedures
	                    ? dist_counters_value(
				      &totals->nodes[0]->procedures[0]->counters, "calls")
	                    : 0;
	dist_stats_free(totals);
}

/* It takes so long to read that the end of its connection is seen before that is over. */
static void
test_a_caller_that_left_while_it_was_read_is_not_there(void **state)
{
	static const struct shape long_one = { .n_procedures = 257,
		                               .n_counters = 20,
		                               .n_times = 1,
		                               .n_buckets = 500,
		                               .value = 1 };
	const unsigned n = 10;
	struct registry registry;
	uint64_t n_told;
	size_t n_here;

	(void)state;
	registry_open(&registry, &(struct dist_master_options){ .stats_ms = 20 });
	for (unsigned i = 1; i <= n; i++)
		tell_and_leave(&registry, i, &long_one);
	do {
		sched_yield();
		count_callers(&registry, &n_here, &n_told);
	} while (n_told < n || n_here > 0);
	registry_close(&registry);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_all_memory_of_an_account_is_counted),
	cmocka_unit_test(test_only_as_much_is_read_as_a_cluster_has_to_tell),
	cmocka_unit_test(test_a_caller_that_left_while_it_was_read_is_not_there),
};

CHECK_MAIN(tests)
